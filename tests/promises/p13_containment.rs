//! P13: external faults stay contained: an observer that panics, a setting of zero, a tenant whose
//! server hangs.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower_oauth2_client_credentials::{
    ErrorKind, Event, Token, TokenCache,
    cache::{Readiness, TokenCacheBuilder},
    event::EventKind,
    source::AcquireContext,
};

use crate::support::{Answer, Idp, failure, named, oauth, on_purpose, secs, settle, since, token};

/// Every cooldown and every wait is set to zero.
fn with_zeros(builder: TokenCacheBuilder) -> TokenCacheBuilder {
    const ZERO: Duration = Duration::ZERO;
    builder
        .cooldown(ZERO..=ZERO)
        .permanent_error_cooldown(ZERO)
        .retry_after_cap(ZERO)
        .retry_after_cap_with_token(ZERO)
        .rejection_interval(ZERO..=ZERO)
        .default_lifetime(ZERO)
        .leeway(ZERO)
        .rejected_token_wait(ZERO)
        .probe_wait(ZERO)
        .refresh_lead(0.0..=0.0)
        .first_refresh_lead(0.0..=0.0)
}

/// Calls of the source in 10 s, with continuous traffic.
async fn asked_in_ten_seconds(keep_warm: bool, answer: fn(usize) -> Answer) -> usize {
    let idp = Idp::new(move |asked| answer(asked.nth));
    let cache = with_zeros(idp.builder()).keep_warm(keep_warm).build();
    let start = Instant::now();
    while since(start) < 10.0 {
        if let Ok(token) = cache.get().await {
            cache.invalidate(&token);
        }
        sleep(secs(0.001)).await;
    }
    idp.count()
}

#[tokio::test(start_paused = true)]
async fn p13_no_setting_of_zero_removes_a_pause() {
    for keep_warm in [false, true] {
        for code in ["server_error", "invalid_client"] {
            let answer = match code {
                "server_error" => |_| failure(oauth("server_error")),
                _ => |_| failure(oauth("invalid_client")),
            };
            let asked = asked_in_ten_seconds(keep_warm, answer).await;
            assert!((50..=101).contains(&asked), "{code}: {asked} times");
        }
        // RejectionPolicy: three at once, and then at most one a second.
        let asked = asked_in_ten_seconds(keep_warm, |nth| token(nth, 86_400.0)).await;
        assert!((10..=14).contains(&asked), "rejections: {asked} times");
    }
}

#[tokio::test(start_paused = true)]
async fn p13_a_default_lifetime_of_zero_is_a_second() {
    let idp = Idp::new(|asked| Answer::of(Token::bearer(format!("t{}", asked.nth))));
    let cache = with_zeros(idp.builder()).keep_warm(true).build();
    cache.get().await.unwrap();
    sleep(secs(10.0)).await;
    assert!((10..=31).contains(&idp.count()), "{} times", idp.count());
}

#[tokio::test(start_paused = true)]
async fn p13_an_acquisition_timeout_of_zero_does_not_loop() {
    let idp = Idp::healthy(3600.0, 0.0);
    let cache =
        with_zeros(idp.builder()).acquisition_timeout(Duration::ZERO).keep_warm(true).build();
    let start = Instant::now();
    while since(start) < 10.0 {
        let _ = cache.get().await;
        sleep(secs(0.001)).await;
    }
    assert!(idp.count() <= 101, "{} times", idp.count());
}

#[tokio::test(start_paused = true)]
async fn p13_an_observer_that_panics_ends_nothing() {
    let idp = Idp::new(|asked| match asked.nth {
        3 => failure(oauth("server_error")),
        nth => token(nth, 100.0).after(0.1),
    });
    let events = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&events);
    let observer = move |_: &Event| {
        seen.fetch_add(1, SeqCst);
        on_purpose();
    };
    let cache = idp.builder().observer(observer).keep_warm(true).build();
    let waiters: Vec<_> = (0..10).map(|_| tokio::spawn(cache.get())).collect();
    for waiter in waiters {
        assert_eq!(waiter.await.unwrap().unwrap().secret(), "t1");
    }
    sleep(secs(1000.0)).await;
    assert!(idp.count() >= 10, "kept warm: {} acquisitions", idp.count());
    assert_eq!(cache.readiness(), Readiness::Ready);
    assert!(events.load(SeqCst) >= idp.count(), "each is still reported");
}

/// Events are emitted outside of the lock, after the waiters were notified.
#[tokio::test(start_paused = true)]
async fn p13_an_observer_may_call_the_cache() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 100.0),
        _ => failure(oauth("server_error")),
    });
    let cell: Arc<OnceLock<TokenCache>> = Arc::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (own, log) = (Arc::clone(&cell), Arc::clone(&seen));
    let cache = idp
        .builder()
        .observer(move |event| {
            let cache = own.get().unwrap();
            let current = cache.current().map(|token| token.secret().to_owned());
            cache.readiness();
            log.lock().unwrap().push(match event.kind() {
                EventKind::Acquired { .. } => (false, current),
                EventKind::AcquisitionFailed { .. } => (true, current),
                _ => return,
            });
        })
        .build();
    cell.set(cache.clone()).unwrap();
    cache.get().await.unwrap();
    cache.force_refresh().await.unwrap();
    settle().await;
    let t1 = Some("t1".to_owned());
    assert_eq!(*seen.lock().unwrap(), [(false, t1.clone()), (true, t1)]);
}

#[cfg(feature = "keyed")]
mod tenants {
    use tower_oauth2_client_credentials::KeyedTokenCache;

    use super::*;

    /// Tenants from 100 on are healthy. Of the others, the first response is an immediate error if
    /// `fails`, and all further ones never arrive.
    fn tenants(fails: bool) -> KeyedTokenCache<u32> {
        KeyedTokenCache::new(move |tenant: &u32| {
            let (tenant, asked) = (*tenant, AtomicUsize::new(0));
            Ok(move |_: AcquireContext| {
                let first = asked.fetch_add(1, SeqCst) == 0;
                async move {
                    if tenant < 100 && fails && first {
                        return Err(tower_oauth2_client_credentials::Error::new(ErrorKind::OAuth)
                            .with_oauth_code("server_error", None));
                    }
                    if tenant < 100 {
                        std::future::pending::<()>().await;
                    }
                    Token::bearer(format!("tenant-{tenant}"))
                }
            })
        })
    }

    #[tokio::test(start_paused = true)]
    async fn p13_tenants_whose_server_hangs_delay_a_healthy_one_by_a_fraction_of_a_second() {
        for (hanging, at_most) in [(16, 0.26), (96, 1.51)] {
            let tokens = tenants(false);
            for tenant in 0..hanging {
                tokio::spawn(tokens.get(&tenant));
            }
            settle().await;
            let start = Instant::now();
            tokens.get(&100).await.unwrap();
            assert!(since(start) <= at_most, "{hanging} hanging: {} s", since(start));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p13_tenants_that_failed_before_do_not_delay_a_healthy_one() {
        let tokens = tenants(true);
        for tenant in 0..64 {
            tokens.get(&tenant).await.unwrap_err();
        }
        sleep(secs(2.0)).await;
        for tenant in 0..64 {
            tokio::spawn(tokens.get(&tenant));
        }
        settle().await;
        let start = Instant::now();
        tokens.get(&100).await.unwrap();
        assert_eq!(since(start), 0.0);
    }
}

#[tokio::test(start_paused = true)]
async fn p6_a_cooldown_can_be_ended_manually_once_a_second() {
    let idp = Idp::new(|asked| match asked.nth {
        1 | 2 => failure(oauth("invalid_client")),
        _ => named("fixed", 3600.0),
    });
    let cache = idp.cache();
    assert!(!cache.end_cooldown(), "no cooldown is active");
    cache.get().await.unwrap_err();
    cache.get().await.unwrap_err();
    assert_eq!(idp.count(), 1, "it is in a cooldown");
    assert!(cache.end_cooldown());
    assert_eq!(idp.count(), 1, "the next request tries");
    cache.get().await.unwrap_err();
    assert_eq!(idp.count(), 2);
    for _ in 0..100 {
        assert!(!cache.end_cooldown());
        cache.get().await.unwrap_err();
    }
    assert_eq!(idp.count(), 2);
    sleep(secs(1.0)).await;
    assert!(cache.end_cooldown());
    assert_eq!(cache.get().await.unwrap().secret(), "fixed");
}

/// A million attempts without a backoff between them, as the settings say.
#[tokio::test(start_paused = true)]
async fn p13_retries_keep_a_pause() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let transport =
        tower::service_fn(move |_: tower_oauth2_client_credentials::transport::TokenRequest| {
            count.fetch_add(1, SeqCst);
            std::future::ready(Err::<http::Response<crate::support::Body>, _>("refused"))
        });
    let source = tower_oauth2_client_credentials::ClientCredentials::builder("https://idp.test")
        .client_secret_basic("id", "s3cret")
        .transport(transport)
        .attempts(1_000_000)
        .retry_base(Duration::ZERO)
        .build()
        .unwrap();
    source.into_cache().get().await.unwrap_err();
    let asked = asked.load(SeqCst);
    assert!((5..=30).contains(&asked), "{asked} times");
}

/// No request arrives, and no timer is due earlier.
#[tokio::test(start_paused = true)]
async fn p6_ending_a_cooldown_lets_a_cache_that_is_kept_warm_try_at_once() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => failure(oauth("invalid_client")),
        _ => named("fixed", 3600.0),
    });
    let cache = idp.builder().keep_warm(true).build();
    cache.get().await.unwrap_err();
    settle().await;
    assert!(cache.end_cooldown());
    settle().await;
    assert_eq!((idp.count(), cache.readiness()), (2, Readiness::Ready));
}
