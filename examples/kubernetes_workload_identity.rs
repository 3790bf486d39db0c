//! A client whose credential is a token that Kubernetes projects into a file and rotates. The
//! kubelet, the authorization server and the API are embedded.
//!
//! ```sh
//! cargo run --example kubernetes_workload_identity
//! ```
//!
//! For a real cluster change three things:
//!
//! - the path where the pod mounts the token, such as `/var/run/secrets/tokens/idp`, from a
//!   `serviceAccountToken` volume with the `audience` that the authorization server requires. For
//!   Entra ID the path is in `AZURE_FEDERATED_TOKEN_FILE`, the client id in `AZURE_CLIENT_ID`;
//! - the token URL; for Entra ID
//!   `https://login.microsoftonline.com/<tenant>/oauth2/v2.0/token`, with a scope that ends in
//!   `/.default`;
//! - the API, and its HTTP client.
//!
//! It exits with an error if a request failed, or if a token request used an old file.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins,
    testing::{AuthorizationServer, ProtectedApi},
};

/// Short, so that a few seconds show several tokens.
const ACCESS_TOKEN_LIFE: Duration = Duration::from_secs(1);
const ROTATE_EVERY: Duration = Duration::from_millis(1500);
const LENGTH: Duration = Duration::from_millis(5800);

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let kubelet = Kubelet::new()?;
    let valid = Arc::clone(&kubelet.valid);
    let idp = AuthorizationServer::builder()
        .lifetime(ACCESS_TOKEN_LIFE)
        // A real one checks the signature with the cluster's public keys.
        .verify_assertion(move |request| {
            let assertion = request.form_value("client_assertion").unwrap_or_default();
            let valid = valid.lock().unwrap_or_else(PoisonError::into_inner);
            if valid.iter().any(|one| one == assertion) { Ok(()) } else { Err("invalid_client") }
        })
        .build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);

    // Your service starts here.
    let tokens = ClientCredentials::builder(token_server.token_url())
        .client_assertion_file("my-service", kubelet.path())
        .build()?
        .into_cache();
    let http = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut service = ServiceBuilder::new()
        .layer(OAuthClientCredentialsLayer::new(
            tokens,
            Origins::parse([api_server.url().as_str()])?,
        ))
        .service(http);

    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let (started, mut rotated) = (tokio::time::Instant::now(), 0);
    while started.elapsed() < LENGTH {
        ticks.tick().await;
        if started.elapsed() > ROTATE_EVERY * (rotated + 1) {
            rotated += 1;
            kubelet.rotate(rotated)?;
        }
        let request = Request::get(format!("{}/things", api_server.url())).body(Empty::new())?;
        let response = service.ready().await?.call(request).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("the API answered {}", response.status()).into());
        }
    }

    let requests = idp.requests();
    let mut used: Vec<_> =
        requests.iter().map(|request| request.form_value("client_assertion")).collect();
    used.dedup();
    println!(
        "{} API requests, {} token requests, the projected token rotated {rotated} times, {} of \
         its versions were used",
        api.requests(),
        requests.len(),
        used.len(),
    );
    if idp.tokens_issued() != idp.token_requests() || used.len() != rotated as usize + 1 {
        return Err("a token request did not carry the newest projected token".into());
    }
    Ok(())
}

/// Writes the projected token as a kubelet does: each version in one step, under a new name.
struct Kubelet {
    directory: PathBuf,
    /// The tokens that the cluster accepts. An old version stays valid for a while.
    valid: Arc<Mutex<Vec<String>>>,
}

impl Kubelet {
    fn new() -> io::Result<Self> {
        let directory = env::temp_dir().join(format!("projected-token-{}", process::id()));
        fs::create_dir_all(&directory)?;
        let kubelet = Self { directory, valid: Arc::default() };
        kubelet.rotate(0)?;
        Ok(kubelet)
    }

    fn path(&self) -> PathBuf {
        self.directory.join("token")
    }

    fn rotate(&self, version: u32) -> io::Result<()> {
        let token = service_account_token(version);
        let next = self.directory.join("token.next");
        fs::write(&next, &token)?;
        self.valid.lock().unwrap_or_else(PoisonError::into_inner).push(token);
        fs::rename(&next, self.path())
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all::<&Path>(&self.directory);
    }
}

/// A token in the form of a service account's JWT, with an invalid signature.
fn service_account_token(version: u32) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = serde_json::json!({
        "iss": "https://kubernetes.default.svc.cluster.local",
        "sub": "system:serviceaccount:prod:my-service",
        "aud": ["https://idp.example.com"],
        "iat": now,
        "exp": now + 3600,
        "jti": version.to_string(),
    });
    let encode = |part: String| URL_SAFE_NO_PAD.encode(part);
    let header = encode(serde_json::json!({"alg": "RS256", "typ": "JWT"}).to_string());
    format!("{header}.{}.{}", encode(claims.to_string()), URL_SAFE_NO_PAD.encode([0; 256]))
}
