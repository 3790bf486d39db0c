//! P3: every waiter finishes with a token, a shared error, or at its own deadline. This file uses
//! one runtime; `p03_runtimes` uses several.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::{task::JoinSet, time::Instant};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Token, TokenCache, source::AcquireContext,
};

use crate::support::{
    Answer, Api, Idp, call, failure, layered, oauth, on_purpose, secs, since, token,
};

/// The first call of a source panics in the way of the closure. Later calls succeed.
fn panicking<F, Fut>(first: F) -> (TokenCache, Arc<AtomicUsize>)
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    struct Source<F>(F, Arc<AtomicUsize>);
    impl<F, Fut> tower_oauth2_client_credentials::TokenSource for Source<F>
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send,
    {
        fn acquire(&self, _: AcquireContext) -> impl Future<Output = Result<Token, Error>> + Send {
            let panics = (self.1.fetch_add(1, SeqCst) == 0).then(|| (self.0)());
            async move {
                if let Some(panics) = panics {
                    panics.await;
                }
                Ok(Token::bearer("abc")?.with_lifetime(secs(3600.0)))
            }
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    (TokenCache::new(Source(first, Arc::clone(&asked))), asked)
}

async fn all_share(cache: &TokenCache, kind: ErrorKind) {
    let mut waiters = JoinSet::new();
    for _ in 0..100 {
        waiters.spawn(cache.get());
    }
    while let Some(done) = waiters.join_next().await {
        assert_eq!(done.unwrap().unwrap_err().kind(), kind);
    }
}

async fn panic_is_a_shared_failure(cache: TokenCache, asked: Arc<AtomicUsize>) {
    all_share(&cache, ErrorKind::Panicked).await;
    assert_eq!(asked.load(SeqCst), 1);
    let remembered = cache.get().await.unwrap_err();
    assert!(remembered.next_attempt_in().is_some(), "a panic is a failure like others");
    tokio::time::sleep(secs(1.3)).await;
    assert_eq!(cache.get().await.unwrap().secret(), "abc");
    assert_eq!(asked.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn p3_a_source_that_panics_before_its_future_is_a_shared_failure() {
    // The annotation names the future's type.
    let (cache, asked) = panicking(|| -> std::future::Ready<()> { on_purpose() });
    panic_is_a_shared_failure(cache, asked).await;
}

#[tokio::test(start_paused = true)]
async fn p3_a_source_that_panics_in_its_future_is_a_shared_failure() {
    let (cache, asked) = panicking(|| async {
        tokio::time::sleep(secs(0.1)).await;
        on_purpose();
    });
    panic_is_a_shared_failure(cache, asked).await;
}

/// Such a future panics when it is dropped: when it completes, or when `acquisition_timeout` ends
/// it.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            on_purpose();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p3_a_source_that_panics_at_its_bound_is_a_shared_failure() {
    let (cache, asked) = panicking(|| async {
        let _bomb = PanicsWhenDropped;
        std::future::pending::<()>().await;
    });
    let start = Instant::now();
    all_share(&cache, ErrorKind::AcquisitionTimeout).await;
    assert_eq!((since(start).round(), asked.load(SeqCst)), (25.0, 1));
    tokio::time::sleep(secs(1.3)).await;
    assert_eq!(cache.get().await.unwrap().secret(), "abc");
}

#[tokio::test(start_paused = true)]
async fn p3_a_source_that_panics_when_it_is_done_does_not_start_a_storm() {
    struct Bomb(Arc<AtomicUsize>);
    impl Future for Bomb {
        type Output = Result<Token, Error>;
        fn poll(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Self::Output> {
            self.0.fetch_add(1, SeqCst);
            std::task::Poll::Ready(Ok(Token::bearer("abc")?.with_lifetime(secs(3600.0))))
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            on_purpose();
        }
    }
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let cache = TokenCache::new(move |_: AcquireContext| Bomb(Arc::clone(&counted)));
    let result = cache.get().await;
    assert_eq!(asked.load(SeqCst), 1, "{result:?}");
    assert!(result.is_ok_and(|token| token.secret() == "abc"));
}

/// The acquisition is bounded at 25 s, for all its waiters.
#[tokio::test(start_paused = true)]
async fn p3_a_source_that_never_completes_fails_for_all_at_its_bound() {
    let start = Instant::now();
    let idp = Idp::new(|_| Answer::never());
    all_share(&idp.cache(), ErrorKind::AcquisitionTimeout).await;
    assert_eq!(since(start).round(), 25.0);
    assert_eq!(idp.count(), 1);
}

/// A waiter's own deadline is 30 s from the start of its wait, for any `acquisition_timeout`.
#[tokio::test(start_paused = true)]
async fn p3_a_waiter_ends_at_its_own_deadline() {
    let idp = Idp::new(|asked| token(asked.nth, 3600.0).after(100.0));
    let cache = idp.builder().acquisition_timeout(secs(120.0)).build();
    let client = layered(&cache, Api::ok());
    let mut waiters = JoinSet::new();
    for nth in 0..10 {
        let (cache, client) = (cache.clone(), client.clone());
        waiters.spawn(async move {
            tokio::time::sleep(secs(f64::from(nth))).await;
            let start = Instant::now();
            let error = match nth % 2 {
                0 => cache.get().await.unwrap_err(),
                _ => *call(&client).await.unwrap_err().downcast::<Error>().unwrap(),
            };
            assert_eq!(error.kind(), ErrorKind::WaitTimeout);
            assert!(error.is_timeout());
            assert_eq!(since(start).round(), 30.0);
        });
    }
    while let Some(done) = waiters.join_next().await {
        done.unwrap();
    }
    assert_eq!(idp.count(), 1);
    tokio::time::sleep(secs(70.0)).await;
    assert_eq!(cache.current().unwrap().secret(), "t1", "the acquisition went on");
}

/// Acquisitions that end without a result, or with tokens that expire before they are seen, one
/// after another. The deadline counts for the whole request, not for each acquisition.
#[tokio::test(start_paused = true)]
async fn p3_one_deadline_covers_all_acquisitions_of_a_waiter() {
    let idp = Idp::new(|_| Answer::never());
    let cache = idp.builder().acquisition_timeout(secs(7.0)).wait_timeout(secs(30.0)).build();
    let start = Instant::now();
    let error = cache.get().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AcquisitionTimeout);
    assert_eq!(since(start).round(), 7.0);
}

/// Many waiters start and are dropped at random, with a source that answers, fails, hangs and
/// panics.
#[tokio::test(start_paused = true)]
async fn p3_every_waiter_ends_under_random_faults() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let script: Vec<u8> = (0..64).map(|_| random.u8(0..6)).collect();
        let idp = Idp::new(move |asked| match script[asked.nth % 64] {
            0 => Answer::never(),
            1 => on_purpose(),
            2 => failure(oauth("server_error")).after(0.2),
            3 => token(asked.nth, 0.0).after(0.3),
            4 => token(asked.nth, 1.0).after(2.0),
            _ => token(asked.nth, 3.0).after(0.1),
        });
        let cache = idp.cache();
        let mut waiters = JoinSet::new();
        for nth in 0..300_u64 {
            let cache = cache.clone();
            waiters.spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed * 1000 + nth);
                tokio::time::sleep(secs(random.f64() * 120.0)).await;
                let start = Instant::now();
                let waited = cache.get();
                if random.u8(0..4) == 0 {
                    let _ = tokio::time::timeout(secs(random.f64() * 5.0), waited).await;
                } else {
                    let _ = waited.await;
                }
                assert!(since(start) < 30.01, "seed {seed}: {}", since(start));
            });
        }
        while let Some(done) = waiters.join_next().await {
            done.unwrap();
        }
        assert_eq!(idp.most_at_once(), 1);
    }
}

/// A caller that waits for another token continues with the cached one.
#[tokio::test(start_paused = true)]
async fn p3_a_forced_refresh_that_takes_too_long_ends_with_the_valid_token() {
    let idp = Idp::new(|asked| token(asked.nth, 86_400.0).after(10.0 * asked.nth as f64));
    let cache = idp.builder().wait_timeout(secs(15.0)).build();
    cache.warm_up().await.unwrap();
    let start = Instant::now();
    assert_eq!(cache.force_refresh().await.unwrap().secret(), "t1");
    assert_eq!(since(start), 15.0);
}
