//! Tokens that are bound to a key, through reqwest-middleware.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::StatusCode;
use jsonwebtoken::{
    DecodingKey, Validation,
    jwk::{Jwk, ThumbprintHash},
};
use reqwest_middleware::ClientBuilder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tower_oauth2_client_credentials::{
    ClientCredentials,
    dpop::DpopKey,
    middleware::OAuthClientCredentialsMiddleware,
    testing::{AuthorizationServer, DpopVerifier, ProtectedApi, RegisteredClient},
};

use crate::support::Stage;

/// Checks signature and `ath`. Returns the key's thumbprint.
fn verified(proof: &str, access_token: Option<&str>) -> Option<String> {
    let header = jsonwebtoken::decode_header(proof).ok()?;
    let jwk: Jwk = header.jwk?;
    let mut validation = Validation::new(header.alg);
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    let claims = jsonwebtoken::decode::<Value>(proof, &key, &validation).ok()?.claims;
    let ath = access_token.map(|token| URL_SAFE_NO_PAD.encode(Sha256::digest(token)));
    let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256).ok()?;
    (claims["ath"].as_str() == ath.as_deref()).then_some(thumbprint)
}

/// Both servers send a nonce challenge once. Then the token is rejected.
#[tokio::test]
async fn each_sending_has_its_proof_and_nonces_are_kept() {
    let (at_idp, at_api) = (DpopVerifier::new(verified), DpopVerifier::new(verified));
    at_idp.require_nonce(true);
    at_api.require_nonce(true);
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("me").secret("s3cret"))
        .dpop(at_idp)
        .build();
    let api = ProtectedApi::builder(&idp).dpop(at_api.clone()).build();
    let stage = Stage::of(idp, api).await;
    let tokens = ClientCredentials::builder(stage.token_server.token_url())
        .client_secret_basic("me", "s3cret")
        .transport(stage.http.clone())
        .dpop(DpopKey::generate())
        .build()
        .unwrap()
        .into_cache();
    let middleware = OAuthClientCredentialsMiddleware::new(tokens, stage.origins());
    let client = ClientBuilder::new(stage.http.client().clone()).with(middleware).build();

    let post = || client.post(stage.url() + "?not=signed").body("hello").send();
    for _ in 0..3 {
        assert_eq!(post().await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!((at_api.challenges(), stage.api.requests(), stage.idp.token_requests()), (1, 4, 2));
    stage.idp.revoke_all();
    at_api.rotate_nonce();
    assert_eq!(post().await.unwrap().status(), StatusCode::OK);
    assert_eq!((stage.api.accepted(), stage.api.rejected()), (4, 1));
    let recorded = stage.api.recorded();
    let mut proofs: Vec<_> = recorded.iter().map(|it| it.header("dpop").unwrap()).collect();
    let sent = proofs.len();
    proofs.dedup();
    assert_eq!((proofs.len(), recorded.iter().all(|it| it.body == "hello")), (sent, true));
}
