//! P11: idle clients send no token requests. Keeping warm without traffic is opt-in and stops when
//! the cache is dropped.

use std::{convert::Infallible, future::pending};

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{ServiceExt, service_fn};

use crate::support::{
    Answer, Api, Body, Idp, call, failure, layered, oauth, on_purpose, poll_once, request, secs,
    settle, since, token,
};

const DAY: f64 = 24.0 * 3600.0;

#[tokio::test(start_paused = true)]
async fn p11_a_cache_that_is_idle_for_a_day_sends_no_token_request() {
    let idp = Idp::healthy(3600.0, 0.1);
    let cache = idp.cache();
    let client = layered(&cache, Api::ok());
    sleep(secs(DAY)).await;
    assert_eq!(idp.count(), 0, "making it does not either");
    call(&client).await.unwrap();
    sleep(secs(DAY)).await;
    assert_eq!(idp.count(), 1);
    call(&client).await.unwrap();
    assert_eq!(idp.count(), 2);
}

/// Failures and rejections leave no timer behind.
#[tokio::test(start_paused = true)]
async fn p11_a_cache_that_failed_or_was_rejected_sends_no_token_request_while_idle() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, DAY),
        _ => failure(oauth("server_error")),
    });
    let cache = idp.cache();
    let first = cache.get().await.unwrap();
    cache.invalidate(&first);
    settle().await;
    assert_eq!(idp.count(), 2);
    sleep(secs(DAY)).await;
    cache.get().await.unwrap_err();
    assert_eq!(idp.count(), 3);
    sleep(secs(DAY)).await;
    assert_eq!(idp.count(), 3);
}

#[tokio::test(start_paused = true)]
async fn p11_keep_warm_refreshes_without_traffic_until_the_last_handle_is_dropped() {
    let idp = Idp::healthy(3600.0, 0.1);
    let cache = idp.builder().keep_warm(true).build();
    sleep(secs(DAY)).await;
    assert_eq!(idp.count(), 0, "from the first acquisition on");
    cache.warm_up().await.unwrap();
    let client = layered(&cache, Api::ok());
    let start = Instant::now();
    while since(start) < DAY {
        assert!(cache_is_warm(&idp, 3600.0), "{}", since(start));
        sleep(secs(60.0)).await;
    }
    // A day holds 24 lifetimes, each refreshed between 69 % and 84 %; the first from 40 % on.
    assert!((27..=37).contains(&idp.count()), "{}", idp.count());

    // A layer's service keeps the cache alive too.
    drop(cache);
    let before = idp.count();
    sleep(secs(7200.0)).await;
    assert!(idp.count() > before);
    drop(client);
    settle().await;
    let before = idp.count();
    sleep(secs(DAY)).await;
    assert_eq!(idp.count(), before);
}

/// Without asking the cache, which would start the refresh itself.
fn cache_is_warm(idp: &Idp, life: f64) -> bool {
    idp.asked().last().is_some_and(|asked| since(asked.at) < life - 30.0)
}

/// Dropped during an acquisition, which is the last one.
#[tokio::test(start_paused = true)]
async fn p11_keep_warm_stops_also_when_dropped_mid_acquisition() {
    let idp = Idp::healthy(100.0, 5.0);
    let cache = idp.builder().keep_warm(true).build();
    cache.warm_up().await.unwrap();
    while idp.count() < 2 {
        sleep(secs(0.5)).await;
    }
    drop(cache);
    sleep(secs(DAY)).await;
    assert_eq!(idp.count(), 2);
}

/// Outages, hangs, panics and expired tokens do not end it, and do not cause a loop.
#[tokio::test(start_paused = true)]
async fn p11_keep_warm_outlasts_every_fault() {
    let idp = Idp::new(|asked| match asked.nth {
        2..=20 => failure(oauth("server_error")).after(0.1),
        21 => on_purpose(),
        22 => Answer::never(),
        23..26 => token(asked.nth, 0.0),
        nth => token(nth, 200.0),
    });
    let cache = idp.builder().keep_warm(true).build();
    cache.warm_up().await.unwrap();
    sleep(secs(3600.0)).await;
    assert!(cache.current().is_some());
    assert!((40..70).contains(&idp.count()), "{}", idp.count());
    let asked = idp.asked();
    let soonest = asked.windows(2).map(|pair| pair[1].at - pair[0].at).min().unwrap();
    assert!(soonest >= secs(1.0), "{soonest:?}");
}

/// A hanging request keeps the cache to report a rejection, and not longer.
#[tokio::test(start_paused = true)]
async fn p11_keep_warm_stops_with_the_last_request_in_flight() {
    let idp = Idp::healthy(3600.0, 0.1);
    let cache = idp.builder().keep_warm(true).build();
    cache.warm_up().await.unwrap();
    let hanging = service_fn(|_: Request<Body>| pending::<Result<Response<Body>, Infallible>>());
    let mut hanging = Box::pin(layered(&cache, hanging).oneshot(request()));
    assert!(poll_once(&mut hanging).await.is_pending());
    drop(cache);
    sleep(secs(DAY)).await;
    let before = idp.count();
    assert!((20..=40).contains(&before), "{before}");
    drop(hanging);
    sleep(secs(DAY)).await;
    assert!(idp.count() <= before + 1, "{} after {before}", idp.count());
}
