//! hyper-util's clients.

use http::Version;
use hyper::body::Incoming;
use tower::{BoxError, Layer, Service};
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins, replay::CloneBodies, testing::ProtectedApi,
};

use crate::Idp;

#[allow(dead_code)]
#[path = "../../examples/hyper.rs"]
mod example;

use example::{Body, legacy, pooled, post_at_once};

/// A hundred concurrent tasks: cold, warm, and after a revocation.
async fn shared_by_tasks<S>(client: S, version: Version)
where
    S: Service<http::Request<Body>, Response = http::Response<Incoming>>,
    S: Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
{
    let world = Idp::start().await;
    let api = ProtectedApi::new(&world.idp);
    let listening = api.listen().await.unwrap();
    let url = listening.url();
    let tokens = world.client().unwrap().into_cache();
    let origins = Origins::parse([&url]).unwrap();
    let client =
        OAuthClientCredentialsLayer::new(tokens, origins).replay(CloneBodies).layer(client);

    assert_eq!(post_at_once(&client, &url, 100).await.unwrap(), 100);
    assert_eq!(post_at_once(&client, &url, 100).await.unwrap(), 100);
    assert_eq!((world.idp.token_requests(), api.accepted(), api.rejected()), (1, 200, 0));
    world.idp.revoke_all();
    assert_eq!(post_at_once(&client, &url, 100).await.unwrap(), 100);
    assert_eq!((world.idp.token_requests(), api.accepted()), (2, 300));
    assert!((1..=100).contains(&api.rejected()), "{} replays", api.rejected());
    let recorded = api.recorded();
    assert!(recorded.iter().all(|request| request.version == version && !request.body.is_empty()));
}

#[tokio::test]
async fn a_legacy_client_over_http_1() {
    shared_by_tasks(legacy(false), Version::HTTP_11).await;
}

#[tokio::test]
async fn a_legacy_client_over_http_2() {
    shared_by_tasks(legacy(true), Version::HTTP_2).await;
}

#[tokio::test]
async fn a_pool_of_one_connection() {
    shared_by_tasks(pooled(), Version::HTTP_2).await;
}
