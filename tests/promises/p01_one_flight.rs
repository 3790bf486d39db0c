//! P1: at most one acquisition is in flight per cache, for any load.

use std::thread;

use tokio::{task::JoinSet, time::sleep};
use tower_oauth2_client_credentials::{TokenCache, source::AcquireContext};

use crate::support::{Api, Idp, call, failure, layered, oauth, secs, token};

#[tokio::test(start_paused = true)]
async fn p1_at_most_one_acquisition_is_in_flight() {
    let idp = Idp::healthy(10.0, 0.5);
    let cache = idp.cache();
    let client = layered(&cache, Api::ok());
    let mut tasks = JoinSet::new();
    for nth in 0..10_000_u64 {
        let (cache, client) = (cache.clone(), client.clone());
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(nth);
            for _ in 0..8 {
                match nth % 2 {
                    0 => drop(cache.get().await.unwrap()),
                    _ => assert_eq!(call(&client).await.unwrap(), 200),
                }
                sleep(secs(random.f64() * 10.0)).await;
            }
        });
        if nth == 0 {
            // The first acquisition is in flight before the others start.
            tokio::task::yield_now().await;
        }
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(idp.most_at_once(), 1);
    // About 40 s. The first token is refreshed after 10 − 1 − 6 s at the earliest, the others after
    // 5.5 s.
    assert!((4..=14).contains(&idp.count()), "{}", idp.count());
}

#[tokio::test(start_paused = true)]
async fn p1_ten_thousand_from_cold_cost_one_acquisition() {
    let idp = Idp::healthy(3600.0, 0.5);
    let cache = idp.cache();
    let client = layered(&cache, Api::ok());
    let mut tasks = JoinSet::new();
    for nth in 0..10_000 {
        let (cache, client) = (cache.clone(), client.clone());
        tasks.spawn(async move {
            match nth % 2 {
                0 => assert_eq!(cache.get().await.unwrap().secret(), "t1"),
                _ => assert_eq!(call(&client).await.unwrap(), 200),
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!((idp.count(), idp.most_at_once()), (1, 1));
}

/// RejectionPolicy, forced refreshes, scheduled refreshes, expiries and failures at once.
#[tokio::test(start_paused = true)]
async fn p1_holds_when_every_reason_to_acquire_comes_at_once() {
    let idp = Idp::new(|asked| match asked.nth % 5 {
        4 => failure(oauth("server_error")),
        0 => token(asked.nth, 0.0),
        nth => token(asked.nth, nth as f64 * 2.0),
    });
    let slow = idp.clone();
    let cache = TokenCache::builder(move |acquire: AcquireContext| {
        let idp = slow.clone();
        async move {
            let answer = idp.ask(&acquire).await;
            sleep(secs(0.3)).await;
            answer
        }
    })
    .rejection_interval(secs(1.0)..=secs(2.0))
    .build();
    let mut tasks = JoinSet::new();
    for nth in 0..200_u64 {
        let cache = cache.clone();
        tasks.spawn(async move {
            let mut random = fastrand::Rng::with_seed(nth);
            let mut last = None;
            for _ in 0..200 {
                match random.u8(0..5) {
                    0 => drop(cache.force_refresh().await),
                    1 => last.as_ref().into_iter().for_each(|token| cache.invalidate(token)),
                    2 => last = cache.current().or(last),
                    3 => {
                        // Dropped at some await.
                        let _ = tokio::time::timeout(secs(random.f64()), cache.get()).await;
                    }
                    _ => last = cache.get().await.ok().or(last),
                }
                sleep(secs(random.f64() * 0.2)).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(idp.most_at_once(), 1);
    assert!(idp.count() > 10, "{}", idp.count());
    let asked = idp.asked();
    for pair in asked.windows(2) {
        let apart = (pair[1].at - pair[0].at).as_secs_f64();
        assert!(apart >= 0.3, "asked twice within one flight: {pair:?}");
    }
}

/// Real threads, real time. (On a machine so slow that a token is expired on arrival, that costs 1
/// s.)
#[test]
fn p1_holds_on_many_threads() {
    let idp = Idp::healthy(0.04, 0.001);
    let cache = idp.cache();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_time()
        .build()
        .unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (cache, idp, handle) = (cache.clone(), idp.clone(), runtime.handle().clone());
            thread::spawn(move || {
                handle.block_on(async {
                    while idp.count() < 30 {
                        let token = cache.get().await.unwrap();
                        if fastrand::u8(..) == 0 {
                            cache.invalidate(&token);
                        }
                    }
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(idp.most_at_once(), 1);
}
