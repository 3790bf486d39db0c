//! What follows when the machine was suspended: the cached token is older than the monotonic clock
//! says.

use std::time::Duration;

use tokio::time::Instant;

use super::{Followup, State};
use crate::{
    cache::{settings::Settings, snapshot::Snapshot, suspend::Baseline},
    event::{Event, Reason},
    sync::Arc,
};

/// How long requests wait for the acquisition that replaces a token which has expired by the wall
/// clock alone. A wall clock that was only corrected costs no more than this.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

impl State {
    /// Compares both clocks, if there is a token whose deadlines depend on it.
    pub(in crate::cache) fn observe_clocks(
        &mut self,
        now: Instant,
        settings: &Settings,
    ) -> Option<Event> {
        let held = self.held.as_ref().filter(|held| now < held.expires_at)?;
        let by = self.suspends.observe(Baseline::now(&settings.clock))?;
        // The token may have expired: its end by the monotonic clock stays where it is, since the
        // wall clock may only have been corrected.
        let moved = |at: Instant| at.checked_sub(by).map_or(now, |at| at.max(now));
        let expires_at = self.wall_expires_at.unwrap_or(held.expires_at);
        self.wall_expires_at = Some(moved(expires_at));
        self.refills_budget = false;
        let refresh_at = moved(held.refresh_at);
        self.held = Some(Arc::new(Snapshot { refresh_at, ..Snapshot::clone(held) }));
        Some(Event::SuspendNoticed { by })
    }

    /// The cached token, if neither clock says that it has expired; starts a refresh that is due.
    pub(in crate::cache) fn usable_by_both_clocks(
        &mut self,
        now: Instant,
        can_launch: bool,
        settings: &Settings,
    ) -> (Option<Arc<Snapshot>>, Followup) {
        if self.is_expired_by_wall(now) {
            return (None, Followup::default());
        }
        self.usable_token(now, can_launch, settings)
    }

    fn is_expired_by_wall(&self, now: Instant) -> bool {
        self.wall_expires_at.is_some_and(|at| now >= at)
    }

    /// The token has expired by the wall clock: one acquisition, which requests wait for shortly.
    /// Afterwards the token is used until it expires by the monotonic clock, so one step of the
    /// wall clock costs each token one wait.
    pub(super) fn replace_expired_by_wall(
        &mut self,
        now: Instant,
        can_launch: bool,
        settings: &Settings,
    ) -> Followup {
        if !self.is_expired_by_wall(now) || !self.usable(now) {
            return Followup::default();
        }
        let mut followup = self.abandon(now);
        if self.flight.is_none() && self.is_due(now) {
            if !can_launch {
                return followup;
            }
            followup.launch = Some(self.start(Reason::Ahead, now, settings));
        }
        self.wall_expires_at = None;
        if self.flight.is_some() {
            let until = now + settings.suspect_wait.min(LONGEST_WAIT);
            // A wait that has begun is not made longer.
            let begun = self.suspect_until.filter(|at| now < *at);
            self.suspect_until = Some(begun.map_or(until, |at| at.min(until)));
        }
        followup
    }
}
