//! Acquisitions outside of the schedule and their budget (P7).

use std::time::Duration;

use tower_oauth2_client_credentials::event::AcquisitionReason;

use super::{DEAD_PAUSE, Held, SHORT_WAIT};
use crate::world::{BLINK, Moment, World};

/// The number of such acquisitions that may start at once.
const AT_ONCE: u32 = 3;
/// The budget is full after this time without a rejection.
const REFILLED_AFTER: Duration = Duration::from_secs(30 * 60);

/// The budget of such acquisitions.
#[derive(Clone, Copy, Default)]
pub(super) struct Budget {
    /// Acquisitions since it was full.
    taken: u32,
    /// The earliest next one.
    from: Duration,
    /// The last rejection or forced refresh.
    asked_at: Option<Moment>,
}

impl World {
    /// An API's rejection of a token reaches the cache, or a caller's.
    pub(crate) fn rejects(&mut self, token: usize) {
        let now = self.now();
        self.model.last_call = now;
        if self.usable(now).is_none_or(|held| held.token != token) {
            return;
        }
        self.draws(now);
        let flying =
            self.model.flights.iter().any(|flight| !flight.abandoned) || self.is_blind(now);
        let model = &mut self.model;
        model.rejected_at = Some(now);
        if let Some(held) = &mut model.held {
            held.rejected.get_or_insert(now);
        }
        if now.clock <= model.dead_pause {
            // It is invisible whether an acquisition waits for the end of the cooldown.
            model.suspect = Some(now);
        } else if flying {
            model.suspect.get_or_insert(now);
        }
        // A cooldown delays it.
        model.owed |= model.cooldown.is_some();
    }

    pub(crate) fn forces(&mut self) {
        let now = self.now();
        self.model.last_call = now;
        self.draws(now);
        self.model.forced_at = Some(now);
        self.model.owed |= self.model.cooldown.is_some();
    }

    /// An acquisition's task runs after the rejection that started it or joined it at once. Earlier
    /// rejections do not matter any more.
    pub(super) fn becomes_suspect(&mut self, now: Moment, reason: AcquisitionReason) {
        let model = &mut self.model;
        if let Some(from) = model.suspect.take() {
            model.was_suspect = Some((from, now));
        }
        // It is invisible whether it came before the decision on this acquisition, or after.
        let unsure =
            if now.clock <= model.dead_pause + BLINK { DEAD_PAUSE } else { Duration::ZERO };
        match model.rejected_at {
            Some(at) if reason == AcquisitionReason::Rejected => model.suspect = Some(at),
            Some(at) if now.since(at) <= unsure => {
                model.was_suspect = Some((at, at.after(SHORT_WAIT)));
            }
            _ => {}
        }
    }

    /// A rejection of the cached token, or a forced refresh. The budget is full after 30 minutes
    /// without either.
    fn draws(&mut self, now: Moment) {
        let budget = &mut self.model.budget;
        if budget.asked_at.is_some_and(|at| now.clock + DEAD_PAUSE >= at.clock + REFILLED_AFTER) {
            *budget = Budget::default();
        }
        budget.asked_at = Some(now);
    }

    /// The first three at once, the next 60 s later, doubling up to 10 minutes.
    pub(super) fn starts_out_of_turn(&mut self, now: Moment) {
        self.tally.out_of_turn += 1;
        let Budget { taken, from, .. } = self.model.budget;
        // The wait after a token that was expired on arrival may lie between the decision and this.
        if now.clock + DEAD_PAUSE + BLINK < from {
            self.violated("P7", format!("an acquisition out of turn before {from:?}"));
        }
        // An acquisition that failed or was delayed, and starts again, counts once.
        let taken = if self.model.owed { taken.max(1) } else { taken + 1 };
        let from = match taken.checked_sub(AT_ONCE) {
            None => Duration::ZERO,
            Some(later) => {
                let interval = Duration::from_secs((60_u64 << later.min(10)).min(600));
                self.decided_from(now) + interval
            }
        };
        (self.model.budget.taken, self.model.budget.from) = (taken, from);
    }

    /// The earliest time at which the cache can have decided on an acquisition that calls its
    /// source now: when its runtime stopped, or just before the clock's step.
    pub(super) fn decided_from(&self, now: Moment) -> Duration {
        let decided = self.model.blind.filter(|_| self.model.thawing).map_or(now, |it| it.since);
        let step = self.model.step.filter(|(at, _)| now.since(*at) <= DEAD_PAUSE);
        // A runtime that keeps the cache warm may have decided before it stopped again.
        let warm = self.model.last_thaw.filter(|_| self.model.thawing && self.plan.keep_warm);
        decided
            .clock
            .min(warm.unwrap_or(decided.clock))
            .saturating_sub(step.map_or(Duration::ZERO, |(_, step)| step))
    }

    /// A token that reaches its refresh unrejected refills the budget.
    pub(super) fn starts_in_turn(&mut self, now: Moment) {
        // A rejection at the same instant may have come after the cache's decision.
        let paused = now.clock <= self.model.dead_pause + BLINK;
        let unsure = if paused { DEAD_PAUSE } else { Duration::ZERO };
        let lived = |held: &Held| {
            let left = held.expires.saturating_sub(held.arrived.clock);
            held.rejected.is_none_or(|at| now.since(at) <= unsure)
                && now.clock + held.stepped + BLINK >= held.arrived.clock + left / 3
        };
        if self.model.held.as_ref().is_some_and(lived) {
            self.model.budget = Budget::default();
        }
    }

    /// A request for another token outlives a failed acquisition. Once the server is healthy, it
    /// needs no further rejection.
    pub(super) fn is_not_forgotten(&mut self, now: Moment) {
        let Some(owed) = self.model.surely_owed else { return };
        if self.usable(now).is_none() {
            // From here on the missing token is the stronger reason.
            self.model.surely_owed = None;
            return;
        }
        let flying = self.model.flights.iter().any(|flight| !flight.abandoned);
        let due = self.served_from(now).is_some_and(|from| now.clock > from)
            && !flying
            && now.is_even(owed)
            && self.model.retry_after.is_zero();
        if !due {
            self.model.due_since = None;
            return;
        }
        // The first call starts it.
        let since = *self.model.due_since.get_or_insert(now);
        if now.since(since) > DEAD_PAUSE + BLINK {
            self.violated("P7", format!("the acquisition that failed at {owed:?} was forgotten"));
        }
    }
}
