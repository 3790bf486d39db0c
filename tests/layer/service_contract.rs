//! The requirements of tower for a middleware, and this crate's promises about the inner service.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio::{sync::Semaphore, time::sleep};
use tower::{Layer, Service, ServiceExt, limit::ConcurrencyLimit};
use tower_oauth2_client_credentials::{
    BoxError, Error, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    layer::ResponseFuture,
    replay::{EmptyBodies, NoReplay},
    source::AcquireContext,
};
use tower_test::mock;

use crate::support::{
    Api, Body, Idp, call, failure, layered, oauth, poll_once, rejection, request, secs,
};

type Mock = mock::Mock<Request<Body>, Response<Body>>;
type Handle = mock::Handle<Request<Body>, Response<Body>>;

/// A cache that holds `t1`.
async fn warm(idp: &Idp) -> TokenCache {
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    cache
}

#[tokio::test(start_paused = true)]
async fn poll_ready_passes_through() {
    let cache = Idp::healthy(3600.0, 0.1).cache();
    let layer = OAuthClientCredentialsLayer::new(cache, Origins::any());
    let (mut service, mut handle): (_, Handle) = mock::spawn_layer(layer);
    handle.allow(0);
    assert!(service.poll_ready::<Request<Body>>().is_pending(), "without a token and all");
    assert!(!service.is_woken());
    handle.allow(1);
    assert!(service.is_woken());
    assert!(matches!(service.poll_ready::<Request<Body>>(), Poll::Ready(Ok(()))));
    handle.send_error("broken");
    let Poll::Ready(Err(error)) = service.poll_ready::<Request<Body>>() else {
        panic!("the error is lost")
    };
    assert_eq!(error.to_string(), "broken");
}

#[tokio::test(start_paused = true)]
async fn an_unexpired_token_is_added_and_the_service_called_at_once() {
    // The refresh of the second is due.
    for age in [0.0, 3500.0] {
        let idp = Idp::healthy(3600.0, 0.1);
        let (mock, mut handle): (Mock, Handle) = mock::pair();
        let mut client = layered(&warm(&idp).await, mock);
        tokio::time::advance(secs(age)).await;
        client.ready().await.unwrap();
        let called = client.call(request());
        // Before the future is polled.
        let (seen, _respond) = handle.next_request().await.unwrap();
        assert_eq!(seen.headers()["authorization"], "Bearer t1");
        drop(called);
    }
}

/// A permit that a caller acquired before its request began to wait is free during the wait.
#[tokio::test(start_paused = true)]
async fn a_waiting_request_reserves_nothing() {
    let idp = Idp::healthy(3600.0, 5.0);
    let cache = idp.cache();
    let permits = Arc::new(Semaphore::new(1));
    let limited = ConcurrencyLimit::with_semaphore(Api::ok(), Arc::clone(&permits));
    let mut client = layered(&cache, limited);
    client.ready().await.unwrap();
    assert_eq!(permits.available_permits(), 0);
    let mut waiting = Box::pin(client.call(request()));
    assert_eq!(permits.available_permits(), 1, "from the call on");
    assert!(poll_once(&mut waiting).await.is_pending());
    assert_eq!(permits.available_permits(), 1);
    assert_eq!(waiting.await.unwrap().status(), 200);
    assert_eq!(permits.available_permits(), 1);
}

/// The token transport uses the same limit as the API's client.
#[tokio::test(start_paused = true)]
async fn a_token_transport_behind_the_apis_concurrency_limit_does_not_deadlock() {
    let api = Api::accepting(|token| token != "t1");
    let inner = api.clone();
    let issued = Arc::new(Mutex::new(0));
    let host = tower::service_fn(move |request: Request<Body>| {
        let (mut api, issued) = (inner.clone(), Arc::clone(&issued));
        async move {
            sleep(secs(0.1)).await;
            if request.uri().path() != "/token" {
                return api.call(request).await;
            }
            let mut issued = issued.lock().unwrap();
            *issued += 1;
            Ok(Response::new(Body::from(format!("t{issued}"))))
        }
    });
    let limited = ConcurrencyLimit::new(host, 1);
    let transport = limited.clone();
    let cache = TokenCache::new(move |_: AcquireContext| {
        let transport = transport.clone();
        async move {
            let request = Request::post("https://api.example.com/token").body(Body::default());
            let response = transport.oneshot(request.unwrap()).await.unwrap();
            let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
            let secret = String::from_utf8(body.to_bytes().to_vec()).unwrap();
            Ok(Token::bearer(secret)?.with_lifetime(secs(3.0)))
        }
    });
    let client = layered(&cache, limited);
    let mut calls = tokio::task::JoinSet::new();
    for nth in 0..50 {
        let mut client = client.clone();
        calls.spawn(async move {
            sleep(secs(f64::from(nth % 25) * 0.5)).await;
            // A caller that holds its permit when the request begins to wait.
            let called = client.ready().await.unwrap().call(request());
            called.await.unwrap().status()
        });
    }
    let all = tokio::time::timeout(secs(25.0), calls.join_all()).await.expect("a deadlock");
    assert!(all.iter().all(|status| *status == 200));
    assert_eq!(api.tokens().iter().filter(|token| *token == "t1").count(), 2, "replayed, too");
}

/// The calls of the inner service, in order.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<Vec<&'static str>>>);

impl Order {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }
}

struct NotesDrop(Order, &'static str);

impl Drop for NotesDrop {
    fn drop(&mut self) {
        self.0.note(self.1);
    }
}

/// Records when it becomes ready, when it is called, and when its futures and responses are
/// dropped.
#[derive(Clone)]
struct Noting(Order);

struct NotingFuture(Option<Response<NotesDrop>>, #[allow(dead_code)] NotesDrop);

impl Future for NotingFuture {
    type Output = Result<Response<NotesDrop>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(self.0.take().expect("polled after it was ready")))
    }
}

impl Service<Request<Body>> for Noting {
    type Response = Response<NotesDrop>;
    type Error = Infallible;
    type Future = NotingFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.note("ready");
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> NotingFuture {
        self.0.note("call");
        let rejected = request.headers()["authorization"] == "Bearer t1";
        let mut response = Response::new(NotesDrop(self.0.clone(), "response dropped"));
        if rejected {
            *response.status_mut() = http::StatusCode::UNAUTHORIZED;
        }
        NotingFuture(Some(response), NotesDrop(self.0.clone(), "future dropped"))
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_future_and_response_are_dropped_before_the_replays_poll_ready() {
    let order = Order::default();
    let cache = warm(&Idp::healthy(3600.0, 0.1)).await;
    let mut client = layered(&cache, Noting(order.clone()));
    let called = client.ready().await.unwrap().call(request());
    let mut called = Box::pin(called);
    assert!(poll_once(&mut called).await.is_pending());
    let first = ["ready", "call", "future dropped"];
    assert_eq!(*order.0.lock().unwrap(), first, "the future goes before the wait");
    assert_eq!(called.await.unwrap().status(), 200);
    let again = ["response dropped", "ready", "call", "future dropped", "response dropped"];
    assert_eq!(order.0.lock().unwrap()[3..], again);
}

/// The same with a permit: the first call's permit must be free again for the replay.
#[tokio::test(start_paused = true)]
async fn a_replay_behind_a_concurrency_limit_of_one_does_not_deadlock() {
    let cache = warm(&Idp::healthy(3600.0, 0.1)).await;
    let api = Api::accepting(|token| token != "t1");
    let mut client = layered(&cache, ConcurrencyLimit::new(api, 1));
    let called = client.ready().await.unwrap().call(request());
    let response = tokio::time::timeout(secs(5.0), called).await.expect("a deadlock");
    assert_eq!(response.unwrap().status(), 200);
}

/// Answers from a list, and checks that it was ready before each call.
#[derive(Debug)]
struct Strict {
    ready: bool,
    answers: Arc<Mutex<VecDeque<Result<u16, &'static str>>>>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { ready: false, answers: Arc::clone(&self.answers) }
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being made ready");
        let answer = self.answers.lock().unwrap().pop_front().expect("one call too many");
        ready(match answer {
            Ok(401) => Ok(rejection()),
            Ok(status) => Ok(Response::builder().status(status).body(Body::default()).unwrap()),
            Err(text) => Err(text.into()),
        })
    }
}

fn strict<const N: usize>(answers: [Result<u16, &'static str>; N]) -> Strict {
    Strict { ready: false, answers: Arc::new(Mutex::new(answers.into())) }
}

#[tokio::test(start_paused = true)]
async fn every_call_is_preceded_by_a_poll_ready_of_that_very_clone() {
    // Cold, warm, and replayed after both.
    for (is_warm, answers) in
        [(false, [Ok(200), Ok(401), Ok(200)]), (true, [Ok(401), Ok(200), Ok(200)])]
    {
        let idp = Idp::healthy(3600.0, 0.1);
        let cache = if is_warm { warm(&idp).await } else { idp.cache() };
        let mut client = layered(&cache, strict(answers));
        for _ in 0..2 {
            let called = client.ready().await.unwrap().call(request());
            assert_eq!(called.await.unwrap().status(), 200);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_services_error_passes_unchanged() {
    for is_warm in [true, false] {
        let idp = Idp::healthy(3600.0, 0.1);
        let cache = if is_warm { warm(&idp).await } else { idp.cache() };
        let client = layered(&cache, strict([Err("broken pipe"), Ok(401), Err("reset")]));
        let error = call(&client).await.unwrap_err();
        assert_eq!(error.to_string(), "broken pipe");
        assert!(error.downcast_ref::<Error>().is_none());
        // Also if the replay returns it.
        assert_eq!(call(&client).await.unwrap_err().to_string(), "reset");
    }
}

#[tokio::test(start_paused = true)]
async fn our_error_is_found_by_downcast() {
    let cache = Idp::new(|_| failure(oauth("invalid_client"))).cache();
    let error = call(&layered(&cache, Api::ok())).await.unwrap_err();
    let error = error.downcast_ref::<Error>().expect("an error of this crate");
    assert!(error.code() == "invalid_client" && error.is_permanent());
}

/// Without replay any request body works, and any response body always does.
#[tokio::test(start_paused = true)]
async fn bodies_are_not_touched_without_replay() {
    struct Opaque(u32);
    let cache = warm(&Idp::healthy(3600.0, 0.1)).await;
    let inner = tower::service_fn(|request: Request<Opaque>| async move {
        Ok::<_, Infallible>(Response::new(vec![request.into_body().0]))
    });
    let layer = OAuthClientCredentialsLayer::new(cache, Origins::any()).replay(NoReplay);
    let request = Request::get(crate::support::API).body(Opaque(7)).unwrap();
    assert_eq!(layer.layer(inner).oneshot(request).await.unwrap().into_body(), [7]);
}

fn is_send<T: Send>() {}
fn is_send_sync_static<T: Send + Sync + 'static>() {}

#[test]
fn futures_are_send_and_handles_are_shared() {
    is_send::<ResponseFuture<Api, Body, EmptyBodies>>();
    is_send::<ResponseFuture<Mock, Body, NoReplay>>();
    is_send::<tower_oauth2_client_credentials::cache::Get>();
    is_send::<tower_oauth2_client_credentials::cache::Replacement>();
    is_send_sync_static::<TokenCache>();
    is_send_sync_static::<Error>();
    is_send_sync_static::<OAuthClientCredentialsLayer>();
    is_send_sync_static::<tower_oauth2_client_credentials::OAuthClientCredentials<Api>>();
}

/// Memory of 10,000 waiting requests. `p10_hot_path` checks the layer's own allocations.
#[test]
fn waiting_requests_are_small() {
    let cache = Idp::healthy(3600.0, 0.1).cache();
    let get = size_of_val(&cache.get());
    assert!(get <= 300, "{get} bytes");
    let inner = size_of::<<Api as Service<Request<Body>>>::Future>();
    let sizes = (
        size_of::<ResponseFuture<Api, Body, NoReplay>>() - inner,
        size_of::<ResponseFuture<Api, Body, EmptyBodies>>() - inner,
    );
    // The state that remains of a request that was sent.
    assert!(sizes.0 <= 120 && sizes.1 <= 120, "{sizes:?} bytes");
    println!("Get: {get} bytes; the layer's future besides the inner one: {sizes:?} bytes");
}
