use http::StatusCode;

use super::*;
use crate::error::Problem;

/// The count of failures and the cooldown in seconds, of one error after another.
fn after_each(kinds: &[Problem], draw: f64) -> Vec<(u32, f64)> {
    let now = Instant::now();
    let mut cooldown = None;
    let after = kinds.iter().map(|kind| {
        let error = Error::of(*kind);
        let error = if *kind == Problem::Overloaded { error.with_not_started() } else { error };
        let next = FailureBackoff::after(
            cooldown.as_ref().map_or(0, |it: &FailureBackoff| it.failures),
            error,
            now,
            draw,
            &BackoffSettings::default(),
        );
        let pause = (next.until(false) - now).as_secs_f64();
        let failures = next.failures;
        cooldown = Some(next);
        (failures, pause)
    });
    after.collect()
}

fn pauses(kind: Problem, draw: f64) -> Vec<f64> {
    after_each(&[kind; 9], draw).into_iter().map(|(_, pause)| pause).collect()
}

#[test]
fn a_cooldown_doubles_from_one_second_to_sixty_with_a_quarter_of_jitter() {
    let kind = Problem::ServerError;
    assert_eq!(pauses(kind, 0.0), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
    assert_eq!(pauses(kind, 1.0), [1.25, 2.5, 5.0, 10.0, 20.0, 40.0, 75.0, 75.0, 75.0]);
}

#[test]
fn overload_does_not_count_as_a_failure() {
    assert_eq!(pauses(Problem::Overloaded, 0.0), [1.0; 9]);
}

/// A source may return the error of another cache.
#[test]
fn an_error_of_the_kind_overloaded_counts_if_the_source_was_called() {
    let settings = BackoffSettings::default();
    let error = Error::of(Problem::Overloaded).with_not_started();
    let now = Instant::now();
    let own = FailureBackoff::after(0, error, now, 0.0, &settings);
    let passed_on = FailureBackoff::after(own.failures, own.remembered(now), now, 0.0, &settings);
    let passed_on =
        FailureBackoff::after(passed_on.failures, own.error.clone(), now, 0.0, &settings);
    assert_eq!((own.failures, passed_on.failures), (0, 2));
    assert_eq!(passed_on.until(false) - now, Duration::from_secs(2));
}

#[test]
fn a_permanent_error_after_overload_begins_at_thirty_seconds() {
    let after = after_each(&[Problem::Overloaded, Problem::InvalidClient], 0.0);
    assert_eq!(after, [(0, 1.0), (1, 30.0)]);
}

#[test]
fn overload_keeps_the_count_of_failures() {
    use Problem::{Overloaded, ServerError};
    let after = after_each(&[ServerError, ServerError, Overloaded, ServerError], 0.0);
    assert_eq!(after, [(1, 1.0), (2, 2.0), (2, 1.0), (3, 4.0)]);
}

#[test]
fn permanent_errors_begin_at_thirty_seconds() {
    assert_eq!(pauses(Problem::InvalidClient, 0.0)[..4], [30.0, 60.0, 60.0, 60.0]);
}

#[test]
fn retry_after_counts_if_longer_up_to_its_cap() {
    let now = Instant::now();
    let after = |secs| {
        let error = Error::of(Problem::RateLimited)
            .with_status(StatusCode::TOO_MANY_REQUESTS)
            .with_retry_after(Some(Duration::from_secs(secs)));
        let cooldown = FailureBackoff::after(0, error, now, 0.0, &BackoffSettings::default());
        [false, true].map(|with_token| (cooldown.until(with_token) - now).as_secs())
    };
    assert_eq!(after(0), [1, 1]);
    assert_eq!(after(7), [7, 7]);
    assert_eq!(after(1000), [300, 1000]);
    assert_eq!(after(u64::MAX), [300, 3600]);
}

#[test]
fn a_thousand_failures_do_not_overflow() {
    let now = Instant::now();
    let mut cooldown: Option<FailureBackoff> = None;
    for _ in 0..1000 {
        let error = Error::of(Problem::Transport);
        cooldown = Some(FailureBackoff::after(
            cooldown.as_ref().map_or(0, |it: &FailureBackoff| it.failures),
            error,
            now,
            0.5,
            &BackoffSettings::default(),
        ));
    }
    assert_eq!(cooldown.unwrap().until(false), now + Duration::from_millis(67_500));
}

/// Takes what the budget allows, each as soon as possible: the waits in seconds.
fn waits(budget: &mut RejectionBudget, now: &mut Instant, count: usize) -> Vec<u64> {
    let settings = BackoffSettings::default();
    let mut wait = || {
        budget.record_rejection(*now);
        let wait = budget.wait(*now, &settings);
        // A rejection every second in between.
        for _ in 0..wait.as_secs() {
            assert!(!budget.wait(*now, &settings).is_zero());
            *now += Duration::from_secs(1);
            budget.record_rejection(*now);
        }
        assert!(budget.wait(*now, &settings).is_zero());
        budget.take(*now);
        wait.as_secs()
    };
    (0..count).map(|_| wait()).collect()
}

#[test]
fn the_rejection_budget_is_three_at_once_then_one_after_a_minute_up_to_ten() {
    let (mut now, mut budget) = (Instant::now(), RejectionBudget::default());
    let waits = waits(&mut budget, &mut now, 10);
    assert_eq!(waits, [0, 0, 0, 60, 120, 240, 480, 600, 600, 600]);
}

#[test]
fn the_rejection_budget_is_full_after_thirty_minutes_without_a_rejection_and_no_sooner() {
    for (quiet, expected) in [(1799, [0, 480, 600, 600]), (1800, [0, 0, 0, 60])] {
        let (mut now, mut budget) = (Instant::now(), RejectionBudget::default());
        assert_eq!(waits(&mut budget, &mut now, 5), [0, 0, 0, 60, 120]);
        now += Duration::from_secs(quiet);
        assert_eq!(waits(&mut budget, &mut now, 4), expected, "{quiet} s");
    }
}

#[test]
fn an_acquisition_that_is_refunded_does_not_count() {
    let (mut now, mut budget) = (Instant::now(), RejectionBudget::default());
    let settings = BackoffSettings::default();
    assert_eq!(waits(&mut budget, &mut now, 4), [0, 0, 0, 60]);
    now += Duration::from_secs(130);
    budget.take(now);
    budget.refund();
    assert!(budget.wait(now, &settings).is_zero(), "120 s after the last that counts");
    now += Duration::from_secs(20);
    budget.take(now);
    assert_eq!(budget.wait(now, &settings), Duration::from_secs(240));
}

#[cfg(feature = "keyed")]
#[test]
fn a_state_is_kept_until_none_of_its_parts_can_delay_an_acquisition() {
    let (now, settings) = (Instant::now(), BackoffSettings::default());
    let second = Duration::from_secs(1);
    let error = Error::of(Problem::ServerError);
    let failure = FailureBackoff::after(0, error, now, 0.0, &settings);
    let mut budget = RejectionBudget::default();
    budget.record_rejection(now);
    let failed = BackoffState { failure: Some(Arc::new(failure)), ..BackoffState::default() };
    assert_eq!(failed.forget_at(&settings), Some(now + 61 * second), "1 s of cooldown and 60 s");
    let rejected = BackoffState { budget, ..failed.clone() };
    assert_eq!(rejected.forget_at(&settings), Some(now + 1800 * second));
    let not_before = Some(now + 2000 * second);
    let expired = BackoffState { not_before, ..rejected };
    assert_eq!(expired.forget_at(&settings), not_before);
    assert_eq!(BackoffState::default().forget_at(&settings), None);
}

#[cfg(feature = "keyed")]
#[test]
fn a_state_is_empty_if_none_of_its_parts_is_set() {
    let now = Instant::now();
    let error = Error::of(Problem::ServerError);
    let failure = FailureBackoff::after(0, error, now, 0.0, &BackoffSettings::default());
    let mut budget = RejectionBudget::default();
    budget.take(now);
    assert!(BackoffState::default().is_empty());
    let failed = BackoffState { failure: Some(Arc::new(failure)), ..BackoffState::default() };
    let counted = BackoffState { budget, ..BackoffState::default() };
    let postponed = BackoffState { not_before: Some(now), ..BackoffState::default() };
    assert!(![failed, counted, postponed].iter().any(BackoffState::is_empty));
}

#[test]
fn an_acquisition_that_starts_late_counts_once_and_from_its_start() {
    let (mut now, mut budget) = (Instant::now(), RejectionBudget::default());
    let settings = BackoffSettings::default();
    assert_eq!(waits(&mut budget, &mut now, 3), [0, 0, 0]);
    now += Duration::from_secs(50);
    budget.restart_last(now);
    assert_eq!(budget.wait(now, &settings), Duration::from_secs(60));
}
