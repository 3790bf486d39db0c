//! How long to leave the token endpoint alone: after failures, and between rejections.

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
    pub(super) rejections: (Duration, Duration),
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            cooldown: (Duration::from_secs(1), Duration::from_secs(60)),
            terminal_cooldown: Duration::from_secs(30),
            retry_after_cap: Duration::from_secs(5 * 60),
            retry_after_cap_with_token: Duration::from_secs(60 * 60),
            rejections: (Duration::from_secs(30), Duration::from_secs(10 * 60)),
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

    pub(super) fn until(&self, with_token: bool) -> Instant {
        if with_token { self.until_with_token } else { self.until }
    }

    /// The remembered failure, with when the next attempt is due.
    pub(super) fn remembered(&self, now: Instant) -> Error {
        self.error.clone().with_next_attempt_in(self.until.saturating_duration_since(now))
    }
}

/// The spacing of acquisitions that rejections cause.
#[derive(Clone, Debug, Default)]
pub(super) struct Spacing {
    taken: u32,
    next_at: Option<Instant>,
}

impl Spacing {
    /// How long until an acquisition for a rejection is possible.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.next_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// One acquisition for a rejection starts now.
    pub(super) fn take(&mut self, now: Instant, settings: &Backoff) {
        let (first, most) = settings.rejections;
        self.next_at = Some(now + doubled(first, self.taken, most));
        self.taken = self.taken.saturating_add(1);
    }

    /// The last one, which was put off or failed, starts only now.
    pub(super) fn retake(&mut self, now: Instant, settings: &Backoff) {
        self.taken = self.taken.saturating_sub(1);
        self.take(now, settings);
    }
}

/// What is worth remembering of a cache that is gone, for the next one of the same key.
#[cfg(feature = "keyed")]
#[derive(Clone, Debug, Default)]
pub(super) struct Pauses {
    pub(super) cooldown: Option<Cooldown>,
    pub(super) spacing: Spacing,
    pub(super) not_before: Option<Instant>,
}

#[cfg(feature = "keyed")]
impl Pauses {
    /// Until when it counts: each pause, and once more the longest of its kind. So a key that is
    /// forgotten then has been asked for no more often than one that is remembered for good.
    pub(super) fn forget_at(&self, settings: &Backoff) -> Option<Instant> {
        let cooldown = self.cooldown.as_ref().map(|it| it.until + settings.cooldown.1);
        let spacing = self.spacing.next_at.map(|at| at + settings.rejections.1);
        cooldown.max(spacing).max(self.not_before)
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

    #[test]
    fn rejections_are_spaced_from_thirty_seconds_to_ten_minutes() {
        let (mut now, settings) = (Instant::now(), Backoff::default());
        let mut spacing = Spacing::default();
        assert!(spacing.wait(now).is_zero());
        for secs in [30, 60, 120, 240, 480, 600, 600] {
            spacing.take(now, &settings);
            assert_eq!(spacing.wait(now).as_secs(), secs);
            now += Duration::from_secs(secs);
            assert!(spacing.wait(now).is_zero());
        }
    }
}
