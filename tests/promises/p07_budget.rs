//! P7 over time: the rejection budget limits acquisitions, for any responses in between.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::{Service, ServiceExt};
use tower_oauth2_client_credentials::event::AcquisitionReason;

use crate::support::{
    Api, Idp, call, failure, layered, named, oauth, poll_once, rejection, request, secs, settle,
    since, throttled, token,
};

/// Acquisitions outside of the schedule, in seconds since `start`.
fn out_of_turn(idp: &Idp, start: Instant) -> Vec<f64> {
    let out_of_turn =
        |reason| matches!(reason, AcquisitionReason::Rejected | AcquisitionReason::Forced);
    let asked = idp.asked().into_iter().filter(|it| out_of_turn(it.reason));
    asked.map(|it| (it.at - start).as_secs_f64()).collect()
}

#[tokio::test(start_paused = true)]
async fn p7_the_budget_is_three_at_once_then_one_after_a_minute_up_to_ten() {
    let idp = Idp::healthy(86_400.0, 0.1);
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let client = layered(&cache, Api::new(|_| rejection()));
    let start = Instant::now();
    while since(start) < 3000.0 {
        assert_eq!(call(&client).await.unwrap(), 401);
        sleep(secs(0.25)).await;
    }
    let times = out_of_turn(&idp, start);
    let apart: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]).round()).collect();
    assert_eq!(times[0], 0.0, "the first at once");
    assert_eq!(apart, [0.0, 0.0, 60.0, 120.0, 240.0, 480.0, 600.0, 600.0, 600.0]);
}

#[tokio::test(start_paused = true)]
async fn p7_three_revocations_in_ten_seconds_fail_no_request_that_can_be_replayed() {
    let idp = Idp::new(|asked| token(asked.nth, 86_400.0).after(0.1));
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let revoked = Arc::new(Mutex::new(0));
    let newest_revoked = Arc::clone(&revoked);
    let api = Api::accepting(move |token| {
        token[1..].parse::<u32>().unwrap() > *newest_revoked.lock().unwrap()
    });
    let client = layered(&cache, api);
    let start = Instant::now();
    let mut calls = JoinSet::new();
    for tick in 0..1000 {
        // At 1, 4 and 7 s.
        if let 100 | 400 | 700 = tick {
            *revoked.lock().unwrap() += 1;
        }
        for _ in 0..10 {
            let client = client.clone();
            calls.spawn(async move { call(&client).await.unwrap() });
        }
        sleep(secs(0.01)).await;
    }
    assert!(calls.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(out_of_turn(&idp, start).len(), 3);
}

/// The cached token stays the same, so only the 30 minutes refill the budget.
#[tokio::test(start_paused = true)]
async fn p7_the_budget_is_full_again_after_thirty_minutes_without_a_rejection() {
    for (quiet, expected) in [(1799.0, 1), (1800.0, 3)] {
        let idp = Idp::healthy(86_400.0, 0.1);
        let cache = idp.cache();
        cache.warm_up().await.unwrap();
        let client = layered(&cache, Api::new(|_| rejection()));
        for _ in 0..5 {
            assert_eq!(call(&client).await.unwrap(), 401);
        }
        assert_eq!(idp.count(), 4, "three at once");
        // The last wait for an acquisition is over, so this rejection is the last one.
        let last = Instant::now();
        let good = layered(&cache, Api::ok());
        while since(last) < quiet - 1.0 {
            assert_eq!(call(&good).await.unwrap(), 200);
            sleep(secs(1.0)).await;
        }
        sleep(secs(quiet - since(last))).await;
        for _ in 0..5 {
            assert_eq!(call(&client).await.unwrap(), 401);
        }
        assert_eq!(idp.count(), 4 + expected, "after {quiet} s");
    }
}

/// No setting removes the interval between acquisitions of an API that rejects every token.
#[tokio::test(start_paused = true)]
async fn p7_a_rejection_interval_of_zero_is_one_second() {
    for (interval, expected) in [
        (secs(0.0)..=secs(0.0), [1.0, 1.0, 1.0]),
        (secs(0.0)..=secs(3.0), [1.0, 2.0, 3.0]),
        (secs(5.0)..=secs(8.0), [5.0, 8.0, 8.0]),
        (secs(5.0)..=secs(1.0), [1.0, 2.0, 4.0]),
    ] {
        let idp = Idp::healthy(86_400.0, 0.0);
        let cache = idp.builder().rejection_interval(interval).build();
        cache.warm_up().await.unwrap();
        let start = Instant::now();
        while since(start) < 60.0 {
            let token = cache.get().await.unwrap();
            drop(cache.replacement(&token).await);
            sleep(secs(0.01)).await;
        }
        let times = out_of_turn(&idp, start);
        let apart = times[2..].windows(2).map(|pair| (pair[1] - pair[0]).round());
        assert_eq!(apart.take(3).collect::<Vec<_>>(), expected);
    }
}

/// Successes in between, forced refreshes and the same token again do not refill the budget.
#[tokio::test(start_paused = true)]
async fn p7_nothing_in_between_refills_the_budget() {
    for same in [false, true] {
        let idp = Idp::new(move |asked| match same {
            true => named("same", 86_400.0),
            false => token(asked.nth, 86_400.0),
        });
        let cache = idp.cache();
        cache.warm_up().await.unwrap();
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(7);
        while since(start) < 1000.0 {
            let token = cache.get().await.unwrap();
            match random.u8(0..4) {
                0 => cache.invalidate(&token),
                1 => drop(cache.force_refresh().await.unwrap()),
                2 => drop(cache.replacement(&token).await),
                _ => {}
            }
            sleep(secs(0.25)).await;
        }
        let times = out_of_turn(&idp, start);
        let apart: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(times[2] < 5.0, "{times:?}");
        for (apart, at_least) in apart[2..].iter().zip([60.0, 120.0, 240.0, 480.0]) {
            assert!(*apart >= at_least && *apart < at_least + 5.0, "{apart:?}");
        }
        assert_eq!(idp.count(), times.len() + 1);
    }
}

/// A token that reaches its scheduled refresh unrejected refills the budget. A rejected one does
/// not.
#[tokio::test(start_paused = true)]
async fn p7_a_token_that_reaches_its_refresh_unrejected_refills_the_budget() {
    for healthy_for_a_while in [true, false] {
        let idp = Idp::healthy(400.0, 0.1);
        let cache = idp.cache();
        cache.warm_up().await.unwrap();
        let start = Instant::now();
        let bad = Arc::new(Mutex::new(true));
        let is_bad = Arc::clone(&bad);
        let api = Api::new(move |_| match *is_bad.lock().unwrap() {
            true => rejection(),
            false => http::Response::default(),
        });
        let client = layered(&cache, api);
        while since(start) < 1500.0 {
            // The API rejects for 100 s; then accepts for two lifetimes of a token, or not; then
            // rejects again.
            let good = (100.0..900.0).contains(&since(start)) && healthy_for_a_while;
            *bad.lock().unwrap() = !good;
            call(&client).await.unwrap();
            sleep(secs(0.5)).await;
        }
        let times = out_of_turn(&idp, start);
        if healthy_for_a_while {
            let later: Vec<_> = times.iter().filter(|at| **at > 900.0).collect();
            assert_eq!(later.len(), 6, "{times:?}");
            for (at, expected) in later.iter().zip([900.0, 900.0, 900.0, 960.0, 1080.0, 1320.0]) {
                assert!((*at - expected).abs() < 3.0, "{times:?}");
            }
        } else {
            assert!(times.len() <= 7, "{times:?}");
        }
    }
}

/// At 1,000 requests a second (after the first minute 100, to save time; the relevant responses are
/// as frequent) this share gets a 401, with any token, for 10 minutes.
async fn share(share: f64) {
    let idp = Idp::healthy(3600.0, 0.1);
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(1)));
    let api = tower::service_fn(move |_: http::Request<crate::support::Body>| {
        let rejected = random.lock().unwrap().f64() < share;
        std::future::ready(Ok::<_, std::convert::Infallible>(match rejected {
            true => rejection(),
            false => http::Response::default(),
        }))
    });
    let mut client = layered(&cache, api);
    let start = Instant::now();
    let mut waiting: Vec<Pin<Box<_>>> = Vec::new();
    let template = request();
    while since(start) < 600.0 {
        let at_once = if since(start) < 60.0 { 10 } else { 1 };
        for _ in 0..at_once {
            let mut called = Box::pin(client.call(template.clone()));
            match poll_once(&mut called).await {
                Poll::Ready(response) => drop(response.unwrap()),
                Poll::Pending => waiting.push(called),
            }
        }
        sleep(secs(0.01)).await;
        for called in std::mem::take(&mut waiting) {
            let mut called = called;
            if poll_once(&mut called).await.is_pending() {
                waiting.push(called);
            }
        }
    }
    let times = out_of_turn(&idp, start);
    assert_eq!(idp.count(), times.len() + 1, "no other");
    assert!(times.len() <= 6 && times.len() >= 5, "share {share}: {times:?}");
    assert!(times.iter().filter(|at| **at < 60.0).count() <= 3, "share {share}: {times:?}");
}

#[tokio::test(start_paused = true)]
async fn p7_ten_minutes_of_a_thousandth_of_401s_cost_at_most_six_acquisitions() {
    share(0.001).await;
}

#[tokio::test(start_paused = true)]
async fn p7_ten_minutes_of_a_hundredth_of_401s_cost_at_most_six_acquisitions() {
    share(0.01).await;
}

#[tokio::test(start_paused = true)]
async fn p7_ten_minutes_of_a_third_of_401s_cost_at_most_six_acquisitions() {
    share(0.3).await;
}

#[tokio::test(start_paused = true)]
async fn p7_ten_minutes_of_nothing_but_401s_cost_at_most_six_acquisitions() {
    share(1.0).await;
}

/// One client, two instances, and a server whose new token revokes the previous one.
#[tokio::test(start_paused = true)]
async fn p7_two_instances_that_revoke_each_other_do_not_escalate() {
    let valid = Arc::new(Mutex::new(String::new()));
    let mut instances = Vec::new();
    for name in ["a", "b"] {
        let newest = Arc::clone(&valid);
        let idp = Idp::new(move |asked| {
            let token = format!("{name}{}", asked.nth);
            newest.lock().unwrap().clone_from(&token);
            named(token, 3600.0).after(0.2)
        });
        let valid = Arc::clone(&valid);
        let api = Api::accepting(move |token| *valid.lock().unwrap() == *token);
        let client = layered(&idp.cache(), api);
        instances.push((idp, client));
    }
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    let served = Arc::new(Mutex::new(HashMap::<u16, usize>::new()));
    while since(start) < 600.0 {
        for (_, client) in &instances {
            let (client, served) = (client.clone(), Arc::clone(&served));
            tasks.spawn(async move {
                let response = client.oneshot(request()).await.unwrap();
                *served.lock().unwrap().entry(response.status().as_u16()).or_default() += 1;
            });
        }
        sleep(secs(0.1)).await;
    }
    tasks.join_all().await;
    for (idp, _) in &instances {
        assert!(idp.count() <= 1 + 6, "{:?}", idp.times(start));
    }
    assert_eq!(served.lock().unwrap().keys().filter(|it| ![200, 401].contains(*it)).count(), 0);
}

/// The interval after an acquisition that a cooldown delayed counts from its actual start.
#[tokio::test(start_paused = true)]
async fn p7_the_interval_after_a_delayed_acquisition_counts_from_its_start() {
    let idp = Idp::new(|asked| match asked.nth {
        4 => throttled(90.0).after(0.1),
        nth => token(nth, 86_400.0).after(0.1),
    });
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let client = layered(&cache, Api::new(|_| rejection()));
    let start = Instant::now();
    while since(start) < 400.0 {
        assert_eq!(call(&client).await.unwrap(), 401);
        sleep(secs(0.25)).await;
    }
    let times = idp.times(start);
    let apart: Vec<_> = times[3..].windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((90.0..115.0).contains(&apart[0]), "the server asked for it: {times:?}");
    assert!(apart[1..].iter().all(|apart| *apart >= 60.0), "{times:?}");
    assert!(apart.len() > 2, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn p7_dropping_the_token_keeps_the_cooldown_and_the_budget() {
    let idp = Idp::new(|asked| match asked.nth {
        2 => failure(oauth("server_error")).after(0.1),
        nth => token(nth, 86_400.0).after(0.1),
    });
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    assert_eq!(cache.force_refresh().await.unwrap().secret(), "t1");
    cache.clear();
    assert_eq!(cache.get().await.unwrap_err().code(), "server_error");
    assert_eq!(idp.count(), 2, "the cooldown is kept");
    sleep(secs(2.0)).await;
    assert_eq!(cache.get().await.unwrap().secret(), "t3");

    let client = layered(&cache, Api::new(|_| rejection()));
    for _ in 0..5 {
        assert_eq!(call(&client).await.unwrap(), 401);
    }
    let used_up = idp.count();
    cache.clear();
    assert_eq!(call(&client).await.unwrap(), 401);
    settle().await;
    assert_eq!(idp.count(), used_up + 1, "one for want of a token, none for the rejection");
}

/// The time at which a dropped token would have been refreshed does not refill the budget.
#[tokio::test(start_paused = true)]
async fn p7_a_dropped_token_does_not_refill_the_budget() {
    let idp = Idp::healthy(400.0, 0.1);
    let cache = idp.cache();
    let client = layered(&cache, Api::new(|_| rejection()));
    for _ in 0..5 {
        assert_eq!(call(&client).await.unwrap(), 401);
    }
    assert_eq!(idp.count(), 4);
    cache.clear();
    sleep(secs(500.0)).await;
    for _ in 0..5 {
        assert_eq!(call(&client).await.unwrap(), 401);
    }
    assert_eq!(idp.count(), 4 + 2, "one for want of a token, one for the rejections");
}
