//! Tokens that are bound to a key (DPoP, RFC 9449), so that a thief can't use them. Both servers
//! are embedded, check every proof, and require nonces.
//!
//! ```sh
//! cargo run --example dpop
//! ```
//!
//! For a real authorization server change three things:
//!
//! - the token URL, or `ClientCredentials::discover(ISSUER)`, which chooses an algorithm that the
//!   server lists;
//! - the client id and its authentication (often `private_key_jwt`, see that example);
//! - the API and its HTTP client. Redirects and proxies must not change method and URL, because the
//!   proof names them.
//!
//! Most servers require that the client is registered for DPoP (`dpop_bound_access_tokens`). The
//! key can be new for each process, unless the server requires a registered key: then pass
//! `SigningKey::from_pem(SigningAlgorithm::Es256, pem)?` to `dpop`.
//!
//! It exits with an error if the counts differ from the crate's promises.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{Jwk, ThumbprintHash},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins,
    dpop::DpopKey,
    testing::{AuthorizationServer, DpopVerifier, ProtectedApi, RegisteredClient},
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (at_idp, at_api) = (DpopVerifier::new(verified), DpopVerifier::new(verified));
    at_idp.require_nonce(true);
    at_api.require_nonce(true);
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("my-service").secret("s3cret"))
        .dpop(at_idp)
        .build();
    let api = ProtectedApi::builder(&idp).dpop(at_api).build();
    let (token_server, api_server) = (idp.listen().await?, api.listen().await?);

    // Your service starts here.
    let tokens = ClientCredentials::builder(token_server.token_url())
        .client_secret_basic("my-service", "s3cret")
        .scope("things:read")
        .dpop(DpopKey::generate())
        .build()?
        .into_cache();
    let http = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let mut service = ServiceBuilder::new()
        .layer(OAuthClientCredentialsLayer::new(
            tokens.clone(),
            Origins::parse([api_server.url().as_str()])?,
        ))
        .service(http.clone());
    for _ in 0..3 {
        let request = Request::get(format!("{}/things", api_server.url())).body(Empty::new())?;
        let response = service.ready().await?.call(request).await?;
        println!("GET /things: {}", response.status());
        if response.status() != StatusCode::OK {
            return Err("the API refused the token".into());
        }
    }
    // The first request of each kind had no nonce, was refused, and was sent again with one.
    let counts = (idp.token_requests(), api.requests());
    println!("{} token requests, {} requests to the API", counts.0, counts.1);
    if counts != (2, 4) {
        return Err("a nonce is asked for once".into());
    }

    // A thief has the token but not the key.
    let stolen = tokens.get().await?;
    let request = Request::get(format!("{}/things", api_server.url()))
        .header("authorization", format!("Bearer {}", stolen.secret()))
        .body(Empty::new())?;
    let response = http.request(request).await?;
    println!("the token alone: {}", response.status());
    if response.status() != StatusCode::UNAUTHORIZED {
        return Err("a stolen token was accepted".into());
    }
    Ok(())
}

/// Verifies a proof (RFC 9449 §4.3), in addition to the checks of the mocks: the signature, and for
/// an API the token's hash. Returns the key's thumbprint.
fn verified(proof: &str, access_token: Option<&str>) -> Option<String> {
    let jwk: Jwk = jsonwebtoken::decode_header(proof).ok()?.jwk?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let claims = jsonwebtoken::decode::<Value>(proof, &key, &validation).ok()?.claims;
    let ath = access_token.map(|token| URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
    let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
    (claims["ath"].as_str() == ath.as_deref()).then_some(thumbprint)
}
