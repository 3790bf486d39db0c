//! A client that is configured by the environment.
//!
//! ```sh
//! cargo run --example from_env
//! ```
//!
//! Or, against your servers:
//!
//! ```sh
//! OAUTH_TOKEN_URL=https://idp.example.com/oauth2/token OAUTH_CLIENT_ID=my-service \
//!     OAUTH_CLIENT_SECRET_FILE=/run/secrets/idp OAUTH_SCOPE=invoices:read \
//!     API_URL=https://api.example.com/invoices cargo run --example from_env
//! ```
//!
//! The chapter on configuration lists all variables. Without any, the example runs against embedded
//! servers with its own variables.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, process,
};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body_util::Empty;
use tower::{ServiceBuilder, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, OAuthClientCredentialsLayer, Origins,
    config::ClientCredentialsConfig,
    testing::{AuthorizationServer, ProtectedApi, RegisteredClient},
    transport::HyperClient,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    if env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("OAUTH_")) {
        call(env::vars_os().collect()).await
    } else {
        println!("no variables OAUTH_…: using embedded servers");
        embedded().await
    }
}

/// Your service does this with `ClientCredentialsConfig::from_env()`.
async fn call(vars: Vec<(OsString, OsString)>) -> Result<(), BoxError> {
    let url = vars.iter().find(|(name, _)| name == "API_URL");
    let url = url.and_then(|(_, value)| value.to_str()).ok_or("API_URL: set it to what to GET")?;
    let uri: Uri = url.parse().map_err(|error| format!("API_URL: {error}"))?;
    let (scheme, host) = (uri.scheme_str().unwrap_or_default(), uri.authority());
    let origin = format!("{scheme}://{}", host.map_or("", |authority| authority.as_str()));

    let config = ClientCredentialsConfig::from_vars("OAUTH_", vars.iter().map(|it| (&it.0, &it.1)));
    println!("{config:?}");
    let source = config.source_builder()?.build()?;
    let tokens = config.cache_builder(source)?.observer(|event| println!("  {event:?}")).build();

    // It has the trust store, proxy and certificate of the token requests.
    let http: HyperClient<Empty<Bytes>> = config.transport_builder()?.build_client()?;
    let client = ServiceBuilder::new()
        .layer(OAuthClientCredentialsLayer::new(tokens, Origins::parse([origin.as_str()])?))
        .service(http);
    let response = client.oneshot(Request::get(uri).body(Empty::new())?).await?;
    println!("GET {url}: {}", response.status());
    match response.status() {
        StatusCode::UNAUTHORIZED => Err("the API refused the token".into()),
        _ => Ok(()),
    }
}

async fn embedded() -> Result<(), BoxError> {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);
    let secret = env::temp_dir().join(format!("from-env-{}", process::id()));
    fs::write(&secret, "s3cret\n")?;

    let vars = |changes: &[(&str, &OsStr)]| {
        let token_url = token_server.token_url();
        let things = format!("{}/things", api_server.url());
        let good = [
            ("API_URL", OsStr::new(&things)),
            ("OAUTH_TOKEN_URL", OsStr::new(&token_url)),
            ("OAUTH_CLIENT_ID", OsStr::new("my-service")),
            ("OAUTH_CLIENT_SECRET_FILE", secret.as_os_str()),
            ("OAUTH_SCOPE", OsStr::new("things:read things:write")),
            ("OAUTH_WAIT_TIMEOUT", OsStr::new("5s")),
        ];
        let all = good.iter().chain(changes);
        all.map(|(name, value)| (name.into(), value.into())).collect::<Vec<_>>()
    };
    let result = call(vars(&[])).await;
    // A configuration with an error.
    let mistake = call(vars(&[("OAUTH_CLIENT_SECRET", OsStr::new("s3cret"))])).await;
    fs::remove_file(&secret)?;
    result?;
    let error = mistake.err().ok_or("two secrets were accepted")?;
    println!("with a second secret: {error}");
    let scope = idp.requests().first().and_then(|it| it.form_value("scope").map(str::to_owned));
    if (idp.token_requests(), api.accepted()) != (1, 1)
        || scope.as_deref() != Some("things:read things:write")
    {
        return Err("the settings did not reach the servers".into());
    }
    Ok(())
}
