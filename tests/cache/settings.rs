//! Each setting of a cache has its documented effect, with a value other than its default.

use std::sync::{Arc, Mutex};

use tokio::time::{Instant, advance, sleep};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Event, Token, TokenCache,
    cache::TokenCacheBuilder,
    event::{AcquisitionReason, EventKind},
    source::AcquireContext,
};

use crate::support::{
    Answer, Api, Idp, call, failure, layered, oauth, poll_once, rejection, secs, settle, since,
    throttled, token,
};

/// The time in seconds after which a token is no longer current, without requests in between.
async fn lives(builder: TokenCacheBuilder) -> f64 {
    let cache = builder.build();
    cache.get().await.unwrap();
    let start = Instant::now();
    while cache.readiness().has_token() {
        advance(secs(0.25)).await;
    }
    since(start)
}

#[tokio::test(start_paused = true)]
async fn default_lifetime_is_that_of_a_token_without_one() {
    let idp = Idp::new(|_| Answer::of(Token::bearer("abc")));
    let lives = lives(idp.builder().default_lifetime(secs(100.0))).await;
    assert_eq!(lives, 90.0);
}

#[tokio::test(start_paused = true)]
async fn leeway_is_the_time_before_the_end_up_to_a_tenth() {
    for (leeway, expected) in [(2.0, 98.0), (0.0, 100.0), (20.0, 90.0)] {
        let idp = Idp::healthy(100.0, 0.0);
        assert_eq!(lives(idp.builder().leeway(secs(leeway))).await, expected, "{leeway}");
    }
}

/// The time of the refresh, in seconds after the first token arrived.
async fn refreshes(builder: TokenCacheBuilder, idp: &Idp, step: f64) -> f64 {
    let cache = builder.build();
    cache.get().await.unwrap();
    let start = Instant::now();
    while idp.count() == 1 {
        advance(secs(step)).await;
        cache.current();
        settle().await;
    }
    since(start)
}

#[tokio::test(start_paused = true)]
async fn refresh_leads_are_shares_of_the_lifetime() {
    let idp = Idp::healthy(1000.0, 0.0);
    let at = refreshes(idp.builder().first_refresh_lead(0.5..=0.5), &idp, 0.5).await;
    assert_eq!(at, 970.0 - 500.0);

    let idp = Idp::healthy(1000.0, 0.0);
    let cache = idp.builder().first_refresh_lead(0.15..=0.15).refresh_lead(0.4..=0.4).build();
    cache.get().await.unwrap();
    cache.force_refresh().await.unwrap();
    let start = Instant::now();
    while idp.count() == 2 {
        advance(secs(0.5)).await;
        cache.current();
        settle().await;
    }
    assert_eq!(since(start), 970.0 - 400.0);
}

#[tokio::test(start_paused = true)]
async fn suspect_wait_is_how_long_others_wait_for_a_replacement() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 3600.0),
        _ => Answer::never(),
    });
    let cache = idp.builder().rejected_token_wait(secs(3.0)).build();
    let first = cache.get().await.unwrap();
    cache.invalidate(&first);
    let start = Instant::now();
    call(&layered(&cache, Api::ok())).await.unwrap();
    assert_eq!(since(start).round(), 3.0);
}

#[tokio::test(start_paused = true)]
async fn probe_wait_is_how_long_others_wait_for_a_probe() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => failure(oauth("server_error")),
        _ => Answer::never(),
    });
    let cache = idp.builder().probe_wait(secs(4.0)).build();
    cache.get().await.unwrap_err();
    sleep(secs(2.0)).await;
    let mut probe = Box::pin(cache.get());
    assert!(poll_once(&mut probe).await.is_pending());
    let start = Instant::now();
    assert_eq!(cache.get().await.unwrap_err().code(), "server_error");
    assert_eq!(since(start).round(), 4.0);
}

#[tokio::test(start_paused = true)]
async fn waits_and_acquisitions_end_at_their_timeouts() {
    let idp = Idp::new(|_| Answer::never());
    let cache = idp.builder().wait_timeout(secs(2.0)).acquisition_timeout(secs(7.0)).build();
    let start = Instant::now();
    assert_eq!(cache.get().await.unwrap_err().kind(), ErrorKind::WaitTimeout);
    assert_eq!(since(start).round(), 2.0);
    let cache = idp.builder().acquisition_timeout(secs(7.0)).build();
    let start = Instant::now();
    assert_eq!(cache.get().await.unwrap_err().kind(), ErrorKind::AcquisitionTimeout);
    assert_eq!(since(start).round(), 7.0);
}

/// The time of the next attempt after one failure, in seconds.
async fn cooldown(builder: TokenCacheBuilder) -> f64 {
    let error = builder.build().get().await.unwrap_err();
    error.next_attempt_in().unwrap().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn cooldowns_begin_where_they_are_set_to() {
    let failing = |error: Error| Idp::new(move |_| failure(error.clone())).builder();
    let server = cooldown(failing(oauth("server_error")).cooldown(secs(7.0)..=secs(9.0))).await;
    assert!((7.0..=8.75).contains(&server), "{server}");
    let permanent = failing(oauth("invalid_client")).permanent_error_cooldown(secs(5.0));
    let permanent = cooldown(permanent).await;
    assert!((5.0..=6.25).contains(&permanent), "{permanent}");
}

#[tokio::test(start_paused = true)]
async fn each_cap_of_retry_after_applies_in_its_case() {
    let builder = |idp: &Idp| {
        idp.builder().retry_after_cap(secs(40.0)).retry_after_cap_with_token(secs(90.0))
    };
    let without = cooldown(builder(&Idp::new(|_| throttled(1e6)))).await;
    assert_eq!(without, 40.0);

    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 86_400.0),
        _ => throttled(1e6),
    });
    let pauses: Arc<Mutex<Vec<f64>>> = Arc::default();
    let log = Arc::clone(&pauses);
    let observer = move |event: &Event| {
        if let EventKind::AcquisitionFailed { next_attempt_in, .. } = event.kind() {
            log.lock().unwrap().push(next_attempt_in.as_secs_f64());
        }
    };
    let cache = builder(&idp).observer(observer).build();
    cache.get().await.unwrap();
    cache.force_refresh().await.unwrap();
    assert_eq!(*pauses.lock().unwrap(), [90.0]);
}

/// Instances that got their tokens together do not refresh together.
#[tokio::test(start_paused = true)]
async fn the_refreshes_and_cooldowns_of_a_hundred_caches_spread() {
    let (mut refreshes_at, mut cooldowns) = (Vec::new(), Vec::new());
    for _ in 0..100 {
        let idp = Idp::healthy(1000.0, 0.0);
        refreshes_at.push(refreshes(idp.builder(), &idp, 4.0).await);
        cooldowns.push(cooldown(Idp::new(|_| failure(oauth("server_error"))).builder()).await);
    }
    for (values, low, high) in [(&mut refreshes_at, 370.0, 824.0), (&mut cooldowns, 1.0, 1.25)] {
        values.sort_by(f64::total_cmp);
        let (least, most) = (values[0], values[99]);
        assert!(least >= low && most <= high, "{least} to {most}");
        assert!(most - least > 0.7 * (high - low), "{least} to {most}");
        values.dedup();
        assert!(values.len() > 50, "{} different ones", values.len());
    }
}

/// A future that is created early and polled late waits from its first poll.
#[tokio::test(start_paused = true)]
async fn p3_a_waiters_deadline_counts_from_its_first_poll() {
    let idp = Idp::new(|_| Answer::never());
    let cache = idp.builder().wait_timeout(secs(5.0)).build();
    let get = cache.get();
    advance(secs(60.0)).await;
    let start = Instant::now();
    assert_eq!(get.await.unwrap_err().kind(), ErrorKind::WaitTimeout);
    assert_eq!(since(start).round(), 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_is_reported_with_what_remained_of_the_old_token() {
    let idp = Idp::healthy(1000.0, 0.0);
    let remained: Arc<Mutex<Vec<f64>>> = Arc::default();
    let log = Arc::clone(&remained);
    let observer = move |event: &Event| {
        if let EventKind::Refreshed { remaining, .. } = event.kind() {
            log.lock().unwrap().push(remaining.as_secs_f64());
        }
    };
    let builder = idp.builder().first_refresh_lead(0.2..=0.2).observer(observer);
    refreshes(builder, &idp, 0.5).await;
    settle().await;
    let remained = remained.lock().unwrap();
    assert!(matches!(remained[..], [left] if (199.0..=200.0).contains(&left)), "{remained:?}");
}

/// Two caches over one source that can invalidate its tokens: both are notified.
#[tokio::test(start_paused = true)]
async fn a_source_invalidates_the_tokens_of_all_its_caches() {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<tower_oauth2_client_credentials::source::CacheHandle>>>);

    impl tower_oauth2_client_credentials::TokenSource for Shared {
        async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
            Token::bearer("bound")
        }

        fn attach(&self, handle: tower_oauth2_client_credentials::source::CacheHandle) {
            self.0.lock().unwrap().push(handle);
        }
    }

    let source = Shared::default();
    let caches = [(); 3].map(|()| TokenCache::new(source.clone()));
    for cache in &caches {
        cache.get().await.unwrap();
    }
    source.0.lock().unwrap().iter().for_each(|handle| handle.clear());
    assert!(caches.iter().all(|cache| cache.current().is_none()));
}

/// The last instant of a token, and the first one after it.
#[tokio::test(start_paused = true)]
async fn p5_a_token_is_used_until_its_expiry_and_not_at_it() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 100.0),
        _ => failure(oauth("server_error")),
    });
    let cache = idp.cache();
    cache.get().await.unwrap();
    advance(secs(90.0) - std::time::Duration::from_nanos(1)).await;
    assert!(cache.current().is_some());
    advance(std::time::Duration::from_nanos(1)).await;
    assert!(cache.current().is_none());
}

#[test]
fn reasons_have_the_names_that_events_show() {
    let names = [
        AcquisitionReason::Missing,
        AcquisitionReason::Refresh,
        AcquisitionReason::Rejected,
        AcquisitionReason::Forced,
    ]
    .map(|reason| reason.as_str());
    assert_eq!(names, ["missing", "refresh", "rejected", "forced"]);
}

#[cfg(feature = "keyed")]
#[tokio::test(start_paused = true)]
async fn a_keyed_cache_is_empty_until_a_key_is_asked_for() {
    let tokens = tower_oauth2_client_credentials::KeyedTokenCache::new(|_: &u8| {
        Ok(|_: AcquireContext| async { Token::bearer("abc") })
    });
    assert!(tokens.is_empty());
    assert_eq!(tokens.len(), 0);
    tokens.get(&1).await.unwrap();
    assert!(!tokens.is_empty() && tokens.len() == 1);
}

/// The API's response to a rejected request is unchanged.
#[tokio::test(start_paused = true)]
async fn rejection_interval_is_the_time_after_the_third_acquisition() {
    let idp = Idp::healthy(86_400.0, 0.0);
    let cache = idp.builder().rejection_interval(secs(20.0)..=secs(30.0)).build();
    let client = layered(&cache, Api::new(|_| rejection()));
    let start = Instant::now();
    while since(start) < 100.0 {
        assert_eq!(call(&client).await.unwrap(), 401);
        sleep(secs(0.25)).await;
    }
    let times: Vec<_> = idp.times(start)[3..].iter().map(|at| at.round()).collect();
    let apart: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(apart, [20.0, 30.0, 30.0], "{times:?}");
}
