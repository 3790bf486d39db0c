//! Which keys are remembered, and for how long.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::{
    error::{Error, Problem},
    source::AcquireContext,
    sync::{Arc, Mutex, lock},
    token::Token,
};

fn failing(capacity: usize) -> KeyedTokenCache<u32> {
    let source = |_: &u32| Ok(|_: AcquireContext| async { Err(Error::of(Problem::ServerError)) });
    KeyedTokenCache::builder(source).capacity(capacity).build()
}

fn remembered(tokens: &KeyedTokenCache<u32>) -> usize {
    lock(&tokens.inner.registry).len()
}

#[tokio::test(start_paused = true)]
async fn no_more_failed_keys_are_remembered_than_the_capacity() {
    let tokens = failing(100);
    for key in 0..10_000 {
        tokens.get(&key).await.unwrap_err();
        // 100 caches, 100 remembered keys, and as many again until they are pruned.
        assert!(remembered(&tokens) <= 400, "{} after {key}", remembered(&tokens));
    }
    drop(lock(&tokens.inner.registry).prune(Instant::now()));
    assert_eq!(remembered(&tokens), 100 + tokens.len());
}

/// The cooldown of the first failure is 1 s to 1.25 s. It is remembered for a minute after it.
#[tokio::test(start_paused = true)]
async fn a_failed_key_is_remembered_for_the_maximum_cooldown() {
    let tokens = failing(1);
    tokens.get(&0).await.unwrap_err();
    tokens.inner.recent.clear();
    let prune = || drop(lock(&tokens.inner.registry).prune(Instant::now()));
    tokio::time::advance(Duration::from_secs(60)).await;
    prune();
    assert_eq!(remembered(&tokens), 1);
    tokio::time::advance(Duration::from_secs(3)).await;
    prune();
    assert_eq!(remembered(&tokens), 0);
}

#[tokio::test(start_paused = true)]
async fn a_failed_key_is_forgotten_at_the_end_of_its_time_and_no_sooner() {
    let tokens = failing(1);
    tokens.get(&0).await.unwrap_err();
    tokens.inner.recent.clear();
    let prune = |at| {
        drop(lock(&tokens.inner.registry).prune(at));
        remembered(&tokens)
    };
    let end = lock(&tokens.inner.registry).forget_at(&0).unwrap();
    assert_eq!(prune(end - Duration::from_nanos(1)), 1);
    assert_eq!(prune(end), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cache_in_use_is_never_forgotten() {
    let tokens = failing(1);
    let held: Vec<_> = (0..100).map(|key| tokens.cache(&key)).collect();
    drop(lock(&tokens.inner.registry).prune(Instant::now()));
    assert_eq!(remembered(&tokens), 100);
    for (key, cache) in held.iter().enumerate() {
        let again = tokens.cache(&u32::try_from(key).unwrap());
        assert!(Arc::ptr_eq(&cache.inner, &again.inner));
    }
    drop(held);
    drop(lock(&tokens.inner.registry).prune(Instant::now()));
    assert_eq!(remembered(&tokens), 1);
}

#[tokio::test(start_paused = true)]
async fn reads_and_reports_of_an_unknown_key_make_no_cache() {
    let tokens = failing(2);
    let held = tokens.cache(&0);
    for key in 1..100 {
        assert!(tokens.current(&key).is_none() && tokens.peek(&key).is_none());
        tokens.invalidate(&key, &Token::bearer("abc").unwrap());
        tokens.remove(&key);
    }
    assert_eq!((tokens.len(), remembered(&tokens)), (1, 1));
    // A cache in use is found although it is not in `recent`.
    tokens.inner.recent.clear();
    assert!(Arc::ptr_eq(&tokens.inner.get(&0).unwrap().inner, &held.inner));
}

/// `current` counts as a use.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_by_current_alone_is_kept() {
    let source = |_: &u32| Ok(|_: AcquireContext| async { Token::bearer("abc") });
    let idle = Duration::from_secs(80);
    let tokens = KeyedTokenCache::builder(source).idle_time(idle).build();
    tokens.get(&0).await.unwrap();
    for _ in 0..20 {
        tokio::time::advance(idle / 8).await;
        assert!(tokens.current(&0).is_some());
        tokens.cache(&1);
    }
}

/// The wait for a permit is not part of the token's age.
#[tokio::test(start_paused = true)]
async fn a_token_is_as_old_as_its_request() {
    let source = |key: &u32| {
        let takes = Duration::from_secs(if *key == 0 { 11 } else { 0 });
        Ok(move |_: AcquireContext| async move {
            tokio::time::sleep(takes).await;
            Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(10)))
        })
    };
    let tokens = KeyedTokenCache::builder(source).acquisition_start_limit(1).build();
    let first = tokio::spawn(tokens.get(&0));
    tokio::task::yield_now().await;
    tokens.get(&1).await.unwrap();
    assert!(tokens.current(&1).is_some(), "it was requested just now");
    first.await.unwrap().unwrap();
}

/// One permit for all keys. The key is the number of milliseconds that its acquisition takes. A token
/// lives for a minute.
fn one_at_once(timeout: Duration) -> (KeyedTokenCache<u64>, Arc<Mutex<Vec<AcquireContext>>>) {
    let asked = Arc::<Mutex<Vec<AcquireContext>>>::default();
    let log = Arc::clone(&asked);
    let source = move |takes: &u64| {
        let (takes, log) = (Duration::from_millis(*takes), Arc::clone(&log));
        Ok(move |acquire: AcquireContext| {
            lock(&log).push(acquire);
            async move {
                tokio::time::sleep(takes).await;
                Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(60)))
            }
        })
    };
    let builder = KeyedTokenCache::builder(source).acquisition_start_limit(1);
    (builder.configure(move |_, cache| cache.acquisition_timeout(timeout)).build(), asked)
}

/// The server did not fail.
#[tokio::test(start_paused = true)]
async fn an_acquisition_after_overload_is_not_a_probe() {
    // The wait for a permit ends after half of this, and a permit is held for at most 250 ms.
    let (tokens, asked) = one_at_once(Duration::from_millis(400));
    let first = tokio::spawn(tokens.get(&300));
    tokio::task::yield_now().await;
    assert_eq!(tokens.get(&0).await.unwrap_err().problem(), Problem::Overloaded);
    first.await.unwrap().unwrap();
    tokio::time::advance(Duration::from_millis(1250)).await;
    tokens.get(&0).await.unwrap();
    let single: Vec<_> = lock(&asked).iter().map(|it| it.single_attempt).collect();
    assert_eq!(single, [false, false]);
}

/// The next acquisition may wait as long for its permit, so it starts that much earlier.
#[tokio::test(start_paused = true)]
async fn the_lead_includes_the_wait_for_a_permit() {
    let (tokens, asked) = one_at_once(Duration::from_secs(25));
    // Each of them holds the permit for 250 ms.
    let others: Vec<_> = (12_000..12_048).map(|takes| tokio::spawn(tokens.get(&takes))).collect();
    tokio::task::yield_now().await;
    tokens.get(&0).await.unwrap();
    // 60 s, less 6 s of leeway, less a lead of 36 s: the maximum, and three times the wait.
    for (seconds, expected) in [(17, 49), (2, 50)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        assert!(tokens.current(&0).is_some());
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(lock(&asked).len(), expected);
    }
    others.iter().for_each(tokio::task::JoinHandle::abort);
}
