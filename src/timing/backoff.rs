//! How long a cache waits between acquisitions: the cooldown after failures, and the rejection
//! budget.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::doubling::Doubling;
use crate::error::{Error, FleetCooldown};

/// With a cooldown of zero, a failing server would be asked in a loop.
pub(crate) const MIN_COOLDOWN: Duration = Duration::from_millis(100);

/// The settings of the cooldown and of the rejection budget.
/// [`defaults`](crate::docs::defaults) gives the reason for each default.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BackoffSettings {
    pub(crate) cooldown: Doubling,
    pub(crate) permanent_error_cooldown: Duration,
    pub(crate) retry_after_cap: Duration,
    pub(crate) retry_after_cap_with_token: Duration,
    pub(crate) rejection_interval: Doubling,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self {
            cooldown: Doubling { first: Duration::from_secs(1), max: Duration::from_secs(60) },
            permanent_error_cooldown: Duration::from_secs(30),
            retry_after_cap: Duration::from_secs(5 * 60),
            retry_after_cap_with_token: Duration::from_secs(60 * 60),
            rejection_interval: Doubling {
                first: Duration::from_secs(60),
                max: Duration::from_secs(10 * 60),
            },
        }
    }
}

impl BackoffSettings {
    /// The cooldown without jitter and without `Retry-After`.
    fn pause(&self, error: &Error, doublings: u32) -> Duration {
        let pause = self.cooldown.after(doublings);
        if error.is_permanent() {
            let first = self.permanent_error_cooldown;
            pause.max(Doubling { first, max: self.cooldown.max }.after(doublings))
        } else {
            pause
        }
    }
}

/// The cooldown after failed acquisitions. A success ends it.
#[derive(Clone, Debug)]
pub(crate) struct FailureBackoff {
    /// How many acquisitions failed in a row.
    pub(crate) failures: u32,
    /// When the first of these failures happened. `after` sets `now`; the caller restores the value of the
    /// previous state.
    pub(crate) since: Instant,
    /// The last failure.
    pub(crate) error: Error,
    /// The end of the cooldown if no valid token is cached.
    pub(crate) until: Instant,
    /// The end of the cooldown while a valid token is cached. It may be later: a long `Retry-After`
    /// then fails no request.
    pub(crate) until_with_token: Instant,
    /// `end` was called, which reported the end of the cooldown.
    pub(crate) is_left: bool,
}

impl FailureBackoff {
    /// The state after another failure. `before`: how many failed in a row before it. `draw` is uniform
    /// in `[0, 1)`.
    pub(crate) fn after(
        before: u32,
        error: Error,
        now: Instant,
        draw: f64,
        settings: &BackoffSettings,
    ) -> Self {
        // If no token request was sent, the server did not fail. A flag says so, and not the kind
        // `Overloaded`: a user's source may return that kind too.
        let (error, not_started) = error.take_not_started();
        let failures = if not_started { before } else { before.saturating_add(1) };
        let (error, fleet_cooldown) = error.take_fleet_cooldown();
        let (without_token, with_token) = match fleet_cooldown {
            // The processes of a fleet have one backoff.
            Some(FleetCooldown { without_token, with_token, .. }) => {
                (without_token.max(MIN_COOLDOWN), with_token.max(MIN_COOLDOWN))
            }
            None => {
                let doublings = if not_started { 0 } else { before };
                let pause = settings.pause(&error, doublings).mul_f64(1.0 + 0.25 * draw);
                let retry_after = error.retry_after().unwrap_or_default();
                let with_cap = |cap: Duration| pause.max(retry_after.min(cap));
                (with_cap(settings.retry_after_cap), with_cap(settings.retry_after_cap_with_token))
            }
        };
        Self {
            failures,
            since: now,
            error,
            until: now + without_token,
            until_with_token: now + with_token,
            is_left: false,
        }
    }

    /// Allows the next attempt now.
    pub(crate) fn end(&mut self, now: Instant) {
        self.until = self.until.min(now);
        self.until_with_token = self.until_with_token.min(now);
        self.is_left = true;
    }

    /// The end of the cooldown, with or without a valid cached token.
    pub(crate) fn until(&self, with_token: bool) -> Instant {
        if with_token { self.until_with_token } else { self.until }
    }

    /// The last failure, with the time until the next attempt.
    pub(crate) fn remembered(&self, now: Instant) -> Error {
        self.error.clone().with_next_attempt_in(self.until.saturating_duration_since(now))
    }
}

/// How many acquisitions a full budget allows without a wait.
const BURST: u32 = 3;
/// The budget is full again after this time without a rejection. The cache also refills it when a
/// token reaches its scheduled refresh unrejected.
const REFILLED_AFTER: Duration = Duration::from_secs(30 * 60);
/// The pause after the budget of a fleet was found used up, and its maximum. Another process may acquire
/// a token in the meantime, and not announce it.
const UNCHANGED_PAUSE: Doubling =
    Doubling { first: Duration::from_secs(1), max: Duration::from_secs(10) };

/// The rejection budget: the acquisitions that rejections and forced refreshes may start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RejectionBudget {
    /// Acquisitions since the budget was full.
    pub(crate) taken: u32,
    /// When the last of them started or was postponed.
    pub(crate) last_at: Option<Instant>,
    /// `last_at` before the last of them was taken.
    pub(crate) previous_at: Option<Instant>,
    /// The last rejection or forced refresh, also if it started no acquisition.
    pub(crate) last_rejection_at: Option<Instant>,
    /// How many acquisitions in a row found the budget of a fleet used up, and the end of the pause after
    /// them.
    pub(crate) unchanged: Option<(u32, Instant)>,
}

impl RejectionBudget {
    /// Records a rejection or a forced refresh.
    pub(crate) fn record_rejection(&mut self, now: Instant) {
        if self.full_at().is_some_and(|at| now >= at) {
            *self = Self::default();
        }
        self.last_rejection_at = Some(now);
    }

    /// How long until the budget allows an acquisition.
    pub(crate) fn wait(&self, now: Instant, settings: &BackoffSettings) -> Duration {
        let later = self.taken.checked_sub(BURST);
        let next_at = self
            .last_at
            .zip(later)
            .map(|(at, later)| at + settings.rejection_interval.after(later));
        let next_at = next_at.max(self.unchanged.map(|(_, until)| until));
        next_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now))
    }

    /// Takes one acquisition, which starts now or is postponed.
    pub(crate) fn take(&mut self, now: Instant) {
        self.taken = self.taken.saturating_add(1);
        self.previous_at = self.last_at.replace(now);
    }

    /// Returns the last acquisition, which sent no token request: another process had acquired the
    /// token.
    pub(crate) fn refund(&mut self) {
        self.taken = self.taken.saturating_sub(1);
        self.last_at = self.previous_at;
    }

    /// Returns the last acquisition, which sent no token request: the budget of the fleet is used up.
    pub(crate) fn refund_unchanged(&mut self, now: Instant) {
        self.refund();
        let before = self.unchanged.map_or(0, |(times, _)| times);
        self.unchanged = Some((before.saturating_add(1), now + UNCHANGED_PAUSE.after(before)));
    }

    /// The last acquisition, which was postponed or failed, starts now. It is not counted again.
    pub(crate) fn restart_last(&mut self, now: Instant) {
        // It counts even if the budget was refilled since it was taken.
        self.taken = self.taken.max(1);
        self.last_at = Some(now);
        self.last_rejection_at.get_or_insert(now);
    }

    /// When the budget is full again if there is no further rejection.
    pub(crate) fn full_at(&self) -> Option<Instant> {
        self.last_rejection_at.map(|at| at + REFILLED_AFTER)
    }
}

/// When a cache may acquire next. In a keyed cache it outlives the cache: the next cache of the same
/// key continues with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct BackoffState {
    /// Set after a failed acquisition, until one succeeds. Shared by clones of the state.
    pub(crate) failure: Option<Arc<FailureBackoff>>,
    pub(crate) budget: RejectionBudget,
    /// The next acquisition starts no sooner: the last token was expired on arrival.
    pub(crate) not_before: Option<Instant>,
}

#[cfg(feature = "keyed")]
impl BackoffState {
    /// Whether it delays nothing and counts nothing.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { failure, budget, not_before } = self;
        failure.is_none() && *budget == RejectionBudget::default() && not_before.is_none()
    }

    /// When it can be forgotten without causing further token requests: one maximum cooldown after
    /// the cooldown ends, and when the rejection budget is full.
    pub(crate) fn forget_at(&self, settings: &BackoffSettings) -> Option<Instant> {
        let failure = self.failure.as_ref().map(|it| it.until + settings.cooldown.max);
        failure.max(self.budget.full_at()).max(self.not_before)
    }
}

#[cfg(test)]
mod tests;
