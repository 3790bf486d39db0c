//! Making an arriving token the cached one.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::State;
use crate::{
    cache::{
        settings::Settings,
        snapshot::{FirstRequests, Replaced, Snapshot},
        suspend::{ClockSample, SuspendWatch},
    },
    event::{EventKind, ResultOrigin},
    sync::{Arc, Striped},
    timing::{Arrival, Deadlines},
    token::Token,
};

/// The snapshot of a new token, which is not cached yet.
pub(super) struct NewSnapshot {
    pub(super) snapshot: Arc<Snapshot>,
    /// The lifetime that its deadlines are computed from.
    pub(super) lifetime: Duration,
    /// The end of its use by the wall clock.
    pub(super) wall_expires_at: SystemTime,
    /// Whether the server returned the cached token again.
    pub(super) is_same: bool,
}

/// Where a token comes from.
pub(super) fn origin(token: &Token) -> ResultOrigin {
    match token.sharing_info() {
        Some(info) if info.is_free => ResultOrigin::Store,
        _ => ResultOrigin::Source,
    }
}

impl State {
    /// The snapshot of a token that arrives now. `started` is when it was requested.
    pub(super) fn new_snapshot(
        &self,
        token: Token,
        started: Instant,
        now: Instant,
        draw: f64,
        settings: &Settings,
    ) -> NewSnapshot {
        let schedule = &settings.timing.schedule;
        let is_same = self.holds(&token);
        let issued_at = token.issued_at().unwrap_or(started).min(now);
        let stated = token.lifetime();
        let info = token.sharing_info().copied().unwrap_or_default();
        let Deadlines { refresh_at, expires_at, lifetime } = schedule.deadlines(&Arrival {
            issued_at,
            arrived_at: now,
            lifetime: stated
                .or_else(|| Some(schedule.default_lifetime.saturating_sub(token.age()))),
            refresh_in: token.refresh_in(),
            // Includes the wait for a permit in a keyed cache. The next acquisition may wait as long,
            // and the lead must cover it.
            took: info.took.unwrap_or_else(|| now.saturating_duration_since(started)),
            first: !self.has_had_token || info.spreads_refresh,
            same_token: is_same,
            draw,
            refresh_at: info.refresh_at,
            expires_by: info.expires_by,
        });
        // So that a token of a source without a clock has an expiry too.
        let token =
            if token.issued_at().is_none() { token.with_issued_at(issued_at) } else { token };
        let snapshot = Arc::new(Snapshot {
            token,
            revalidate_at: refresh_at,
            wall_limit: i64::MAX,
            wall_start: i64::MIN,
            clock: settings.clock.clone(),
            issued_at,
            refresh_at,
            expires_at,
            expired_on_arrival: expires_at <= now,
            follows_rejection: self.held_rejected,
            first_requests: FirstRequests::default(),
            replaced: Replaced::default(),
            copies: Striped::default(),
        });
        let (wall, left) = (settings.clock.read().wall, expires_at.saturating_duration_since(now));
        let wall_expires_at = wall.checked_add(left).unwrap_or(wall);
        NewSnapshot { snapshot, lifetime, wall_expires_at, is_same }
    }

    /// Makes the token the cached one. `requested` has the readings of both clocks when it was
    /// requested. Returns an event if the machine was suspended since.
    pub(super) fn hold(
        &mut self,
        snapshot: Arc<Snapshot>,
        is_same: bool,
        requested: ClockSample,
        now: Instant,
        settings: &Settings,
    ) -> Option<EventKind> {
        if !is_same {
            self.held_rejected = false;
            self.refills_budget = true;
            self.backoff.budget.unchanged = None;
        }
        self.held = Some(snapshot);
        self.has_had_token = true;
        self.wall_expires_at = None;
        self.suspends = SuspendWatch::since(requested);
        self.observe_clocks(now, settings)
    }
}
