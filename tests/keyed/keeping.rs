//! One cache per key, and the state that outlives it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use tower_oauth2_client_credentials::{
    Error, ErrorKind, KeyedTokenCache, Token, TokenCache,
    cache::Readiness,
    event::{AcquisitionReason, EventKind},
    source::AcquireContext,
};

use super::support::{Idp, all, churn};

#[tokio::test(start_paused = true)]
async fn a_key_has_one_acquisition_for_any_number_of_callers() {
    let idp = Idp::taking(Duration::from_millis(100));
    let tokens = idp.builder().build();
    let gets = (0..1000).map(|it| tokens.get(&(it % 4)));
    for (it, token) in all(gets).await.into_iter().enumerate() {
        assert_eq!(token.unwrap().secret(), format!("{}.1", it % 4));
    }
    assert_eq!(idp.all_requests(), 4);
}

/// Far more keys than the capacity, from several threads. All holders of a key's cache hold the
/// same one.
#[test]
fn a_key_has_one_cache_on_all_threads() {
    const KEYS: u32 = 300;
    let idp = Idp::new();
    let tokens = idp.builder().capacity(8).build();
    let held: Vec<Vec<TokenCache>> = thread::scope(|scope| {
        let run = || {
            let caches: Vec<_> = (0..KEYS).map(|key| tokens.cache(&key)).collect();
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            for (key, cache) in caches.iter().enumerate() {
                let token = runtime.block_on(cache.get()).unwrap();
                assert_eq!(token.secret(), format!("{key}.1"));
            }
            caches
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(idp.all_requests(), KEYS as usize);
    assert!(tokens.len() <= 8, "{}", tokens.len());
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_cache_in_use_stays_its_keys_cache_after_an_eviction() {
    let idp = Idp::new();
    let tokens = idp.builder().capacity(1).build();
    let held = tokens.cache(&1);
    held.warm_up().await.unwrap();
    churn(&tokens, 50).await;
    assert_eq!(tokens.get(&1).await.unwrap().secret(), "1.1");
    drop(held);
    churn(&tokens, 50).await;
    assert_eq!(tokens.get(&1).await.unwrap().secret(), "1.2", "nobody held it any more");
}

#[tokio::test(start_paused = true)]
async fn an_acquisition_in_flight_is_joined_after_its_cache_was_evicted() {
    let idp = Idp::taking(Duration::from_secs(5));
    let tokens = idp.builder().capacity(1).build();
    // The caller that starts it is dropped.
    assert!(tokio::time::timeout(Duration::from_secs(1), tokens.get(&1)).await.is_err());
    for key in 2..60 {
        drop(tokens.cache(&key));
    }
    assert_eq!(tokens.get(&1).await.unwrap().secret(), "1.1");
}

/// Ten minutes of an outage for one key, whose cache other keys evict all the time.
#[tokio::test(start_paused = true)]
async fn eviction_does_not_reset_a_cooldown() {
    let idp = Idp::new();
    let tokens = idp.builder().capacity(1).build();
    idp.set_down(1, true);
    for _ in 0..1200 {
        let error = tokens.get(&1).await.unwrap_err();
        assert_eq!(error.code(), "server_error");
        tokens.get(&2).await.unwrap();
        churn(&tokens, 12).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    // 1, 2, 4, 8, 16, 32 s and then each 60 to 75 s.
    assert!((12..=16).contains(&idp.requests(1)), "{}", idp.requests(1));
    assert!(idp.requests(2) > 100, "a good key's cache was not dropped");
    // The first success ends it.
    idp.set_down(1, false);
    tokio::time::sleep(Duration::from_secs(75)).await;
    tokens.get(&1).await.unwrap();
    idp.set_down(1, true);
    churn(&tokens, 12).await;
    let (before, asked) = (idp.requests(1), tokio::time::Instant::now());
    tokens.get(&1).await.unwrap_err();
    tokio::time::sleep(Duration::from_millis(1300)).await;
    churn(&tokens, 12).await;
    tokens.get(&1).await.unwrap_err();
    assert_eq!(idp.requests(1), before + 2, "{:?}", asked.elapsed());
}

/// An API rejects every token of a key. The rejection budget outlives the key's cache.
#[tokio::test(start_paused = true)]
async fn eviction_does_not_refill_the_budget_of_rejections() {
    let idp = Idp::new();
    let tokens = idp.builder().capacity(1).build();
    for _ in 0..600 {
        let token = tokens.get(&1).await.unwrap();
        tokens.invalidate(&1, &token);
        churn(&tokens, 12).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let rejected =
        idp.asked(1).into_iter().filter(|(_, reason)| *reason == AcquisitionReason::Rejected);
    // At 0, 1, 2, 62, 182 and 422 s.
    assert_eq!(rejected.count(), 6);
}

/// The registry is pruned just before the rejection budget is full again, and when it is full.
#[tokio::test(start_paused = true)]
async fn the_budget_of_an_evicted_key_is_remembered_until_it_is_full_again() {
    for (quiet, expected) in [(1799, 1), (1800, 3)] {
        let idp = Idp::new();
        let tokens = idp.builder().capacity(1).build();
        let reject = async || {
            for _ in 0..5 {
                let token = tokens.get(&1).await.unwrap();
                tokens.invalidate(&1, &token);
            }
            let rejected =
                idp.asked(1).into_iter().filter(|it| it.1 == AcquisitionReason::Rejected);
            rejected.count()
        };
        assert_eq!(reject().await, 3);
        churn(&tokens, 200).await;
        tokio::time::sleep(Duration::from_secs(quiet)).await;
        churn(&tokens, 200).await;
        assert_eq!(reject().await, 3 + expected, "after {quiet} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_be_made_is_a_failure_of_its_keys_requests() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let tokens = KeyedTokenCache::new(move |key: &u32| {
        let first = counter.fetch_add(1, SeqCst) == 0;
        match key {
            1 if first => Err(Error::new(ErrorKind::Config).with_detail("no such tenant")),
            2 => panic!("a closure of the user's"),
            _ => Ok(|_: AcquireContext| async { Token::bearer("abc") }),
        }
    });
    for _ in 0..100 {
        let error = tokens.get(&1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("no such tenant"), "{error}");
    }
    assert_eq!(made.load(SeqCst), 1, "it is remembered");
    assert_eq!(tokens.get(&3).await.unwrap().secret(), "abc");
    assert_eq!(tokens.get(&2).await.unwrap_err().kind(), ErrorKind::Panicked);
    tokio::time::sleep(Duration::from_secs(75)).await;
    assert_eq!(tokens.get(&1).await.unwrap().secret(), "abc");
}

#[tokio::test(start_paused = true)]
async fn sources_can_invalidate_and_keys_be_removed() {
    let idp = Idp::new();
    let tokens = idp.builder().build();
    for key in [1, 2] {
        tokens.get(&key).await.unwrap();
    }
    idp.invalidate_all();
    assert!([1, 2].iter().all(|key| tokens.current(key).is_none()));
    for key in [1, 2] {
        assert_eq!(tokens.get(&key).await.unwrap().secret(), format!("{key}.2"));
    }
    let held = tokens.cache(&1);
    tokens.remove(&1);
    assert!(held.current().is_none());
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens.current(&2).unwrap().secret(), "2.2");
    assert_eq!(held.get().await.unwrap().secret(), "1.3");
    assert_eq!(tokens.get(&1).await.unwrap().secret(), "1.3");
}

#[tokio::test(start_paused = true)]
async fn each_cache_has_its_settings_and_an_observer_that_knows_the_key() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let idp = Idp::taking(Duration::from_secs(3));
    let tokens = idp
        .builder()
        .configure(move |&key, cache| {
            let seen = Arc::clone(&seen);
            cache.wait_timeout(Duration::from_secs(key.into())).observer(move |event| {
                if let EventKind::Acquired { .. } = event.kind() {
                    seen.lock().unwrap().push(key);
                }
            })
        })
        .build();
    let results = all([tokens.get(&2), tokens.get(&4)]).await;
    assert_eq!(results[0].as_ref().unwrap_err().kind(), ErrorKind::WaitTimeout);
    assert!(results[1].is_ok());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut keys = events.lock().unwrap().clone();
    keys.sort();
    assert_eq!(keys, [2, 4]);
}

/// For gauges and readiness probes of all tenants.
#[tokio::test(start_paused = true)]
async fn the_kept_caches_can_be_listed_without_a_token_request() {
    let idp = Idp::new();
    let tokens = idp.builder().build();
    idp.set_down(2, true);
    tokens.get(&1).await.unwrap();
    tokens.get(&2).await.unwrap_err();
    tokens.cache(&3);
    let before = idp.all_requests();
    let mut listed: Vec<_> =
        tokens.caches().into_iter().map(|(key, cache)| (key, cache.readiness())).collect();
    listed.sort_by_key(|(key, _)| *key);
    assert_eq!(listed, [(1, Readiness::Ready), (2, Readiness::Failed), (3, Readiness::Idle)]);
    assert_eq!(idp.all_requests(), before);
    tokens.remove(&1);
    assert_eq!(tokens.caches().len(), 2);
}
