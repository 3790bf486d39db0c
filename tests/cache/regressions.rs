//! Regressions of the cache and the layer: each test broke a promise once.
use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};
use tokio::time::{Sleep, sleep, timeout};
use tower::{Service, ServiceExt};
use tower_layer::Layer;
use tower_oauth2_client_credentials::{cache::*, layer::*, source::*, token::*, *};

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// P4/P5: a rejected but valid token is cached, and the caller has no timers.
#[test]
fn a_suspect_token_is_used_where_there_are_no_timers() {
    let n = Arc::new(AtomicUsize::new(0));
    let cache = TokenCache::new(move |_: AcquireContext| {
        let n = n.fetch_add(1, SeqCst);
        async move {
            if n > 0 {
                sleep(secs(10)).await;
            }
            Ok(Token::bearer(format!("t{n}"))?.with_lifetime(secs(3600)))
        }
    });
    let rt =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let token = rt.block_on(cache.get()).unwrap();
    rt.block_on(async { cache.invalidate(&token) });
    assert_eq!(cache.current().unwrap().secret(), "t0");
    // Outside of any runtime.
    let mut get = pin!(cache.get());
    let got = match get.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(got) => got,
        Poll::Pending => panic!("pending outside"),
    };
    rt.shutdown_background();
    assert_eq!(got.unwrap().secret(), "t0");
}

/// P3: polled on runtime A, then moved to B while A is stalled.
#[test]
fn a_waiter_that_moves_off_a_runtime_that_is_not_driven_finishes() {
    let cache = TokenCache::new(|_: AcquireContext| std::future::pending::<Result<Token, Error>>());
    let paused = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    let (a, b) = (paused(), paused());
    let mut get = Box::pin(cache.get());
    a.block_on(async {
        std::future::poll_fn(|cx| {
            assert!(get.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await
    });
    // A is stalled from here on.
    let ended = b.block_on(async { timeout(secs(300), &mut get).await });
    assert!(ended.is_ok(), "the waiter never ended");
}

/// Takes a while to become ready; each clone starts over.
struct SlowReady(Option<Pin<Box<Sleep>>>, Arc<AtomicUsize>);
impl Clone for SlowReady {
    fn clone(&self) -> Self {
        Self(None, self.1.clone())
    }
}
impl Service<Request<Empty<Bytes>>> for SlowReady {
    type Response = Response<Empty<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let timer = self.0.get_or_insert_with(|| Box::pin(sleep(secs(3))));
        timer.as_mut().poll(cx).map(Ok)
    }
    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        assert!(self.0.take().is_some(), "not ready");
        assert!(request.headers().contains_key("authorization"));
        self.1.fetch_add(1, SeqCst);
        std::future::ready(Ok(Response::new(Empty::new())))
    }
}

/// P3: the inner service takes longer to become ready than the token's lifetime.
#[tokio::test(start_paused = true)]
async fn a_service_slower_than_the_tokens_lifetime_does_not_block_a_request_for_ever() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let cache = TokenCache::new(move |_: AcquireContext| {
        let n = counted.fetch_add(1, SeqCst);
        async move { Ok(Token::bearer(format!("t{n}"))?.with_lifetime(secs(2))) }
    });
    let layer =
        OAuthClientCredentialsLayer::new(cache, Origins::parse(["https://a.example"]).unwrap());
    let service = layer.layer(SlowReady(None, Arc::default()));
    let request = Request::get("https://a.example/").body(Empty::new()).unwrap();
    let ended = timeout(secs(3600), service.oneshot(request)).await;
    println!("acquisitions: {}", asked.load(SeqCst));
    assert!(ended.is_ok(), "never ends; {} acquisitions for one request", asked.load(SeqCst));
}

/// An `acquisition_timeout` of zero must not cause a loop.
#[test]
fn an_acquisition_timeout_of_zero_does_not_spin() {
    let cache = TokenCache::builder(|_: AcquireContext| async { Token::bearer("a") })
        .acquisition_timeout(Duration::ZERO)
        .wait_timeout(Duration::from_millis(300))
        .build();
    let polls = Arc::new(AtomicUsize::new(0));
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let counted = polls.clone();
    let ended = rt.block_on(async move {
        let mut get = pin!(cache.get());
        std::future::poll_fn(|cx| {
            counted.fetch_add(1, SeqCst);
            get.as_mut().poll(cx)
        })
        .await
    });
    println!("{} polls, {:?}", polls.load(SeqCst), ended.as_ref().map(|_| ()));
    assert!(polls.load(SeqCst) < 50, "{} polls", polls.load(SeqCst));
}

/// P7: the runtime of the acquisition ends. The rejected request waits for the next acquisition.
#[test]
fn a_rejected_request_waits_for_the_acquisition_that_follows_a_lost_one() {
    let n = Arc::new(AtomicUsize::new(0));
    let cache = TokenCache::new(move |_: AcquireContext| {
        let n = n.fetch_add(1, SeqCst);
        async move {
            if n > 0 {
                sleep(Duration::from_millis(200)).await;
            }
            Ok(Token::bearer(format!("t{n}"))?.with_lifetime(secs(3600)))
        }
    });
    let multi = || {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    };
    let (a, b) = (multi(), multi());
    let token = a.block_on(cache.get()).unwrap();
    a.block_on(async { cache.invalidate(&token) });
    let got = b.block_on(async {
        let waiting = tokio::spawn(cache.replacement(&token));
        sleep(Duration::from_millis(50)).await;
        a.shutdown_background();
        waiting.await.unwrap()
    });
    assert!(
        got.is_some_and(|it| it.secret() != "t0"),
        "returned while an acquisition is in flight"
    );
}

type Boxed = UnsyncBoxBody<Bytes, BoxError>;

/// A body that consists of trailers is not empty.
#[tokio::test(start_paused = true)]
async fn trailers_are_not_lost_in_a_replay() {
    let n = Arc::new(AtomicUsize::new(0));
    let cache = TokenCache::new(move |_: AcquireContext| {
        let n = n.fetch_add(1, SeqCst);
        async move { Ok(Token::bearer(format!("t{n}"))?.with_lifetime(secs(3600))) }
    });
    let layer =
        OAuthClientCredentialsLayer::new(cache, Origins::parse(["https://a.example"]).unwrap());
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = seen.clone();
    let service = layer.layer(tower::service_fn(move |request: Request<Boxed>| {
        let noted = noted.clone();
        async move {
            let body = request.into_body().collect().await?;
            let mut noted = noted.lock().unwrap();
            noted.push(body.trailers().is_some());
            let status = if noted.len() == 1 { 401 } else { 200 };
            Ok::<_, BoxError>(Response::builder().status(status).body(Empty::<Bytes>::new())?)
        }
    }));
    let trailers = async {
        let mut map = http::HeaderMap::new();
        map.insert("x-sum", "1".parse().unwrap());
        Some(Ok(map))
    };
    let body = Empty::<Bytes>::new()
        .map_err(|e| -> BoxError { match e {} })
        .with_trailers(trailers)
        .boxed_unsync();
    let request = Request::post("https://a.example/").body(body).unwrap();
    let answer = service.oneshot(request).await.unwrap();
    println!("{} {:?}", answer.status(), seen.lock().unwrap());
    assert!(seen.lock().unwrap().iter().all(|it| *it), "{:?}", seen.lock().unwrap());
}

/// P9: a request with an existing `Authorization` field, in a full header map.
#[tokio::test(start_paused = true)]
async fn own_authorization_passes_in_a_full_map() {
    let cache = TokenCache::new(|_: AcquireContext| async { Token::bearer("a") });
    cache.get().await.unwrap();
    let layer =
        OAuthClientCredentialsLayer::new(cache, Origins::parse(["https://a.example"]).unwrap());
    let service = layer.layer(tower::service_fn(|request: Request<Empty<Bytes>>| async move {
        assert_eq!(request.headers()["authorization"], "Basic 1");
        Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
    }));
    let mut request = Request::get("https://a.example/").body(Empty::new()).unwrap();
    let headers = request.headers_mut();
    headers.insert("authorization", "Basic 1".parse().unwrap());
    let mut i = 0;
    while headers
        .try_append(
            http::HeaderName::from_bytes(format!("x-{i}").as_bytes()).unwrap(),
            "1".parse().unwrap(),
        )
        .is_ok()
    {
        i += 1;
    }
    println!("{i} fields");
    service.oneshot(request).await.unwrap();
}

/// `keep_warm` replaces invalidated tokens without traffic.
#[tokio::test(start_paused = true)]
async fn a_discarded_token_is_replaced_without_traffic() {
    let cache = TokenCache::builder(|_: AcquireContext| async {
        Ok(Token::bearer("a")?.with_lifetime(secs(3600)))
    })
    .keep_warm(true)
    .build();
    cache.get().await.unwrap();
    sleep(secs(10)).await;
    cache.clear();
    sleep(secs(10)).await;
    assert!(cache.current().is_some(), "cold");
}

fn _unused(_: Full<Bytes>) {}
