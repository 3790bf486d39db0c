//! Tokens that are bound to a key, through reqwest-middleware.

use http::StatusCode;
use reqwest_middleware::ClientBuilder;
use tower_oauth2_client_credentials::{
    ClientCredentials,
    dpop::DpopKey,
    middleware::OAuthClientCredentialsMiddleware,
    testing::{AuthorizationServer, DpopVerifier, ProtectedApi, RegisteredClient},
};

use crate::{proofs::verified, support::Stage};

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
