//! The state of a cache and its decisions: plain code over (state, now, settings), run under the
//! cache's lock.
//!
//! Nothing here waits, spawns, wakes or calls out. A step returns such actions as [`Effects`], which
//! the cache carries out after it has released the lock.
//!
//! * [`decide`] reads the token for a request, and starts acquisitions.
//! * [`complete`] takes the result of an acquisition.
//! * [`reject`] handles rejected tokens and forced refreshes, within the rejection budget.
//! * [`offer`] and [`clear`] are called by a source, through its `CacheHandle`.
//! * [`suspend`] moves the deadlines when the machine was suspended.
//! * [`hold`] makes an arriving token the cached one.

mod clear;
mod complete;
mod decide;
mod hold;
mod offer;
mod reject;
mod suspend;
#[cfg(all(test, not(oauth_loom)))]
mod tests;

use std::time::Duration;

use tokio::time::Instant;

pub(super) use self::{
    decide::{Decision, Limit, Lookup, Requirement},
    reject::Rejection,
};
use super::{
    acquisition::{Acquisition, Outcome, Plan},
    readiness::{Readiness, ReadinessUntil},
    settings::Settings,
    snapshot::Snapshot,
    suspend::SuspendWatch,
};
use crate::{
    event::{AcquisitionReason, EventKind},
    sync::Arc,
    timing::{BackoffState, FailureBackoff, RejectionBudget},
    token::Token,
};

/// How long after `acquisition_timeout` an acquisition counts as stuck.
pub(in crate::cache) const ABANDON_AFTER: Duration = Duration::from_secs(5);

/// How often a cooldown can be ended by hand.
const END_COOLDOWN_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(in crate::cache) struct State {
    /// The cached token. It is kept after its expiry, so that a server which returns it again is
    /// recognized. Each step publishes it, see [`State::update_held`].
    held: Option<Arc<Snapshot>>,
    /// An API rejected the cached token.
    held_rejected: bool,
    /// The last rejected tokens, which a source must not offer again.
    recently_rejected: Vec<Token>,
    /// The token that an offered one replaced last. Its rejection may arrive late.
    replaced_by_offer: Option<Token>,
    /// Until then, requests wait for the acquisition in flight rather than use the cached token: an
    /// API rejected it, or it has expired by the wall clock.
    replacement_wait_until: Option<Instant>,
    /// An acquisition for a rejection or a forced refresh failed or was postponed, so one is due.
    rejection_pending: bool,
    /// The acquisition in flight.
    acquisition: Option<Arc<Acquisition>>,
    backoff: BackoffState,
    /// It was reported that rejections came too soon for the rejection budget.
    too_soon_reported: bool,
    /// It was reported that the acquisition for a rejection is postponed.
    postponed_reported: bool,
    /// When a cooldown was last ended by hand.
    cooldown_ended_at: Option<Instant>,
    /// No acquisition has started since then.
    cooldown_ended: bool,
    /// Tokens that were requested before this time are discarded.
    cleared_at: Option<Instant>,
    /// Compares both clocks since the cached token was requested.
    suspends: SuspendWatch,
    /// The cached token refills the rejection budget once its refresh is due. Not if a suspend
    /// moved the refresh, or if the token was discarded after a rejection.
    refills_budget: bool,
    /// When the cached token expires by the wall clock, if a suspend made that earlier.
    wall_expires_at: Option<Instant>,
    /// The next token is not the cache's first.
    has_had_token: bool,
    /// How many acquisitions were started.
    started: u64,
    /// The readiness that was reported last.
    reported_readiness: Readiness,
}

/// The actions that a step asks for. The cache carries them out without the lock.
#[derive(Default)]
pub(in crate::cache) struct Effects {
    /// An acquisition whose task must be started.
    pub(in crate::cache) start: Option<Arc<Acquisition>>,
    /// An acquisition whose waiters get this outcome.
    pub(in crate::cache) end: Option<(Arc<Acquisition>, Outcome)>,
    pub(in crate::cache) events: Vec<EventKind>,
}

impl Effects {
    /// Adds the effects of a later decision in the same step.
    fn extend(&mut self, later: Self) {
        self.start = later.start.or(self.start.take());
        self.end = later.end.or(self.end.take());
        self.events.extend(later.events);
    }
}

impl State {
    /// Drops an acquisition that is stuck: its source blocks a thread, or its runtime has ended or is
    /// stalled. Its waiters ask the cache again, and its late result will be dropped.
    fn abandon(&mut self, now: Instant) -> Effects {
        let abandoned = self.acquisition.take_if(|it| now >= it.plan.abandoned_at);
        let Some(acquisition) = abandoned else { return Effects::default() };
        self.replacement_wait_until = None;
        self.rejection_pending |= acquisition.plan.retry_owed;
        let age = now.saturating_duration_since(acquisition.plan.starts_at);
        Effects {
            start: None,
            end: Some((acquisition, Outcome::Lost)),
            events: vec![EventKind::Abandoned { age }],
        }
    }

    /// Starts an acquisition. Only called if none is in flight.
    fn start(
        &mut self,
        reason: AcquisitionReason,
        now: Instant,
        settings: &Settings,
    ) -> Arc<Acquisition> {
        if !reason.is_early() && self.reached_refresh_unrejected(now) {
            self.backoff.budget = RejectionBudget::default();
            self.too_soon_reported = false;
        }
        self.postponed_reported = false;
        let was_pending = std::mem::take(&mut self.rejection_pending);
        if was_pending {
            self.backoff.budget.restart_last(now);
        }
        self.started += 1;
        let starts_at = self.backoff.not_before.map_or(now, |not_before| not_before.max(now));
        let ends_by = starts_at + settings.acquisition_timeout;
        let held = self.held.as_ref().filter(|_| self.held_rejected);
        let (current, discarded) = match &self.held {
            Some(held) if now < held.expires_at => (Some(held), None),
            held => (None, held.as_ref()),
        };
        // A refresh that is early since a rejection or a forced refresh is still owed.
        let owed = if self.held_rejected {
            AcquisitionReason::Rejected
        } else {
            AcquisitionReason::Forced
        };
        let is_owed = was_pending && reason == AcquisitionReason::Refresh;
        let acquisition = Arc::new(Acquisition::new(Plan {
            id: self.started,
            reason: if is_owed { owed } else { reason },
            retry_owed: was_pending || reason.is_early(),
            is_budgeted: was_pending || reason.is_early(),
            // With no failure counted, the last acquisition never reached the server.
            probe: self.backoff.failure.as_ref().is_some_and(|failure| failure.failures > 0),
            rejected: held.map(|held| held.token().clone()),
            current: current.map(|held| held.token().clone()),
            discarded: discarded.map(|held| held.token().clone()),
            recently_rejected: self.recently_rejected.clone(),
            issued_after: self.cleared_at,
            ends_cooldown: std::mem::take(&mut self.cooldown_ended),
            starts_at,
            ends_by,
            abandoned_at: ends_by + ABANDON_AFTER,
        }));
        self.acquisition = Some(Arc::clone(&acquisition));
        acquisition
    }

    /// Whether the cached token lived until its scheduled refresh without a rejection. It refills
    /// the rejection budget then.
    fn reached_refresh_unrejected(&self, now: Instant) -> bool {
        // A token that was discarded earlier has expired before its refresh.
        let was_due =
            |held: &Arc<Snapshot>| held.refresh_at < held.expires_at && now >= held.refresh_at;
        self.refills_budget && !self.held_rejected && self.held.as_ref().is_some_and(was_due)
    }

    /// The readiness now. It depends on the time, since no step is taken when a token expires.
    pub(in crate::cache) fn readiness(&self, now: Instant) -> ReadinessUntil {
        let until = self.held.as_ref().map(|held| held.expires_at).filter(|at| now < *at);
        let readiness = match (until, &self.backoff.failure) {
            (Some(_), None) if !self.held_rejected => Readiness::Ready,
            (Some(_), _) => Readiness::Degraded,
            (None, Some(_)) => Readiness::Failed,
            (None, None) => Readiness::Idle,
        };
        ReadinessUntil { readiness, until }
    }

    /// The event of a readiness that differs from the one that was reported last.
    pub(in crate::cache) fn readiness_event(&mut self, now: Instant) -> Option<EventKind> {
        let to = self.readiness(now).readiness;
        let from = std::mem::replace(&mut self.reported_readiness, to);
        (from != to).then_some(EventKind::ReadinessChanged { from, to })
    }

    /// Forgets the last failure after a token arrived. Returns the event, if a cooldown was entered.
    fn leave_cooldown(&mut self, now: Instant) -> Option<EventKind> {
        let failure = self.backoff.failure.take()?;
        (!failure.is_left).then(|| cooldown_left(&failure, now))
    }

    /// Ends a cooldown, at most once a second.
    pub(in crate::cache) fn end_cooldown(&mut self, now: Instant) -> (bool, Effects) {
        if !self.can_end_cooldown(now) {
            return (false, Effects::default());
        }
        self.cooldown_ended_at = Some(now);
        self.cooldown_ended = true;
        let events = self.backoff.failure.as_mut().and_then(|failure| {
            let event = (!failure.is_left).then(|| cooldown_left(failure, now));
            Arc::make_mut(failure).end(now);
            event
        });
        (true, Effects { events: events.into_iter().collect(), ..Effects::default() })
    }

    fn can_end_cooldown(&self, now: Instant) -> bool {
        let is_cooling =
            |failure: &FailureBackoff| now < failure.until(false).max(failure.until(true));
        self.backoff.failure.as_deref().is_some_and(is_cooling)
            // An attempt in flight may still use the old credentials.
            && self.acquisition.is_none()
            && self.cooldown_ended_at.is_none_or(|at| now >= at + END_COOLDOWN_INTERVAL)
    }

    #[cfg(feature = "keyed")]
    pub(in crate::cache) fn backoff(&self) -> &BackoffState {
        &self.backoff
    }

    /// Continues with the backoff state of an earlier cache of the same key.
    #[cfg(feature = "keyed")]
    pub(in crate::cache) fn set_backoff(&mut self, backoff: BackoffState) {
        self.backoff = backoff;
    }

    pub(in crate::cache) fn in_flight(&self) -> Option<Arc<Acquisition>> {
        self.acquisition.clone()
    }

    /// Clones of the values that may own code of the user, such as a proof of possession or the error of
    /// a token source. The caller of a step drops them without the lock, because a destructor that calls
    /// the cache would wait for the lock forever.
    pub(in crate::cache) fn foreign_values(&self) -> impl Sized + use<> {
        (self.held.clone(), self.acquisition.clone(), self.backoff.failure.clone())
    }

    fn has_unexpired(&self, now: Instant) -> bool {
        self.held.as_ref().is_some_and(|held| now < held.expires_at)
    }

    fn holds(&self, token: &Token) -> bool {
        self.held.as_ref().is_some_and(|held| held.token().same_secret(token))
    }

    /// When a request must ask the state about the cached token again.
    fn revalidate_at(&self, held: &Snapshot, now: Instant) -> Instant {
        let is_suspect = self.replacement_wait_until.is_some_and(|until| now < until);
        let at = match &self.acquisition {
            Some(_) if is_suspect => now,
            Some(acquisition) => acquisition.plan.abandoned_at,
            None => match &self.backoff.failure {
                Some(failure) if self.rejection_pending => failure.until(true),
                Some(failure) => held.refresh_at.max(failure.until(true)),
                None if self.rejection_pending => now,
                None => held.refresh_at,
            },
        };
        let expires_at = self.wall_expires_at.map_or(held.expires_at, |at| at.min(held.expires_at));
        at.min(expires_at)
    }

    /// Updates `revalidate_at` of the cached token's snapshot, and returns the snapshot for
    /// publishing. A snapshot that needs no change stays the same pointer.
    pub(in crate::cache) fn update_held(&mut self, now: Instant) -> Option<&Arc<Snapshot>> {
        let held = self.held.as_ref()?;
        let revalidate_at = self.revalidate_at(held, now);
        let (wall_start, wall_limit) =
            (self.suspends.wall_start(), self.suspends.wall_limit(revalidate_at));
        if (held.revalidate_at, held.wall_start, held.wall_limit)
            != (revalidate_at, wall_start, wall_limit)
        {
            let held = Snapshot { revalidate_at, wall_start, wall_limit, ..Snapshot::clone(held) };
            self.held = Some(Arc::new(held));
        }
        self.held.as_ref()
    }

    /// Returns when the state must be asked again to keep the token warm. `None` if a later
    /// acquisition than this one was started.
    pub(in crate::cache) fn next_revalidation(&self, id: u64, now: Instant) -> Option<Instant> {
        (self.started == id).then(|| match (&self.held, &self.backoff.failure) {
            (Some(held), _) if now < held.expires_at => self.revalidate_at(held, now),
            (_, Some(failure)) => failure.until(false),
            _ => now,
        })
    }

    /// The snapshot of the cached token, up to date.
    fn updated(&mut self, now: Instant) -> Arc<Snapshot> {
        Arc::clone(self.update_held(now).expect("the caller has found a token"))
    }
}

fn cooldown_left(failure: &FailureBackoff, now: Instant) -> EventKind {
    let lasted = now.saturating_duration_since(failure.since);
    EventKind::CooldownLeft { failures: failure.failures, lasted }
}
