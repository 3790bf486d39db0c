//! P7: the events that rejections cause.

use std::sync::{Arc, Mutex};

use tokio::time::{Instant, sleep};
use tower_oauth2_client_credentials::{
    Event, TokenCache,
    event::{EventKind, RejectionAction},
};

use crate::support::{
    Api, Idp, call, failure, layered, oauth, rejection, secs, settle, since, token,
};

/// A cache, and its events about rejections and failures.
fn told(idp: &Idp) -> (TokenCache, Arc<Mutex<Vec<&'static str>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&told);
    let observer = move |event: &Event| {
        log.lock().unwrap().push(match event.kind() {
            EventKind::AcquisitionFailed { .. } => "failed",
            EventKind::Rejected { action, .. } => match action {
                RejectionAction::Acquiring => "acquiring",
                RejectionAction::Joined => "joined",
                RejectionAction::CoolingDown { .. } => "cooling down",
                RejectionAction::BudgetExhausted { .. } => "too soon",
                _ => "otherwise",
            },
            _ => return,
        });
    };
    (idp.builder().observer(observer).build(), told)
}

/// Fresh tokens are not blamed before one was tried. The acquisition for a rejection may have
/// failed, or may wait for another failure's cooldown.
#[tokio::test(start_paused = true)]
async fn p7_no_event_speaks_of_fresh_tokens_before_one_was_rejected() {
    for (starts_bad_at, expected) in [
        (0.0, &["acquiring", "failed", "joined", "acquiring", "acquiring", "too soon"][..]),
        (80.0, &["failed", "cooling down", "joined", "acquiring", "acquiring", "too soon"]),
    ] {
        let idp = Idp::new(|asked| match asked.nth {
            2 => failure(oauth("server_error")).after(0.1),
            nth => token(nth, 100.0).after(0.1),
        });
        let (cache, told) = told(&idp);
        cache.warm_up().await.unwrap();
        let start = Instant::now();
        let client = layered(&cache, Api::new(|_| rejection()));
        // The scheduled refresh is due by then, and fails.
        sleep(secs(starts_bad_at)).await;
        if starts_bad_at > 0.0 {
            cache.get().await.unwrap();
            sleep(secs(0.2)).await;
        }
        while since(start) < starts_bad_at + 10.0 {
            assert_eq!(call(&client).await.unwrap(), 401);
            sleep(secs(0.2)).await;
        }
        assert_eq!(*told.lock().unwrap(), expected);
        assert_eq!(idp.count(), 5);
    }
}

/// A forced refresh that failed does not suppress events about rejections.
#[tokio::test(start_paused = true)]
async fn p7_a_rejection_after_a_failed_forced_refresh_is_reported() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, 86_400.0).after(0.1),
        _ => failure(oauth("server_error")).after(0.1),
    });
    let (cache, told) = told(&idp);
    let first = cache.get().await.unwrap();
    assert_eq!(cache.force_refresh().await.unwrap().secret(), "t1");
    (0..10).for_each(|_| cache.invalidate(&first));
    assert_eq!(*told.lock().unwrap(), ["failed", "cooling down"]);
}

/// The operator's events while callers get their 401s: one for each series.
#[tokio::test(start_paused = true)]
async fn p7_an_event_says_that_this_api_rejects_fresh_tokens() {
    let idp = Idp::healthy(86_400.0, 0.1);
    let events = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&events);
    let cache = idp
        .builder()
        .observer(move |event| {
            if let EventKind::Rejected { action, .. } = event.kind() {
                log.lock().unwrap().push(*action);
            }
        })
        .build();
    let client = layered(&cache, Api::new(|_| rejection()));
    for _ in 0..100 {
        call(&client).await.unwrap();
        sleep(secs(0.2)).await;
    }
    settle().await;
    let events = events.lock().unwrap();
    let [first @ .., RejectionAction::BudgetExhausted { next_in }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(first, [RejectionAction::Acquiring; 3]);
    assert!((59.0..=60.0).contains(&next_in.as_secs_f64()), "{next_in:?}");
}

/// A token whose refresh a suspend moved, or a dropped token that was rejected, did not reach its
/// scheduled refresh unrejected.
#[tokio::test(start_paused = true)]
async fn p7_a_suspend_or_a_dropped_rejected_token_does_not_refill_the_budget() {
    for suspends in [true, false] {
        let idp = Idp::healthy(1000.0, 0.0);
        let (start, suspended) = (Instant::now(), Arc::new(Mutex::new(secs(0.0))));
        let by = Arc::clone(&suspended);
        let wall = move || {
            let started = std::time::SystemTime::UNIX_EPOCH + secs(1.8e9);
            started + *by.lock().unwrap() + start.elapsed()
        };
        let cache = idp.builder().wall_clock(wall).build();
        cache.get().await.unwrap();
        for _ in 0..3 {
            let token = cache.get().await.unwrap();
            cache.replacement(&token).await.unwrap();
        }
        assert_eq!(idp.count(), 4, "the budget is used up");
        if suspends {
            *suspended.lock().unwrap() = secs(850.0);
        } else {
            let token = cache.get().await.unwrap();
            assert!(cache.replacement(&token).await.is_none());
            tokio::time::advance(secs(850.0)).await;
            cache.clear();
        }
        cache.get().await.unwrap();
        settle().await;
        assert_eq!(idp.count(), 5, "it is replaced as the schedule has it");
        for _ in 0..3 {
            let token = cache.get().await.unwrap();
            drop(cache.replacement(&token).await);
        }
        // After 850 s one more acquisition is due.
        assert_eq!(idp.count(), if suspends { 5 } else { 6 }, "suspends: {suspends}");
    }
}
