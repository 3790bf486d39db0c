//! Clients without the layer: the cache and its tokens.

use std::sync::Arc;

use http::{HeaderMap, Method, Request, StatusCode, Uri};
use tower::ServiceExt as _;
use tower_oauth2_client_credentials::{
    Error, Token, TokenCache, TokenSource as _, source::AcquireContext, token::TokenType,
};

use crate::support::{Body, Stage, probe};

#[tokio::test(start_paused = true)]
async fn a_token_authorizes_and_observes_by_itself() {
    let stage = Stage::new();
    stage.at_api.require_nonce(true);
    let tokens = stage.tokens();
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let token = tokens.get().await.unwrap();
        let uri = Uri::from_static("https://api.test/things?x=1");
        let mut headers = HeaderMap::new();
        token.authorize(&Method::PUT, &uri, &mut headers).unwrap();
        let mut request = Request::put(&uri).body(Body::default()).unwrap();
        request.headers_mut().extend(headers);
        let response = stage.api.service().oneshot(request).await.unwrap();
        assert!(token.observe_response(&uri, response.headers()));
        statuses.push(response.status());
    }
    assert_eq!(statuses, [StatusCode::UNAUTHORIZED, StatusCode::OK, StatusCode::OK]);
}

/// As a decorator that stores tokens as bytes.
#[tokio::test(start_paused = true)]
async fn a_token_can_be_stored_as_bytes_and_rebuilt() {
    let stage = Stage::new();
    let inner = Arc::new(stage.builder().build().unwrap());
    let tokens = TokenCache::new(move |_: AcquireContext| {
        let inner = Arc::clone(&inner);
        async move {
            let token = inner.acquire(probe()).await?;
            let bytes = token.secret().to_owned();
            let again = Token::new(TokenType::Dpop, bytes)?;
            Ok::<_, Error>(again.with_proof(Arc::clone(token.proof().unwrap())))
        }
    });
    assert_eq!(stage.client_of(tokens).get("https://api.test/").await, StatusCode::OK);
}
