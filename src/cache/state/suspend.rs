//! Handles a suspend of the machine: the cached token is older than the monotonic clock shows.

use std::time::Duration;

use tokio::time::Instant;

use super::{Effects, State};
use crate::{
    cache::{settings::Settings, snapshot::Snapshot, suspend::ClockSample},
    event::{AcquisitionReason, EventKind},
    sync::Arc,
};

/// How long requests wait for the replacement of a token that has expired by the wall clock only. A
/// correction of the wall clock costs no more than this.
const MAX_WAIT: Duration = Duration::from_secs(1);

impl State {
    /// Compares both clocks, and moves the deadlines of the cached token after a suspend.
    pub(in crate::cache) fn observe_clocks(
        &mut self,
        now: Instant,
        settings: &Settings,
    ) -> Option<EventKind> {
        let held = self.held.as_ref().filter(|held| now < held.expires_at)?;
        let by = self.suspends.observe(ClockSample::now(&settings.clock))?;
        // The expiry by the monotonic clock does not move, since the wall clock may only have been
        // corrected.
        let moved = |at: Instant| at.checked_sub(by).map_or(now, |at| at.max(now));
        let expires_at = self.wall_expires_at.unwrap_or(held.expires_at);
        self.wall_expires_at = Some(moved(expires_at));
        self.refills_budget = false;
        let refresh_at = moved(held.refresh_at);
        self.held = Some(Arc::new(Snapshot { refresh_at, ..Snapshot::clone(held) }));
        Some(EventKind::SuspendDetected { by })
    }

    pub(super) fn is_expired_by_wall(&self, now: Instant) -> bool {
        self.wall_expires_at.is_some_and(|at| now >= at)
    }

    /// If the token has expired by the wall clock, starts one acquisition, which requests wait for
    /// briefly. Then they use the token until it expires by the monotonic clock, so one step of the wall
    /// clock costs one wait.
    pub(super) fn replace_expired_by_wall(
        &mut self,
        now: Instant,
        can_start: bool,
        settings: &Settings,
    ) -> Effects {
        if !self.is_expired_by_wall(now) || !self.has_unexpired(now) {
            return Effects::default();
        }
        let mut effects = self.abandon(now);
        if self.acquisition.is_none() && self.is_due(now) {
            if !can_start {
                return effects;
            }
            effects.start = Some(self.start(AcquisitionReason::Refresh, now, settings));
        }
        self.wall_expires_at = None;
        if self.acquisition.is_some() {
            let until = now + settings.rejected_token_wait.min(MAX_WAIT);
            // A wait that has begun is not extended.
            let begun = self.replacement_wait_until.filter(|at| now < *at);
            self.replacement_wait_until = Some(begun.map_or(until, |at| at.min(until)));
        }
        effects
    }
}
