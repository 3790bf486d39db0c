//! The destructor of an error may use the keyed cache, so none runs under the registry's lock.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use tower_oauth2_client_credentials::{
    Error, ErrorKind, KeyedTokenCache, Token, source::AcquireContext,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A cause that uses the keyed cache when it is dropped.
struct Cause {
    tokens: Arc<OnceLock<KeyedTokenCache<u32>>>,
    drops: Arc<AtomicU32>,
}

impl Drop for Cause {
    fn drop(&mut self) {
        assert!(self.tokens.get().unwrap().peek(&u32::MAX).is_none());
        self.drops.fetch_add(1, SeqCst);
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cause")
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no token today; try again tomorrow")
    }
}

impl std::error::Error for Cause {}

/// Odd keys fail. Returns the number of dropped causes, or panics after 10 s.
fn drops_within_ten_seconds<Fut: Future<Output = ()>>(
    capacity: usize,
    test: impl FnOnce(KeyedTokenCache<u32>) -> Fut + Send + 'static,
) -> u32 {
    let (done, drops) = mpsc::channel();
    // On another thread, because a deadlock would block the test for good.
    thread::spawn(move || {
        let (tokens, drops) = (Arc::new(OnceLock::new()), Arc::new(AtomicU32::new(0)));
        // The cause, the source and the cache own each other. The process of the test ends soon.
        let (shared, dropped) = (Arc::clone(&tokens), Arc::clone(&drops));
        let keyed = KeyedTokenCache::builder(move |key: &u32| {
            let (tokens, drops) = (Arc::clone(&shared), Arc::clone(&dropped));
            let fails = key % 2 == 1;
            Ok(move |_: AcquireContext| {
                let cause = Cause { tokens: Arc::clone(&tokens), drops: Arc::clone(&drops) };
                async move {
                    if fails {
                        return Err(Error::new(ErrorKind::Source).with_source(cause));
                    }
                    // Only causes of failures are counted.
                    std::mem::forget(cause);
                    Token::bearer("abc").map(|token| token.with_lifetime(HOUR))
                }
            })
        });
        assert!(tokens.set(keyed.capacity(capacity).build()).is_ok());
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(test(tokens.get().unwrap().clone()));
        done.send(drops.load(SeqCst)).unwrap();
    });
    drops.recv_timeout(Duration::from_secs(10)).expect("a destructor ran under the lock")
}

/// The use of another key drops idle caches, and later the backoff state of their keys.
#[test]
fn an_outdated_failure_is_dropped_without_the_lock() {
    let drops = drops_within_ten_seconds(100, |tokens| async move {
        tokens.get(&1).await.unwrap_err();
        for _ in 0..8 {
            tokio::time::sleep(HOUR / 4).await;
            tokens.cache(&2);
        }
    });
    assert_eq!(drops, 1);
}

/// The registry is pruned when it grows, and forgets the failures that are one too many.
#[test]
fn an_excess_failure_is_dropped_without_the_lock() {
    let drops = drops_within_ten_seconds(1, |tokens| async move {
        for key in 0..200 {
            let failed = tokens.get(&(2 * key + 1)).await;
            failed.unwrap_err();
        }
    });
    assert!(drops > 100, "{drops}");
}
