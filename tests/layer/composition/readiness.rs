//! `poll_ready` through whole stacks, by `tower_test`'s mock, which panics if it is called without
//! being ready.

use std::{future::Future, pin::pin, task::Poll, time::Duration};

use http::{Request, Response};
use tower::{Layer, Service, ServiceBuilder, load_shed::error::Overloaded};
use tower_http::{
    decompression::DecompressionLayer, follow_redirect::FollowRedirectLayer, trace::TraceLayer,
};
use tower_oauth2_client_credentials::BoxError;
use tower_test::mock;

use crate::composition::{
    bottom::{Body, rejection},
    retry,
    world::{Case, Tokens, World, request, secs},
};

type Mock = mock::Mock<Request<Body>, Response<Body>>;
type Handle = mock::Handle<Request<Body>, Response<Body>>;

/// Pending while the inner service is, woken with it, and its failure is passed on.
async fn passes_readiness<L, R>(layer: L)
where
    L: Layer<Mock>,
    L::Service: Service<Request<Body>, Response = Response<R>>,
    <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
{
    let (mut service, mut handle): (_, Handle) = mock::spawn_layer(layer);
    handle.allow(0);
    assert!(service.poll_ready::<Request<Body>>().is_pending());
    assert!(!service.is_woken());
    handle.allow(1);
    assert!(service.is_woken());
    assert!(matches!(service.poll_ready::<Request<Body>>(), Poll::Ready(Ok(()))));
    handle.send_error("broken");
    match service.poll_ready::<Request<Body>>() {
        Poll::Ready(Err(error)) => assert_eq!(error.into().to_string(), "broken"),
        Poll::Ready(Ok(())) | Poll::Pending => panic!("the failure is lost"),
    }
}

/// A 401 and its replay, with one slot in the inner service: the replay waits for its own slot.
async fn waits_for_its_own_place<L, R>(world: &World, tokens: Tokens, layer: L)
where
    L: Layer<Mock>,
    L::Service: Service<Request<Body>, Response = Response<R>>,
    <L::Service as Service<Request<Body>>>::Error: Into<BoxError>,
{
    world.warm_up(tokens).await;
    let (mut service, mut handle): (_, Handle) = mock::spawn_layer(layer);
    handle.allow(1);
    assert!(matches!(service.poll_ready::<Request<Body>>(), Poll::Ready(Ok(()))));
    let mut called = pin!(service.call(request()));
    let mut poll = async || std::future::poll_fn(|cx| Poll::Ready(called.as_mut().poll(cx))).await;
    assert!(poll().await.is_pending());
    let (seen, respond) = handle.next_request().await.unwrap();
    assert_eq!(seen.headers()["authorization"], "Bearer t1");
    respond.send_response(rejection());
    // Long after the new token arrived.
    for _ in 0..5 {
        assert!(poll().await.is_pending());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(world.token_requests(), 2);
    assert!(handle.poll_request().is_pending());
    handle.allow(1);
    assert!(poll().await.is_pending());
    let (seen, respond) = handle.next_request().await.unwrap();
    assert_eq!(seen.headers()["authorization"], "Bearer t2");
    respond.send_response(Response::new(Body::default()));
    match poll().await {
        Poll::Ready(result) => assert_eq!(result.map_err(Into::into).unwrap().status(), 200),
        Poll::Pending => panic!("the answer is lost"),
    }
}

macro_rules! stacks {
    ($($name:ident: |$ours:ident| $stack:expr;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let world = World::of(Case::Fresh, Tokens::One).await;
            let $ours = world.ours();
            passes_readiness($stack).await;
            let $ours = world.ours();
            waits_for_its_own_place(&world, Tokens::One, $stack).await;
            let world = World::of(Case::Fresh, Tokens::Keyed).await;
            let $ours = world.keyed();
            passes_readiness($stack).await;
            let $ours = world.keyed();
            waits_for_its_own_place(&world, Tokens::Keyed, $stack).await;
        }
    )*};
}

stacks! {
    alone: |ours| ours;
    a_limit_above: |ours| ServiceBuilder::new().concurrency_limit(1).layer(ours);
    a_limit_below: |ours| ServiceBuilder::new().layer(ours).concurrency_limit(1);
    retry_above: |ours| ServiceBuilder::new().retry(retry::at_once()).layer(ours);
    retry_below: |ours| ServiceBuilder::new().layer(ours).retry(retry::at_once());
    timeout_above: |ours| ServiceBuilder::new().timeout(secs(60)).layer(ours);
    timeout_below: |ours| ServiceBuilder::new().layer(ours).timeout(secs(60));
    trace_above: |ours| ServiceBuilder::new().layer(TraceLayer::new_for_http()).layer(ours);
    trace_below: |ours| ServiceBuilder::new().layer(ours).layer(TraceLayer::new_for_http());
    decompression_above: |ours| ServiceBuilder::new().layer(DecompressionLayer::new()).layer(ours);
    decompression_below: |ours| ServiceBuilder::new().layer(ours).layer(DecompressionLayer::new());
    redirects_above: |ours| ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(ours);
    redirects_below: |ours| ServiceBuilder::new().layer(ours).layer(FollowRedirectLayer::new());
}

/// The shedder is always ready, and sheds requests that the inner service has no capacity for. The
/// layer is then not called, and calls no service that is not ready.
#[tokio::test(start_paused = true)]
async fn load_shed() {
    let world = World::new(Case::Fresh).await;
    sheds(ServiceBuilder::new().load_shed().layer(world.ours())).await;
    sheds(ServiceBuilder::new().layer(world.ours()).load_shed()).await;
    let world = World::of(Case::Fresh, Tokens::Keyed).await;
    sheds(ServiceBuilder::new().load_shed().layer(world.keyed())).await;
    sheds(ServiceBuilder::new().layer(world.keyed()).load_shed()).await;
}

async fn sheds<L>(layer: L)
where
    L: Layer<Mock>,
    L::Service: Service<Request<Body>, Response = Response<Body>, Error = BoxError>,
{
    let (mut service, mut handle): (_, Handle) = mock::spawn_layer(layer);
    handle.allow(0);
    assert!(matches!(service.poll_ready::<Request<Body>>(), Poll::Ready(Ok(()))));
    let error = service.call(request()).await.unwrap_err();
    assert!(error.is::<Overloaded>(), "{error}");
    handle.allow(1);
    assert!(matches!(service.poll_ready::<Request<Body>>(), Poll::Ready(Ok(()))));
    let answer = service.call(request());
    let (seen, respond) = handle.next_request().await.unwrap();
    assert_eq!(seen.headers()["authorization"], "Bearer t1");
    respond.send_response(Response::new(Body::default()));
    assert_eq!(answer.await.unwrap().status(), 200);
}
