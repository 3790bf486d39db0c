//! P5: no request that the layer authorizes is sent with an expired token, or without one. A failed
//! refresh never displaces a valid token. No error ends refreshing for good.

use std::{
    convert::Infallible,
    future::{Future, Ready},
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use tokio::{
    task::JoinSet,
    time::{Instant, Sleep, sleep},
};
use tower::{Service, ServiceExt, limit::ConcurrencyLimit};
use tower_oauth2_client_credentials::{Error, ErrorKind, event::AcquisitionReason};

use crate::support::{
    Answer, Api, Body, Idp, call, failure, layered, oauth, on_purpose, poll_once, request, secs,
    settle, since, token,
};

/// The API saw no token past its usable lifetime (90 %), by the clock of its acquisition.
fn assert_all_were_valid(api: &Api, idp: &Idp, life: f64) {
    let asked = idp.asked();
    for seen in api.seen() {
        let token = seen.token.expect("it left without a token");
        let nth: usize = token[1..].parse().unwrap();
        let age = (seen.at - asked[nth - 1].at).as_secs_f64();
        assert!(age < life * 0.9 + 1e-6, "{token} left at the age of {age}");
    }
}

/// Becomes ready after a delay from its first poll. A clone starts over.
struct Slow {
    api: Api,
    delay: f64,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Clone for Slow {
    fn clone(&self) -> Self {
        Self { api: self.api.clone(), delay: self.delay, timer: None }
    }
}

impl Service<Request<Body>> for Slow {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        let delay = secs(self.delay);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(delay)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        drop(self.timer.take().expect("called before it was ready"));
        self.api.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn p5_a_token_that_expires_while_the_api_becomes_ready_is_not_sent() {
    // The API takes 3 s to become ready. A token of 4 s is usable for 3.6 s. The first request got
    // its token on arrival, and would be sent at 3.0 s. Slower requests need a later token.
    for delay in [3.0, 3.7, 5.0, 20.0] {
        let idp = Idp::healthy(4.0, 0.2);
        let api = Api::ok();
        let slow = Slow { api: api.clone(), delay, timer: None };
        let cache = idp.cache();
        // Other requests keep the token fresh, as in a busy service.
        let traffic = tokio::spawn({
            let client = layered(&cache, Api::ok());
            async move {
                loop {
                    call(&client).await.unwrap();
                    sleep(secs(0.1)).await;
                }
            }
        });
        let start = Instant::now();
        let mut client = layered(&cache, slow);
        client.ready().await.unwrap();
        // The cached token expires while the clone becomes ready.
        let waiting = tokio::spawn(client.call(request()));
        assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
        assert!(since(start) < 2.0 * delay + 1.0, "delay {delay}: {}", since(start));
        assert_all_were_valid(&api, &idp, 4.0);
        traffic.abort();
    }
}

/// The request waits for the token first, so the clone becomes ready slowly. No other request keeps
/// the token fresh.
#[tokio::test(start_paused = true)]
async fn p5_a_token_that_expires_before_the_clone_is_ready_is_replaced() {
    let idp = Idp::new(|asked| token(asked.nth, if asked.nth == 1 { 4.0 } else { 40.0 }));
    let api = Api::ok();
    let mut client = layered(&idp.cache(), Slow { api: api.clone(), delay: 5.0, timer: None });
    let called = client.ready().await.unwrap().call(request());
    assert_eq!(called.await.unwrap().status(), 200);
    assert_eq!(api.tokens(), ["t2"]);
}

/// A request waits longer in the API's queue than the token's lifetime, repeatedly. It is served in
/// its turn, with the current token. It must not lose its place because its first token expired.
#[tokio::test(start_paused = true)]
async fn p5_a_queue_longer_than_a_tokens_lifetime_starves_no_request() {
    let idp = Idp::healthy(4.0, 0.1);
    let api = Api::ok();
    let inner = api.clone();
    let limited = tower::service_fn(move |request: Request<Body>| {
        let answer = inner.clone().call(request);
        async move {
            sleep(secs(1.0)).await;
            answer.await
        }
    });
    let cache = idp.cache();
    let limited = ConcurrencyLimit::new(limited, 1);
    let client = layered(&cache, limited.clone());
    // It finds no token, and joins the queue with a clone once it has one.
    let start = Instant::now();
    let mut starved = Box::pin(client.clone().oneshot(request()));
    assert!(poll_once(&mut starved).await.is_pending());
    let mut busy = JoinSet::new();
    for _ in 0..6 {
        let mut limited = limited.clone();
        busy.spawn(async move {
            loop {
                let mut elsewhere = request();
                elsewhere.headers_mut().insert("authorization", "Bearer t1".parse().unwrap());
                limited.ready().await.unwrap().call(elsewhere).await.unwrap();
            }
        });
    }
    busy.spawn(async move {
        loop {
            cache.get().await.unwrap();
            sleep(secs(0.1)).await;
        }
    });
    let served = tokio::time::timeout(secs(60.0), starved).await;
    assert_eq!(served.expect("starved").unwrap().status(), 200);
    assert!(since(start) < 8.0, "{}", since(start));
    let last = api.tokens().pop().unwrap();
    let nth: usize = last[1..].parse().unwrap();
    assert!(since(idp.asked()[nth - 1].at) - 1.0 < 3.6, "{last} was expired");
}

/// A token that the cache dropped in the meantime is not used either.
#[tokio::test(start_paused = true)]
async fn p5_a_task_that_is_polled_late_does_not_send_an_expired_or_dropped_token() {
    for dropped in [false, true] {
        let life = if dropped { 3600.0 } else { 2.0 };
        let idp = Idp::healthy(life, 0.1);
        let api = Api::ok();
        let cache = idp.cache();
        let client = layered(&cache, api.clone());
        let mut late = Box::pin(client.clone().oneshot(request()));
        let mut get = Box::pin(cache.get());
        assert!(poll_once(&mut late).await.is_pending() && poll_once(&mut get).await.is_pending());
        sleep(secs(1.95)).await;
        if dropped {
            assert_eq!(cache.current().unwrap().secret(), "t1");
            cache.clear();
        }
        assert_eq!(late.await.unwrap().status(), 200);
        assert_eq!(get.await.unwrap().secret(), "t2");
        assert_eq!(api.tokens(), ["t2"]);
        assert_all_were_valid(&api, &idp, life);
    }
}

/// A held service keeps its last token, but must not use it after its expiry.
#[tokio::test(start_paused = true)]
async fn p5_a_held_service_does_not_keep_a_dropped_token() {
    let idp = Idp::healthy(10.0, 0.1);
    let api = Api::ok();
    let mut client = layered(&idp.cache(), api.clone());
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..500 {
        assert_eq!(client.ready().await.unwrap().call(request()).await.unwrap().status(), 200);
        sleep(secs(random.f64() * 12.0)).await;
    }
    assert_all_were_valid(&api, &idp, 10.0);
}

/// It is not used after the cache dropped or replaced it either.
#[tokio::test(start_paused = true)]
async fn p5_a_held_service_follows_its_cache_at_once() {
    let idp = Idp::healthy(3600.0, 0.1);
    let api = Api::ok();
    let cache = idp.cache();
    let mut client = layered(&cache, api.clone());
    let mut cloned = client.clone();
    for nth in 1..=3 {
        for _ in 0..3 {
            client.ready().await.unwrap().call(request()).await.unwrap();
            cloned.ready().await.unwrap().call(request()).await.unwrap();
        }
        let expected = vec![format!("t{nth}"); 6];
        assert_eq!(api.tokens()[6 * (nth - 1)..], expected);
        if nth == 1 {
            cache.clear();
        } else {
            cache.force_refresh().await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p5_a_token_that_is_expired_on_arrival_serves_its_acquisitions_waiters_once() {
    for life in [0.0, 0.5] {
        // An endpoint slower than the token's lifetime, or a lifetime of zero.
        let idp = Idp::healthy(life, 0.5);
        let api = Api::ok();
        let cache = idp.cache();
        let client = layered(&cache, api.clone());
        let start = Instant::now();
        let mut first = JoinSet::new();
        for _ in 0..10 {
            let client = client.clone();
            first.spawn(async move { call(&client).await.unwrap() });
        }
        while let Some(done) = first.join_next().await {
            assert_eq!(done.unwrap(), 200);
        }
        assert_eq!(since(start), 0.5);
        assert_eq!(api.tokens(), vec!["t1"; 10]);
        assert!(cache.current().is_none(), "only its waiters get it");

        // The others wait for the next token, which is requested 1 s after the last one arrived.
        let mut between = JoinSet::new();
        for nth in 0..9 {
            let client = client.clone();
            between.spawn(async move {
                sleep(secs(f64::from(nth) * 0.1)).await;
                call(&client).await.unwrap()
            });
        }
        while let Some(done) = between.join_next().await {
            assert_eq!(done.unwrap(), 200);
        }
        let times = idp.times(start);
        assert_eq!(times.len(), 2, "{times:?}");
        assert!(times[1] >= 1.5 && times[1] < 1.52, "{times:?}");
        assert!(api.tokens()[10..].iter().all(|token| token == "t2"));
    }
}

#[tokio::test(start_paused = true)]
async fn p5_tokens_that_expire_on_arrival_are_requested_at_most_once_a_second() {
    let idp = Idp::healthy(0.0, 0.0);
    let cache = idp.cache();
    let start = Instant::now();
    while since(start) < 60.0 && idp.count() < 100 {
        cache.get().await.unwrap();
        cache.current();
    }
    let times = idp.times(start);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1.0), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn p5_a_failed_refresh_never_displaces_a_valid_token() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 100.0),
        nth if nth % 2 == 0 => failure(oauth("invalid_client")),
        nth => token(nth, 0.0),
    });
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let start = Instant::now();
    while since(start) < 89.5 {
        assert_eq!(cache.current().expect("displaced").secret(), "t1", "{}", since(start));
        assert_eq!(cache.get().await.unwrap().secret(), "t1");
        sleep(secs(0.5)).await;
    }
    assert!(idp.count() >= 2, "{}", idp.count());
    sleep(secs(1.0)).await;
    assert!(cache.current().is_none(), "it has expired");
}

/// A refresh or a rejection must not replace a valid token with an expired one.
#[tokio::test(start_paused = true)]
async fn p5_an_expired_token_never_displaces_a_valid_one() {
    for rejected in [false, true] {
        let idp = Idp::new(|asked| token(asked.nth, if asked.nth == 1 { 100.0 } else { 0.0 }));
        let cache = idp.cache();
        let first = cache.get().await.unwrap();
        if rejected {
            cache.invalidate(&first);
        }
        let start = Instant::now();
        while since(start) < 89.0 {
            settle().await;
            assert_eq!(cache.current().expect("displaced").secret(), "t1", "{}", since(start));
            sleep(secs(0.1)).await;
        }
        assert!(idp.count() >= 2, "{}", idp.count());
        assert!(idp.count() < 100, "{}", idp.count());
    }
}

#[tokio::test(start_paused = true)]
async fn p5_no_error_ends_refreshing_for_good() {
    const CODES: [&str; 8] = [
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_grant",
        "access_denied",
        "unregistered",
    ];
    const KINDS: [ErrorKind; 8] = [
        ErrorKind::HttpStatus,
        ErrorKind::Redirect,
        ErrorKind::InvalidResponse,
        ErrorKind::UnsupportedTokenType,
        ErrorKind::Runtime,
        ErrorKind::Credentials,
        ErrorKind::Config,
        ErrorKind::Refused,
    ];
    let errors = CODES.into_iter().map(oauth).chain(KINDS.into_iter().map(Error::new));
    for error in errors {
        for had_a_token in [true, false] {
            let fails = if had_a_token { 2..5 } else { 1..4 };
            let recovered = fails.end;
            let name = error.code();
            let error = error.clone();
            let idp = Idp::new(move |asked| match asked.nth {
                nth if fails.contains(&nth) => failure(error.clone()),
                nth => token(nth, 300.0),
            });
            let cache = idp.cache();
            let _ = cache.get().await;
            let start = Instant::now();
            while since(start) < 1000.0 {
                let _ = cache.get().await;
                sleep(secs(1.0)).await;
            }
            assert!(cache.current().is_some(), "{name}");
            assert!(idp.count() > recovered, "{name}: {}", idp.count());
        }
    }
}

/// A panic, a hang or an expired token does not end it either.
#[tokio::test(start_paused = true)]
async fn p5_no_fault_ends_refreshing_for_good() {
    let idp = Idp::new(|asked| match asked.nth {
        2 => on_purpose(),
        3 => Answer::never(),
        4 => token(4, 0.0),
        nth => token(nth, 300.0),
    });
    let cache = idp.cache();
    let start = Instant::now();
    while since(start) < 900.0 {
        cache.get().await.unwrap();
        sleep(secs(1.0)).await;
    }
    assert!(idp.count() >= 7, "{}", idp.count());
    assert!(idp.asked()[1..].iter().all(|asked| asked.reason == AcquisitionReason::Refresh));
}
