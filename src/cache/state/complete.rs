//! The result of an acquisition.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Effects, State,
    hold::{NewSnapshot, origin},
};
use crate::{
    cache::{
        acquisition::{Acquisition, Outcome, Plan},
        settings::Settings,
        suspend::ClockSample,
    },
    error::Error,
    event::{AcquisitionReason, EventKind, ResultOrigin},
    sync::Arc,
    timing::FailureBackoff,
    token::{SharingInfo, Token},
};

/// How long the next acquisition is delayed after a token that was expired on arrival.
const PAUSE_AFTER_EXPIRED: Duration = Duration::from_secs(1);

impl State {
    /// Takes the result of an acquisition. The result of an abandoned one is dropped.
    pub(in crate::cache) fn complete(
        &mut self,
        completed: &Acquisition,
        result: Option<Result<Token, Error>>,
        now: Instant,
        draw: f64,
        settings: &Settings,
    ) -> Effects {
        let in_flight = self.acquisition.take_if(|it| it.plan.id == completed.plan.id);
        // The one in the state has the waiters: an offer may have replaced it.
        let Some(acquisition) = in_flight else { return Effects::default() };
        self.replacement_wait_until = None;
        let (outcome, events) = match result {
            // The server did not fail. The next request starts another acquisition.
            None => {
                self.rejection_pending |= acquisition.plan.retry_owed;
                (Outcome::Lost, Vec::new())
            }
            // The waiters ask again, and start another acquisition.
            Some(Ok(token)) if self.is_cleared(&token, acquisition.plan.starts_at) => {
                let (token, kept) = take_kept(token, &acquisition.plan);
                (Outcome::Lost, vec![unused(&acquisition, &token, kept, now)])
            }
            Some(Ok(token)) => {
                let requested = completed.called_at.get().copied();
                let requested = requested.unwrap_or_else(|| ClockSample::now(&settings.clock));
                self.succeed(&acquisition, token, requested, now, draw, settings)
            }
            Some(Err(error)) => self.fail(&acquisition, error, now, draw, settings),
        };
        Effects { start: None, end: Some((acquisition, outcome)), events }
    }

    fn succeed(
        &mut self,
        acquisition: &Acquisition,
        token: Token,
        requested: ClockSample,
        now: Instant,
        draw: f64,
        settings: &Settings,
    ) -> (Outcome, Vec<EventKind>) {
        let from = origin(&token);
        self.rejection_pending = false;
        let plan = &acquisition.plan;
        let (token, kept) = take_kept(token, plan);
        // A kept token is no evidence that the authorization server works.
        let left = if kept { None } else { self.leave_cooldown(now) };
        if plan.is_budgeted {
            let is_rejected = plan.rejected.as_ref().is_some_and(|it| it.same_secret(&token));
            if kept {
                self.backoff.budget.refund_unchanged(now);
            } else {
                self.too_soon_reported = false;
                // No token request was sent.
                if from == ResultOrigin::Store && !is_rejected {
                    self.backoff.budget.refund();
                }
            }
        }
        let unused = unused(acquisition, &token, kept, now);
        let started = acquisition.plan.starts_at;
        let NewSnapshot { snapshot, lifetime, wall_expires_at: expires_at, is_same } =
            self.new_snapshot(token, started, now, draw, settings);
        self.has_had_token = true;
        let took = duration(&snapshot.token, kept, started, now);
        let is_expired = snapshot.expired_on_arrival;
        self.backoff.not_before = is_expired.then(|| now + PAUSE_AFTER_EXPIRED);
        let has_other = !is_same && self.has_unexpired(now);
        // Another token was offered in the meantime. It stays cached, and the waiters get it.
        let keeps_offered =
            (acquisition.overtaken && self.keeps_offered(&snapshot, now)) || (kept && has_other);
        // The result has expired. The waiters get it, and the cached token stays.
        let is_worse = is_expired && has_other;
        if keeps_offered || is_worse {
            let used = if keeps_offered { self.updated(now) } else { snapshot };
            let events = [unused].into_iter().chain(left).collect();
            return (Outcome::Token(used), events);
        }
        let remaining =
            self.held.as_ref().map(|held| held.expires_at.saturating_duration_since(now));
        let event = match (acquisition.plan.reason, remaining) {
            (reason, _) if kept => EventKind::Kept { reason, took },
            (AcquisitionReason::Refresh, Some(remaining)) if !remaining.is_zero() => {
                EventKind::Refreshed { from, took, lifetime, remaining, expires_at }
            }
            (reason, _) => EventKind::Acquired { reason, from, took, lifetime, expires_at },
        };
        let mut events: Vec<_> = [event].into_iter().chain(left).collect();
        events.extend(self.hold(snapshot, is_same, requested, now, settings));
        (Outcome::Token(self.updated(now)), events)
    }

    fn fail(
        &mut self,
        acquisition: &Acquisition,
        error: Error,
        now: Instant,
        draw: f64,
        settings: &Settings,
    ) -> (Outcome, Vec<EventKind>) {
        // Another acquisition is still due. The cooldown delays it.
        self.rejection_pending |= acquisition.plan.retry_owed;
        if acquisition.plan.is_budgeted {
            self.too_soon_reported = false;
        }
        // Read first: `FailureBackoff::after` removes the fleet's cooldown from the error.
        let from = match error.fleet_cooldown() {
            Some(cooldown) if cooldown.from_store => ResultOrigin::Store,
            _ => ResultOrigin::Source,
        };
        let previous = self.backoff.failure.as_ref();
        let before = previous.map_or(0, |failure| failure.failures);
        let attempts = error.attempts();
        let mut failure = FailureBackoff::after(before, error, now, draw, &settings.timing.backoff);
        failure.since = previous.map_or(now, |failure| failure.since);
        let next_attempt_in = failure.until(self.has_unexpired(now)) - now;
        let enters = previous.is_none_or(|previous| previous.is_left);
        let entered = enters.then_some(EventKind::CooldownEntered { next_attempt_in });
        let event = EventKind::AcquisitionFailed {
            reason: acquisition.plan.reason,
            from,
            took: now.saturating_duration_since(acquisition.plan.starts_at),
            attempts,
            error: failure.error.clone(),
            failures: failure.failures,
            next_attempt_in,
        };
        let shared = failure.remembered(now);
        self.backoff.failure = Some(Arc::new(failure));
        (Outcome::Failed(shared), [event].into_iter().chain(entered).collect())
    }
}

/// The event of a result that does not replace the cached token.
fn unused(acquisition: &Acquisition, token: &Token, kept: bool, now: Instant) -> EventKind {
    let Plan { reason, starts_at, .. } = acquisition.plan;
    let took = duration(token, kept, starts_at, now);
    if kept {
        EventKind::Kept { reason, took }
    } else {
        EventKind::Discarded { reason, from: origin(token), took }
    }
}

/// How long an acquisition took. If the process waited for another one before, that is not counted.
fn duration(token: &Token, kept: bool, started: Instant, now: Instant) -> Duration {
    let took = token.sharing_info().filter(|_| !kept).and_then(|info| info.took);
    took.unwrap_or_else(|| now.saturating_duration_since(started))
}

/// Clears `is_kept`, and returns whether the source kept the token that this cache has. A source that is
/// itself a cache can pass on a token that another cache kept. That token is new to this cache.
fn take_kept(token: Token, plan: &Plan) -> (Token, bool) {
    let Some(info) = token.sharing_info().copied().filter(|info| info.is_kept) else {
        return (token, false);
    };
    let is_known = plan.rejected.iter().chain(&plan.current).any(|it| it.same_secret(&token));
    (token.with_sharing_info(SharingInfo { is_kept: false, ..info }), is_known)
}
