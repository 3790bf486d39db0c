//! P10: with a cached token and without replay, a call allocates nothing. A separate binary,
//! because `allocation_counter` brings a counting allocator (with counts per thread).

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use allocation_counter::{AllocationInfo, measure};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use tower::{Layer, Service};
use tower_oauth2_client_credentials::{
    OAuthClientCredentials, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    replay::{EmptyBodies, NoReplay, ReplayPolicy},
    source::AcquireContext,
};

const CALLS: usize = 1000;

type Body = Empty<&'static [u8]>;
type Client = OAuthClientCredentials<Bare, NoReplay>;

/// An inner service that allocates nothing. It answers with the request's fields.
#[derive(Clone)]
struct Bare;

impl Service<Request<Body>> for Bare {
    type Response = Response<HeaderMap>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(request.into_parts().0.headers)))
    }
}

/// Requests as a client builds them, with room for one more field. Without that room the header map
/// allocates, for any caller.
fn requests() -> Vec<Request<Body>> {
    let request = |_| {
        let mut request = Request::get("https://api.example.com/things").body(Body::new()).unwrap();
        request.headers_mut().reserve(4);
        request
    };
    (0..CALLS).map(request).collect()
}

/// One call, polled outside of any runtime. The token must have been sent.
fn call<S>(client: &mut S, request: Request<Body>) -> Response<HeaderMap>
where
    S: Service<Request<Body>, Response = Response<HeaderMap>, Error: std::fmt::Debug>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(client.poll_ready(&mut cx).is_ready());
    let Poll::Ready(response) = pin!(client.call(request)).poll(&mut cx) else {
        panic!("it waits")
    };
    let response = response.expect("the inner service does not fail");
    assert_eq!(response.body()["authorization"], "Bearer abc");
    response
}

fn cache(runtime: &tokio::runtime::Runtime) -> TokenCache {
    let cache = TokenCache::new(|_: AcquireContext| async {
        Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(3600)))
    });
    runtime.block_on(cache.warm_up()).unwrap();
    cache
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn client(cache: &TokenCache) -> Client {
    let origins = Origins::parse(["https://api.example.com"]).unwrap();
    OAuthClientCredentialsLayer::new(cache.clone(), origins).replay(NoReplay).layer(Bare)
}

/// Measures `call` for each request. The responses are dropped afterwards, because freeing is not
/// counted here.
fn measured(call: impl FnMut(Request<Body>) -> Response<HeaderMap>) -> AllocationInfo {
    measured_with(|request| request, call)
}

fn with_host(mut request: Request<Body>) -> Request<Body> {
    let host = HeaderValue::from_static("API.example.com:443");
    request.headers_mut().insert(http::header::HOST, host);
    request
}

fn measured_with(
    change: fn(Request<Body>) -> Request<Body>,
    mut call: impl FnMut(Request<Body>) -> Response<HeaderMap>,
) -> AllocationInfo {
    let requests = || requests().into_iter().map(change).collect::<Vec<_>>();
    // One-time work of a thread (thread locals, arc-swap's list) happens before.
    requests().into_iter().take(10).for_each(|request| drop(call(request)));
    let requests = requests();
    let mut responses = Vec::with_capacity(CALLS);
    measure(|| requests.into_iter().for_each(|request| responses.push(call(request))))
}

#[test]
fn p10_the_counter_counts() {
    let counted = measured(|request| {
        let boxed = Box::new(request);
        std::hint::black_box(&boxed);
        Response::new(boxed.into_parts().0.headers)
    });
    assert_eq!(counted.count_total, CALLS as u64);
}

#[test]
fn p10_a_service_that_is_held_allocates_nothing() {
    let mut client = client(&cache(&runtime()));
    let counted = measured(|request| call(&mut client, request));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

/// The comparison is done in place.
#[test]
fn p10_a_host_field_costs_no_allocation() {
    let mut client = client(&cache(&runtime()));
    let counted = measured_with(with_host, |request| call(&mut client, request));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

#[test]
fn p10_a_service_that_is_cloned_for_each_call_allocates_nothing() {
    let client = client(&cache(&runtime()));
    let counted = measured(|request| call(&mut client.clone(), request));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

/// The first requests with the replacement keep their URI, in case the API rejects it too.
#[tokio::test]
async fn p10_requests_after_a_rejection_allocate_nothing() {
    let cache = TokenCache::new(|_: AcquireContext| async {
        Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(3600)))
    });
    let rejected = cache.get().await.unwrap();
    cache.replacement(&rejected).await;
    let origins = Origins::parse(["https://api.example.com", "https://b.example.com"]).unwrap();
    let layer = OAuthClientCredentialsLayer::new(cache, origins).replay(NoReplay);
    let mut client = layer.layer(Bare);
    let first = measured(|request| call(&mut client, request));
    assert!((1..100).contains(&first.count_total), "{first:?}");
    let counted = measured(|request| call(&mut client, request));
    assert_eq!(counted.count_total, 0, "{counted:?}");
    let counted = measured(|request| call(&mut client.clone(), request));
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

/// On a thread of a runtime, and on a thread that is new to the cache.
#[test]
fn p10_it_allocates_nothing_on_other_threads() {
    let runtime = runtime();
    let cache = cache(&runtime);
    let counted = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let mut client = client(&cache);
                scope.spawn(move || measured(|request| call(&mut client, request)))
            })
            .collect();
        threads.into_iter().map(|it| it.join().unwrap().count_total).sum::<u64>()
    });
    let mut client = client(&cache);
    let inside = runtime.block_on(async { measured(|request| call(&mut client, request)) });
    assert_eq!((counted, inside.count_total), (0, 0));
}

/// Values that were made at run time, and never cloned.
fn with_values(mut request: Request<Body>) -> Request<Body> {
    for (name, value) in [("accept", "application/json"), ("accept-encoding", "gzip")] {
        request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
    }
    request
}

/// The box that keeps the request.
#[test]
fn p10_a_request_that_can_be_sent_again_costs_one_allocation() {
    let origins = Origins::parse(["https://api.example.com"]).unwrap();
    let mut client = OAuthClientCredentialsLayer::new(cache(&runtime()), origins).layer(Bare);
    let counted = measured_with(with_values, |request| call(&mut client, request));
    assert_eq!(counted.count_total, CALLS as u64, "{counted:?}");
}

/// A call by key costs its authorized token.
#[cfg(feature = "keyed")]
#[test]
fn p10_a_call_by_key_costs_one_allocation() {
    let tokens = tower_oauth2_client_credentials::KeyedTokenCache::new(|_: &&str| {
        Ok(|_: AcquireContext| async {
            Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(3600)))
        })
    });
    runtime().block_on(tokens.cache(&"tenant").warm_up()).unwrap();
    let origins = Origins::parse(["https://api.example.com"]).unwrap();
    let layer = OAuthClientCredentialsLayer::keyed(tokens, origins, |_: &_| Some("tenant"));
    let mut client = layer.replay(NoReplay).layer(Bare);
    let counted = measured(|request| call(&mut client, request));
    assert_eq!(counted.count_total, CALLS as u64, "{counted:?}");
}

/// An API that rejects the first token.
#[derive(Clone, Default)]
struct Rejecting(Arc<AtomicUsize>);

impl Service<Request<Body>> for Rejecting {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.0.fetch_add(1, Relaxed);
        let rejected = request.headers()["authorization"] == "Bearer token-0";
        let status = if rejected { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
        ready(Ok(Response::builder().status(status).body(()).unwrap()))
    }
}

/// The services that are measured here do what they are for: without this, a layer that forgot
/// replays would count as cheaper.
#[tokio::test]
async fn p10_the_measured_services_handle_a_rejection() {
    async fn sendings<P: ReplayPolicy<Body>>(policy: P) -> (StatusCode, usize, u64) {
        let asked = Arc::new(AtomicU64::new(0));
        let source = Arc::clone(&asked);
        let cache = TokenCache::new(move |_: AcquireContext| {
            let serial = source.fetch_add(1, Relaxed);
            async move { Token::bearer(format!("token-{serial}")) }
        });
        cache.warm_up().await.unwrap();
        let api = Rejecting::default();
        let layer = OAuthClientCredentialsLayer::new(cache.clone(), Origins::any()).replay(policy);
        let request = Request::get("https://api.example.com/things").header("accept", "*/*");
        let response = layer.layer(api.clone()).call(request.body(Body::new()).unwrap());
        let status = response.await.unwrap().status();
        // The rejected token is replaced in either case.
        while cache.current().unwrap().secret() == "token-0" {
            tokio::task::yield_now().await;
        }
        (status, api.0.load(Relaxed), asked.load(Relaxed))
    }
    assert_eq!(sendings(EmptyBodies).await, (StatusCode::OK, 2, 2));
    assert_eq!(sendings(NoReplay).await, (StatusCode::UNAUTHORIZED, 1, 2));
}

/// `current()` and `get()` return a clone and allocate nothing.
#[test]
fn p10_a_cached_token_is_returned_without_an_allocation() {
    let cache = cache(&runtime());
    let mut cx = Context::from_waker(Waker::noop());
    let counted = measured(|request| {
        assert!(cache.current().is_some());
        assert!(matches!(pin!(cache.get()).poll(&mut cx), Poll::Ready(Ok(_))));
        Response::new(request.into_parts().0.headers)
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
}

/// A request that waits in the layer needs its future and one box, which holds the request.
#[test]
fn p10_a_request_that_waits_is_one_box() {
    let cache = TokenCache::new(|_: AcquireContext| std::future::pending());
    let runtime = runtime();
    runtime.block_on(async {
        let mut client = client(&cache);
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = Box::pin(client.call(requests().remove(0)));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        let request = requests().remove(0);
        let mut kept = None;
        let counted = measure(|| kept = Some(client.call(request)));
        // Excludes the inner service's future.
        let future =
            size_of_val(kept.as_ref().unwrap()) - size_of::<<Bare as Service<_>>::Future>();
        println!("a waiting request: {future} bytes, and on the heap {counted:?}");
        assert_eq!(counted.count_total, 1, "{counted:?}");
        // 224 of these bytes are the request itself.
        assert!(counted.bytes_total <= 720, "{counted:?}");
        assert!(future <= 120, "{future} bytes");
    });
}
