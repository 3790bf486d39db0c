//! What the register keeps, and for how long.

use std::time::Duration;

use super::*;
use crate::{error::ErrorKind, source::Acquire};

fn failing(capacity: usize) -> KeyedTokenCache<u32> {
    let source = |_: &u32| Ok(|_: Acquire| async { Err(Error::new(ErrorKind::ServerError)) });
    KeyedTokenCache::builder(source).capacity(capacity).build()
}

fn known(tokens: &KeyedTokenCache<u32>) -> usize {
    lock(&tokens.inner.register).known()
}

#[tokio::test(start_paused = true)]
async fn no_more_failed_keys_are_remembered_than_the_capacity() {
    let tokens = failing(100);
    for key in 0..10_000 {
        tokens.get(&key).await.unwrap_err();
        // Those at hand, those remembered, and as many again until it is worth a look.
        assert!(known(&tokens) <= 400, "{} after {key}", known(&tokens));
    }
    lock(&tokens.inner.register).prune(Instant::now());
    assert_eq!(known(&tokens), 100 + tokens.len());
}

/// The pause of the first failure is a second or two; it is remembered for a minute more.
#[tokio::test(start_paused = true)]
async fn a_failed_key_is_remembered_until_the_longest_pause_is_over() {
    let tokens = failing(1);
    tokens.get(&0).await.unwrap_err();
    tokens.inner.at_hand.clear();
    let prune = || lock(&tokens.inner.register).prune(Instant::now());
    tokio::time::advance(Duration::from_secs(60)).await;
    prune();
    assert_eq!(known(&tokens), 1);
    tokio::time::advance(Duration::from_secs(3)).await;
    prune();
    assert_eq!(known(&tokens), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_is_alive_is_never_forgotten() {
    let tokens = failing(1);
    let held: Vec<_> = (0..100).map(|key| tokens.cache(&key)).collect();
    lock(&tokens.inner.register).prune(Instant::now());
    assert_eq!(known(&tokens), 100);
    for (key, cache) in held.iter().enumerate() {
        let again = tokens.cache(&u32::try_from(key).unwrap());
        assert!(Arc::ptr_eq(&cache.shared, &again.shared));
    }
    drop(held);
    lock(&tokens.inner.register).prune(Instant::now());
    assert_eq!(known(&tokens), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_or_said_of_an_unknown_key_makes_no_cache() {
    let tokens = failing(2);
    let held = tokens.cache(&0);
    for key in 1..100 {
        assert!(tokens.current(&key).is_none());
        tokens.invalidate(&key, &Token::bearer("abc").unwrap());
        tokens.remove(&key);
    }
    assert_eq!((tokens.len(), known(&tokens)), (1, 1));
    // One that is in use is found though it is not at hand.
    tokens.inner.at_hand.clear();
    assert!(Arc::ptr_eq(&tokens.inner.known(&0).unwrap().shared, &held.shared));
}

/// `current` is a use: a key that is asked for by nothing else is not idle.
#[tokio::test(start_paused = true)]
async fn a_key_that_is_used_by_current_alone_is_kept() {
    let source = |_: &u32| Ok(|_: Acquire| async { Token::bearer("abc") });
    let idle = Duration::from_secs(80);
    let tokens = KeyedTokenCache::builder(source).idle_time(idle).build();
    tokens.get(&0).await.unwrap();
    for _ in 0..20 {
        tokio::time::advance(idle / 8).await;
        assert!(tokens.current(&0).is_some());
        tokens.cache(&1);
    }
}

/// The wait for a turn is not the token's age.
#[tokio::test(start_paused = true)]
async fn a_token_is_as_old_as_its_request() {
    let source = |key: &u32| {
        let takes = Duration::from_secs(if *key == 0 { 11 } else { 0 });
        Ok(move |_: Acquire| async move {
            tokio::time::sleep(takes).await;
            Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(10)))
        })
    };
    let tokens = KeyedTokenCache::builder(source).concurrent_acquisitions(1).build();
    let first = tokio::spawn(tokens.get(&0));
    tokio::task::yield_now().await;
    tokens.get(&1).await.unwrap();
    assert!(tokens.current(&1).is_some(), "it was asked for just now");
    first.await.unwrap().unwrap();
}

/// One turn for all; a key takes as many milliseconds as it says, and its token is good for a minute.
fn one_at_once(timeout: Duration) -> (KeyedTokenCache<u64>, Arc<Mutex<Vec<Acquire>>>) {
    let asked = Arc::<Mutex<Vec<Acquire>>>::default();
    let log = Arc::clone(&asked);
    let source = move |takes: &u64| {
        let (takes, log) = (Duration::from_millis(*takes), Arc::clone(&log));
        Ok(move |acquire: Acquire| {
            lock(&log).push(acquire);
            async move {
                tokio::time::sleep(takes).await;
                Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(60)))
            }
        })
    };
    let builder = KeyedTokenCache::builder(source).concurrent_acquisitions(1);
    (builder.each_cache(move |_, cache| cache.acquisition_timeout(timeout)).build(), asked)
}

/// The server did not fail, so it is not asked by a probe.
#[tokio::test(start_paused = true)]
async fn after_no_turn_an_acquisition_is_one_like_any_other() {
    // A wait for a turn ends after half of this, and a turn after 250 ms.
    let (tokens, asked) = one_at_once(Duration::from_millis(400));
    let first = tokio::spawn(tokens.get(&300));
    tokio::task::yield_now().await;
    assert_eq!(tokens.get(&0).await.unwrap_err().kind(), ErrorKind::Crowded);
    first.await.unwrap().unwrap();
    tokio::time::advance(Duration::from_millis(1250)).await;
    tokens.get(&0).await.unwrap();
    let single: Vec<_> = lock(&asked).iter().map(|it| it.single_attempt).collect();
    assert_eq!(single, [false, false]);
}

/// The next acquisition may wait for its turn as long, so it starts that much earlier.
#[tokio::test(start_paused = true)]
async fn the_lead_counts_the_wait_for_a_turn() {
    let (tokens, asked) = one_at_once(Duration::from_secs(25));
    // Each of them has its turn for 250 ms.
    let others: Vec<_> = (12_000..12_048).map(|takes| tokio::spawn(tokens.get(&takes))).collect();
    tokio::task::yield_now().await;
    tokens.get(&0).await.unwrap();
    // 60 s, less 6 s of leeway, less a lead of 36 s: the most there is, and as long as 3 waits.
    for (seconds, expected) in [(17, 49), (2, 50)] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        assert!(tokens.current(&0).is_some());
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        assert_eq!(lock(&asked).len(), expected);
    }
    others.iter().for_each(tokio::task::JoinHandle::abort);
}
