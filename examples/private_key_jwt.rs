//! A client that authenticates with a private key (`private_key_jwt`, RFC 7523). Both servers are
//! embedded.
//!
//! ```sh
//! cargo run --example private_key_jwt
//! ```
//!
//! For a real authorization server change four things:
//!
//! - the key: `SigningKey::from_pem(SigningAlgorithm::Es256, pem)?.with_key_id("…")`, or, for a key that is
//!   rotated, `SigningKeySource::from_jwk_file("/run/secrets/key.json")`. Generate it with `openssl
//!   genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`, and register the output of
//!   `public_jwk()`;
//! - the token URL and the client id;
//! - the issuer, exactly as the server's metadata has it. Older servers require their token URL
//!   here;
//! - the API, and its HTTP client.
//!
//! It exits with an error if the counts differ from the crate's promises.

use std::{collections::HashSet, sync::Mutex};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, jwk::Jwk};
use serde_json::Value;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache,
    jose::{SigningAlgorithm, SigningKey},
    testing::{AuthorizationServer, ProtectedApi, RecordedRequest},
};

const ISSUER: &str = "https://idp.example.com";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let key = SigningKey::generate(SigningAlgorithm::Es256)?.with_key_id("2026-11");
    println!("registered: {}", key.public_jwk());
    let idp = AuthorizationServer::builder().verify_assertion(verifier(&key.public_jwk())?).build();
    let api = ProtectedApi::new(&idp);
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);

    // Your service starts here.
    let client = |key: SigningKey| {
        ClientCredentials::builder(token_server.token_url())
            .private_key_jwt("my-service", key, ISSUER)
            .scope("things:read")
            .build()
    };
    let tokens = client(key)?.into_cache();
    let http = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut service = ServiceBuilder::new()
        .layer(OAuthClientCredentialsLayer::new(
            tokens,
            Origins::parse([api_server.url().as_str()])?,
        ))
        .service(http);
    for _ in 0..3 {
        let request = Request::get(format!("{}/things", api_server.url())).body(Empty::new())?;
        let response = service.ready().await?.call(request).await?;
        println!("GET /things: {}", response.status());
        if response.status() != StatusCode::OK {
            return Err("the API refused the token".into());
        }
    }
    println!("{} token request", idp.token_requests());
    if idp.token_requests() != 1 {
        return Err("one token was enough".into());
    }

    // A foreign key with the same name.
    let stolen_name = SigningKey::generate(SigningAlgorithm::Es256)?.with_key_id("2026-11");
    match TokenCache::new(client(stolen_name)?).get().await {
        Err(error) if error.code() == "invalid_client" => println!("another key: {error}"),
        other => return Err(format!("another key: {other:?}").into()),
    }
    Ok(())
}

/// Verifies a client assertion (RFC 7523 §3).
fn verifier(
    registered: &str,
) -> Result<impl Fn(&RecordedRequest) -> Result<(), &'static str> + use<>, BoxError> {
    let key = DecodingKey::from_jwk(&serde_json::from_str::<Jwk>(registered)?)?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_audience(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
    let seen = Mutex::new(HashSet::new());
    Ok(move |request: &RecordedRequest| {
        let assertion = request.form_value("client_assertion").ok_or("invalid_client")?;
        let claims = jsonwebtoken::decode::<Value>(assertion, &key, &validation)
            .map_err(|_| "invalid_client")?
            .claims;
        let fresh = claims["jti"].as_str().is_some_and(|jti| {
            seen.lock().is_ok_and(|mut seen: std::sync::MutexGuard<'_, HashSet<String>>| {
                seen.insert(jti.to_owned())
            })
        });
        let good = claims["iss"] == "my-service" && claims["sub"] == "my-service" && fresh;
        if good { Ok(()) } else { Err("invalid_client") }
    })
}
