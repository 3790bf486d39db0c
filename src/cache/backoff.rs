//! How long to leave the token endpoint alone after failures, and the budget of acquisitions that
//! rejections cause.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::{Error, ErrorKind};

/// The settings of both; each default is defended in [`defaults`](crate::docs::defaults).
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    pub(super) cooldown: (Duration, Duration),
    pub(super) terminal_cooldown: Duration,
    pub(super) retry_after_cap: Duration,
    pub(super) retry_after_cap_with_token: Duration,
    pub(super) rejection_interval: (Duration, Duration),
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            cooldown: (Duration::from_secs(1), Duration::from_secs(60)),
            terminal_cooldown: Duration::from_secs(30),
            retry_after_cap: Duration::from_secs(5 * 60),
            retry_after_cap_with_token: Duration::from_secs(60 * 60),
            rejection_interval: (Duration::from_secs(60), Duration::from_secs(10 * 60)),
        }
    }
}

/// The pause after failed acquisitions. A success forgets it.
#[derive(Clone, Debug)]
pub(super) struct Cooldown {
    pub(super) failures: u32,
    pub(super) error: Error,
    /// The end of the pause for requests that have no token.
    until: Instant,
    /// The end of the pause while a valid token is at hand: a long `Retry-After` costs nothing
    /// then.
    until_with_token: Instant,
}

impl Cooldown {
    /// After one more failure; `draw` is uniform in `[0, 1)`.
    pub(super) fn after(
        previous: Option<&Self>,
        error: Error,
        now: Instant,
        draw: f64,
        settings: &Backoff,
    ) -> Self {
        let before = previous.map_or(0, |previous| previous.failures);
        // That there was no turn says nothing of the server.
        let crowded = error.kind() == ErrorKind::Crowded;
        let failures = if crowded { before } else { before.saturating_add(1) };
        let (first, most) = settings.cooldown;
        let mut pause = doubled(first, if crowded { 0 } else { failures - 1 }, most);
        if error.is_terminal() {
            pause = pause.max(doubled(settings.terminal_cooldown, failures - 1, most));
        }
        let pause = pause.mul_f64(1.0 + 0.25 * draw);
        let asked = error.retry_after().unwrap_or_default();
        Self {
            failures,
            error,
            until: now + pause.max(asked.min(settings.retry_after_cap)),
            until_with_token: now + pause.max(asked.min(settings.retry_after_cap_with_token)),
        }
    }

    /// The next attempt may be made now.
    pub(super) fn end(&mut self, now: Instant) {
        self.until = self.until.min(now);
        self.until_with_token = self.until_with_token.min(now);
    }

    pub(super) fn until(&self, with_token: bool) -> Instant {
        if with_token { self.until_with_token } else { self.until }
    }

    /// The remembered failure, with when the next attempt is due.
    pub(super) fn remembered(&self, now: Instant) -> Error {
        self.error.clone().with_next_attempt_in(self.until.saturating_duration_since(now))
    }
}

/// How many acquisitions a full budget allows at once.
const AT_ONCE: u32 = 3;
/// The budget is full again after this time without a rejection.
const REFILLED_AFTER: Duration = Duration::from_secs(30 * 60);

/// The budget of acquisitions that rejections and forced refreshes cause.
#[derive(Clone, Debug, Default)]
pub(super) struct RejectionBudget {
    /// Acquisitions since the budget was full.
    taken: u32,
    /// When the last of them started or was put off.
    last_at: Option<Instant>,
    /// The last rejection or forced refresh, also if it caused no acquisition.
    asked_at: Option<Instant>,
}

impl RejectionBudget {
    /// Records a rejection or a forced refresh.
    pub(super) fn ask(&mut self, now: Instant) {
        if self.full_at().is_some_and(|at| now >= at) {
            *self = Self::default();
        }
        self.asked_at = Some(now);
    }

    /// How long until the budget allows an acquisition.
    pub(super) fn wait(&self, now: Instant, settings: &Backoff) -> Duration {
        let (Some(later), Some(last_at)) = (self.taken.checked_sub(AT_ONCE), self.last_at) else {
            return Duration::ZERO;
        };
        let (first, most) = settings.rejection_interval;
        (last_at + doubled(first, later, most)).saturating_duration_since(now)
    }

    /// One acquisition starts, or is put off.
    pub(super) fn take(&mut self, now: Instant) {
        self.taken = self.taken.saturating_add(1);
        self.last_at = Some(now);
    }

    /// The last acquisition, which was put off or failed, starts only now.
    pub(super) fn retake(&mut self, now: Instant) {
        self.taken = self.taken.max(1);
        self.last_at = Some(now);
        self.asked_at.get_or_insert(now);
    }

    /// When the budget is full again if there is no further rejection.
    pub(super) fn full_at(&self) -> Option<Instant> {
        self.asked_at.map(|at| at + REFILLED_AFTER)
    }
}

/// What is worth remembering of a cache that is gone, for the next one of the same key.
#[cfg(feature = "keyed")]
#[derive(Clone, Debug, Default)]
pub(super) struct Pauses {
    pub(super) cooldown: Option<Cooldown>,
    pub(super) budget: RejectionBudget,
    pub(super) not_before: Option<Instant>,
}

#[cfg(feature = "keyed")]
impl Pauses {
    /// Until when it counts: a cooldown for one longest cooldown after its end, and the budget until
    /// it is full. A key that is forgotten then has caused no more token requests than one that is
    /// remembered.
    pub(super) fn forget_at(&self, settings: &Backoff) -> Option<Instant> {
        let cooldown = self.cooldown.as_ref().map(|it| it.until + settings.cooldown.1);
        cooldown.max(self.budget.full_at()).max(self.not_before)
    }
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)).min(most.max(first))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::error::ErrorKind;

    /// The count of failures and the pause in seconds, of one error after another.
    fn after_each(kinds: &[ErrorKind], draw: f64) -> Vec<(u32, f64)> {
        let now = Instant::now();
        let mut cooldown = None;
        let after = kinds.iter().map(|kind| {
            let error = Error::new(*kind);
            let next = Cooldown::after(cooldown.as_ref(), error, now, draw, &Backoff::default());
            let pause = (next.until(false) - now).as_secs_f64();
            let failures = next.failures;
            cooldown = Some(next);
            (failures, pause)
        });
        after.collect()
    }

    fn pauses(kind: ErrorKind, draw: f64) -> Vec<f64> {
        after_each(&[kind; 9], draw).into_iter().map(|(_, pause)| pause).collect()
    }

    #[test]
    fn a_cooldown_doubles_from_one_second_to_sixty_with_a_quarter_of_jitter() {
        let kind = ErrorKind::ServerError;
        assert_eq!(pauses(kind, 0.0), [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
        assert_eq!(pauses(kind, 1.0), [1.25, 2.5, 5.0, 10.0, 20.0, 40.0, 75.0, 75.0, 75.0]);
    }

    #[test]
    fn to_find_no_turn_does_not_count_as_a_failure_of_the_server() {
        assert_eq!(pauses(ErrorKind::Crowded, 0.0), [1.0; 9]);
    }

    #[test]
    fn a_terminal_error_after_no_turn_begins_at_thirty_seconds() {
        let after = after_each(&[ErrorKind::Crowded, ErrorKind::InvalidClient], 0.0);
        assert_eq!(after, [(0, 1.0), (1, 30.0)]);
    }

    #[test]
    fn to_find_no_turn_keeps_the_count_of_failures() {
        use ErrorKind::{Crowded, ServerError};
        let after = after_each(&[ServerError, ServerError, Crowded, ServerError], 0.0);
        assert_eq!(after, [(1, 1.0), (2, 2.0), (2, 1.0), (3, 4.0)]);
    }

    #[test]
    fn terminal_errors_begin_at_thirty_seconds() {
        assert_eq!(pauses(ErrorKind::InvalidClient, 0.0)[..4], [30.0, 60.0, 60.0, 60.0]);
    }

    #[test]
    fn retry_after_counts_if_longer_up_to_its_cap() {
        let now = Instant::now();
        let after = |secs| {
            let error = Error::new(ErrorKind::RateLimited)
                .with_status(StatusCode::TOO_MANY_REQUESTS)
                .with_retry_after(Some(Duration::from_secs(secs)));
            let cooldown = Cooldown::after(None, error, now, 0.0, &Backoff::default());
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
        let mut cooldown: Option<Cooldown> = None;
        for _ in 0..1000 {
            let error = Error::new(ErrorKind::Transport);
            cooldown =
                Some(Cooldown::after(cooldown.as_ref(), error, now, 0.5, &Backoff::default()));
        }
        assert_eq!(cooldown.unwrap().until(false), now + Duration::from_millis(67_500));
    }

    /// Takes what the budget allows, each as soon as possible: the waits in seconds.
    fn waits(budget: &mut RejectionBudget, now: &mut Instant, count: usize) -> Vec<u64> {
        let settings = Backoff::default();
        let mut wait = || {
            budget.ask(*now);
            let wait = budget.wait(*now, &settings);
            // A rejection every second in between.
            for _ in 0..wait.as_secs() {
                assert!(!budget.wait(*now, &settings).is_zero());
                *now += Duration::from_secs(1);
                budget.ask(*now);
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
    fn an_acquisition_that_starts_late_counts_once_and_from_its_start() {
        let (mut now, mut budget) = (Instant::now(), RejectionBudget::default());
        let settings = Backoff::default();
        assert_eq!(waits(&mut budget, &mut now, 3), [0, 0, 0]);
        now += Duration::from_secs(50);
        budget.retake(now);
        assert_eq!(budget.wait(now, &settings), Duration::from_secs(60));
    }
}
