//! P6: failures are shared and remembered; `Retry-After` is honored; the first success ends the
//! backoff.

use std::error::Error as _;

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tower_oauth2_client_credentials::{Error, ErrorKind};

use crate::support::{
    Answer, Api, Idp, call, failure, layered, oauth, secs, settle, since, throttled, token,
};

#[tokio::test(start_paused = true)]
async fn p6_a_failure_is_shared_by_all_waiters() {
    let idp = Idp::new(|_| failure(oauth("server_error")).after(0.5));
    let cache = idp.cache();
    let client = layered(&cache, Api::ok());
    let mut waiters = JoinSet::new();
    for nth in 0..1000 {
        let (cache, client) = (cache.clone(), client.clone());
        waiters.spawn(async move {
            match nth % 2 {
                0 => cache.get().await.unwrap_err(),
                _ => *call(&client).await.unwrap_err().downcast::<Error>().unwrap(),
            }
        });
    }
    while let Some(done) = waiters.join_next().await {
        assert_eq!(done.unwrap().code(), "server_error");
    }
    assert_eq!(idp.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn p6_a_remembered_failure_is_returned_at_once_with_the_time_of_the_next_attempt() {
    let idp = Idp::new(|_| failure(oauth("server_error")).after(0.5));
    let cache = idp.cache();
    cache.get().await.unwrap_err();
    let start = Instant::now();
    let mut next = f64::INFINITY;
    while since(start) < 0.99 {
        let before = Instant::now();
        let error = cache.get().await.unwrap_err();
        assert_eq!(before.elapsed().as_nanos(), 0);
        assert_eq!(error.code(), "server_error");
        assert!(error.source().is_none() && error.to_string().contains("next attempt is due in"));
        let due = error.next_attempt_in().unwrap().as_secs_f64();
        assert!(due < next && (1.0..=1.25).contains(&(due + since(start))), "{due}");
        next = due;
        sleep(secs(0.05)).await;
    }
    assert_eq!(idp.count(), 1);
}

/// One request makes the trial request, with a single attempt. Others wait up to 1 s and then get
/// the error.
#[tokio::test(start_paused = true)]
async fn p6_while_a_probe_is_in_flight_others_lose_at_most_a_second() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => failure(oauth("server_error")),
        _ => Answer::never(),
    });
    let cache = idp.cache();
    cache.get().await.unwrap_err();
    sleep(secs(1.3)).await;
    let start = Instant::now();
    let prober = tokio::spawn(cache.get());
    settle().await;
    let mut others = JoinSet::new();
    for nth in 0..50 {
        let cache = cache.clone();
        others.spawn(async move {
            sleep(secs(f64::from(nth) * 0.1)).await;
            let before = Instant::now();
            let error = cache.get().await.unwrap_err();
            assert_eq!(error.code(), "server_error", "the remembered one");
            since(before)
        });
    }
    for waited in others.join_all().await {
        assert!((0.99..=1.01).contains(&waited), "{waited}");
    }
    assert_eq!(prober.await.unwrap().unwrap_err().kind(), ErrorKind::AcquisitionTimeout);
    assert_eq!(since(start).round(), 25.0);
    let single: Vec<_> = idp.asked().iter().map(|it| it.single_attempt).collect();
    assert_eq!(single, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn p6_a_probe_that_succeeds_serves_its_waiters() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => failure(oauth("server_error")),
        nth => token(nth, 3600.0).after(0.9),
    });
    let cache = idp.cache();
    cache.get().await.unwrap_err();
    sleep(secs(1.3)).await;
    let mut waiters = JoinSet::new();
    for _ in 0..100 {
        waiters.spawn(cache.get());
    }
    while let Some(done) = waiters.join_next().await {
        assert_eq!(done.unwrap().unwrap().secret(), "t2");
    }
    assert_eq!(idp.count(), 2);
}

/// Times of the source's calls if it always answers the same, with a request every 50 ms.
async fn times(script: impl Fn(f64) -> Answer + Send + Sync + 'static, until: f64) -> Vec<f64> {
    let start = Instant::now();
    let idp = Idp::new(move |_| script(since(start)));
    let cache = idp.cache();
    while since(start) < until {
        let _ = cache.get().await;
        sleep(secs(0.05)).await;
    }
    idp.times(start)
}

fn assert_pauses(times: &[f64], pauses: &[f64]) {
    for (nth, (pair, pause)) in times.windows(2).zip(pauses).enumerate() {
        let apart = pair[1] - pair[0];
        assert!((*pause..pause * 1.25 + 0.11).contains(&apart), "{nth}: {apart} s for {pause} s");
    }
    assert!(times.len() > pauses.len(), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn p6_the_pauses_double_from_one_second_to_sixty() {
    let times = times(|_| failure(oauth("server_error")), 400.0).await;
    assert_pauses(&times, &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]);
}

#[tokio::test(start_paused = true)]
async fn p6_permanent_errors_begin_at_thirty_seconds() {
    let times = times(|_| failure(oauth("invalid_client")), 250.0).await;
    assert_pauses(&times, &[30.0, 60.0, 60.0]);
}

#[tokio::test(start_paused = true)]
async fn p6_retry_after_is_honored_up_to_five_minutes_without_a_token() {
    for (asked, honored) in [(20.0, 20.0), (250.0, 250.0), (100_000.0, 300.0)] {
        let times = times(move |_| throttled(asked), 1000.0).await;
        assert!((times[1] - times[0] - honored).abs() < 0.11, "{asked}: {times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn p6_retry_after_is_honored_up_to_an_hour_with_a_token() {
    for (asked, honored) in [(250.0, 250.0), (2000.0, 2000.0), (100_000.0, 3600.0)] {
        // A lifetime of half a day, so that the token stays valid.
        let idp = Idp::new(move |it| match it.nth {
            1 => token(1, 43_200.0),
            _ => throttled(asked),
        });
        let (start, cache) = (Instant::now(), idp.cache());
        while idp.count() < 3 {
            assert_eq!(cache.get().await.unwrap().secret(), "t1");
            sleep(secs(5.0)).await;
        }
        let times = idp.times(start);
        assert!((times[2] - times[1] - honored).abs() < 5.1, "{asked}: {times:?}");
    }
}

/// The hour applies while the token is valid. Then the five minutes apply.
#[tokio::test(start_paused = true)]
async fn p6_a_token_that_expires_within_a_long_retry_after_brings_the_shorter_cap() {
    let start = Instant::now();
    let idp = Idp::new(move |asked| match asked.nth {
        1 => token(1, 1000.0),
        2 => throttled(100_000.0),
        nth => token(nth, 1000.0),
    });
    let cache = idp.cache();
    while idp.count() < 3 {
        let _ = cache.get().await;
        sleep(secs(1.0)).await;
        assert!(since(start) < 2000.0, "it waits for the hour");
    }
    let times = idp.times(start);
    // Unusable from 970 s on. The throttled refresh was between 370 and 820 s.
    assert!((times[2] - (times[1] + 300.0).max(970.0)).abs() < 2.1, "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn p6_the_first_success_ends_it() {
    let failing = |past: f64| match past {
        200.0..290.0 => token(0, 3.0),
        _ => failure(oauth("server_error")),
    };
    let times = times(failing, 450.0).await;
    // Afterwards the cooldowns begin at 1 s again, and an acquisition has all its attempts.
    let again = times.iter().position(|at| *at >= 290.0).unwrap();
    assert_pauses(&times[again..], &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0]);

    let idp = Idp::new(|asked| match asked.nth {
        1 | 4 => failure(oauth("server_error")),
        nth => token(nth, 3.0),
    });
    let (start, cache) = (Instant::now(), idp.cache());
    while idp.count() < 6 {
        let _ = cache.get().await;
        sleep(secs(0.05)).await;
        assert!(since(start) < 60.0);
    }
    let single: Vec<_> = idp.asked().iter().map(|it| it.single_attempt).collect();
    assert_eq!(single, [false, true, false, false, true, false]);
}
