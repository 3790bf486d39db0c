//! P4: while an unexpired token is cached no request waits. After a rejection, requests wait at
//! most 1 s for a replacement.

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::support::{
    Answer, Api, Idp, call, failure, layered, oauth, rejection, secs, since, token,
};

#[tokio::test(start_paused = true)]
async fn p4_no_request_waits_over_many_expiries() {
    for (life, latency) in [(1.0, 0.1), (2.0, 0.3), (10.0, 2.0), (60.0, 8.0), (3600.0, 20.0)] {
        let idp = Idp::healthy(life, latency);
        let cache = idp.cache();
        let api = Api::ok();
        let client = layered(&cache, api.clone());
        cache.warm_up().await.unwrap();
        let start = Instant::now();
        while since(start) < life * 50.0 {
            let before = Instant::now();
            assert_eq!(call(&client).await.unwrap(), 200);
            cache.get().await.unwrap();
            assert_eq!(before.elapsed().as_nanos(), 0, "life {life}, after {}", since(start));
            sleep(secs(life / 40.0)).await;
        }
        assert!(idp.count() >= 50, "life {life}: {}", idp.count());
    }
}

#[tokio::test(start_paused = true)]
async fn p4_no_request_waits_while_refreshes_fail_or_hang() {
    let idp = Idp::new(|asked| match asked.nth % 4 {
        1 => token(asked.nth, 1200.0).after(0.5),
        2 => failure(oauth("server_error")).after(0.5),
        3 => failure(oauth("invalid_client")).after(5.0),
        _ => Answer::never(),
    });
    let cache = idp.cache();
    let client = layered(&cache, Api::ok());
    cache.warm_up().await.unwrap();
    let start = Instant::now();
    while since(start) < 7200.0 {
        let before = Instant::now();
        assert_eq!(call(&client).await.unwrap(), 200, "after {}", since(start));
        assert!(cache.current().is_some());
        assert_eq!(before.elapsed().as_nanos(), 0, "after {}", since(start));
        sleep(secs(0.5)).await;
    }
    assert!(idp.count() > 20, "{}", idp.count());
}

/// The API rejects the token while the authorization server hangs. The rejected request waits. Each
/// other request loses at most 1 s, once.
#[tokio::test(start_paused = true)]
async fn p4_a_suspect_token_delays_others_by_at_most_a_second() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 3600.0),
        _ => Answer::never(),
    });
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let rejecting = layered(&cache, Api::new(|_| rejection()));
    let good = layered(&cache, Api::ok());
    let start = Instant::now();
    let rejected = tokio::spawn(async move { (call(&rejecting).await.unwrap(), since(start)) });
    let mut others = JoinSet::new();
    for nth in 0..200 {
        let good = good.clone();
        others.spawn(async move {
            sleep(secs(f64::from(nth) * 0.1 + 0.05)).await;
            let before = Instant::now();
            assert_eq!(call(&good).await.unwrap(), 200);
            since(before)
        });
    }
    let waits = others.join_all().await;
    let waited = waits.iter().filter(|wait| **wait > 0.0).count();
    assert!(waits.iter().all(|wait| *wait <= 1.001), "{waits:?}");
    assert!((9..=11).contains(&waited), "those of the first second: {waited}");
    // Its acquisition failed at its timeout, 25 s. The request got its own response.
    let (status, after) = rejected.await.unwrap();
    assert_eq!((status, after.round()), (http::StatusCode::UNAUTHORIZED, 25.0));
    assert_eq!(idp.count(), 2);
}

/// The same with continuous rejections, which do not renew the wait of 1 s.
#[tokio::test(start_paused = true)]
async fn p4_continuous_rejections_do_not_renew_the_wait_of_a_second() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 7200.0),
        nth => failure(oauth("server_error")).after(if nth % 2 == 0 { 20.0 } else { 0.1 }),
    });
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    // It is slow, so that more rejections always follow.
    let rejecting = tower::service_fn(|_| async {
        sleep(secs(fastrand::f64() * 3.0)).await;
        Ok::<_, std::convert::Infallible>(rejection())
    });
    let (rejecting, good) = (layered(&cache, rejecting), layered(&cache, Api::ok()));
    let start = Instant::now();
    let (mut rejected, mut others) = (JoinSet::new(), JoinSet::new());
    while since(start) < 600.0 {
        let (rejecting, good) = (rejecting.clone(), good.clone());
        rejected.spawn(async move { assert_eq!(call(&rejecting).await.unwrap(), 401) });
        others.spawn(async move {
            let before = Instant::now();
            assert_eq!(call(&good).await.unwrap(), 200);
            since(before)
        });
        sleep(secs(0.25)).await;
    }
    rejected.join_all().await;
    let waits = others.join_all().await;
    let slow = waits.iter().filter(|wait| **wait > 0.0).count();
    assert!(waits.iter().all(|wait| *wait <= 1.001), "{waits:?}");
    assert!(slow > 0 && slow * 20 < waits.len(), "{slow} of {} waited", waits.len());
}

/// A forced refresh delays only its caller.
#[tokio::test(start_paused = true)]
async fn p4_a_forced_refresh_delays_no_other_request() {
    let idp = Idp::healthy(3600.0, 5.0);
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let forced = tokio::spawn({
        let cache = cache.clone();
        async move { cache.force_refresh().await.unwrap().secret().to_owned() }
    });
    tokio::task::yield_now().await;
    let start = Instant::now();
    assert_eq!(cache.get().await.unwrap().secret(), "t1");
    assert_eq!(since(start), 0.0);
    assert_eq!(forced.await.unwrap(), "t2");
    assert_eq!(idp.count(), 2);
}
