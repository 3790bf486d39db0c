//! Suspends and changes of the wall clock (P5 by both clocks).

use std::time::Duration;

use super::SHORT_WAIT;
use crate::world::{BLINK, Moment, World};

/// Shorter suspends may stay unnoticed: 5 s, 1 s for rounding, and 1 s for the sum of several.
const TOLERANCE: Duration = Duration::from_secs(7);
/// Longer ones may be noticed.
const NOTICED: Duration = Duration::from_secs(5);

impl World {
    /// The machine is suspended: real time passes, and the wall clock shows it.
    pub(crate) fn suspends(&mut self, by: Duration) {
        self.suspended += by;
        self.tally.suspends += 1;
        self.note("suspended", "for seconds", 0, by.as_secs());
        self.wall_clock_steps(by);
        if self.model.open > 0 {
            // A running call notices it at its next poll.
            self.meets_expired(self.now());
        }
    }

    /// The wall clock is set, and no real time passes.
    pub(crate) fn sets_wall_clock(&mut self, seconds: i64) {
        self.wall_set += seconds;
        self.tally.wall_steps += 1;
        self.note("wall clock set", "by seconds", 0, seconds.unsigned_abs());
        if seconds > 0 {
            self.wall_clock_steps(Duration::from_secs(seconds.unsigned_abs()));
        } else {
            self.model.flights.iter_mut().for_each(|flight| flight.is_masked = true);
            self.model.held.iter_mut().for_each(|held| held.is_masked = true);
        }
    }

    fn wall_clock_steps(&mut self, by: Duration) {
        self.model.last_wall_step = Some(self.now());
        // The token of an acquisition in flight may be older than the step, too.
        self.model.wall_steps += 1 + u32::from(!self.model.flights.is_empty());
        self.model.flights.iter_mut().for_each(|flight| flight.stepped += by);
        self.model.held.iter_mut().for_each(|held| held.stepped += by);
    }

    /// A call finds a token that has expired in real time. The cache must notice.
    pub(super) fn meets_expired(&mut self, now: Moment) {
        let real = self.real();
        let blind = self.is_blind(now);
        let cooldown =
            self.model.cooldown.map_or(Duration::ZERO, |cooldown| cooldown.latest_with_token);
        let Some(held) = &mut self.model.held else { return };
        if held.stepped > NOTICED && real >= held.expires_real && held.met_expired.is_none() {
            held.met_expired = Some(now);
            // No acquisition can start in a cooldown, and one on a stalled runtime can't end.
            held.may_be_sent_expired = now.clock < cooldown || blind;
        }
    }

    /// P5: a token that expired in a suspend is sent only after the next acquisition failed, or
    /// took longer than a second.
    pub(super) fn is_unexpired_in_real_time(&mut self, now: Moment, id: usize) {
        let call = self.model.calls[id];
        let (real, landed) = (self.real(), self.model.landings.last().copied());
        let Some(held) = self.model.held else { return };
        let Some(met) = held.met_expired else { return };
        let excused = held.is_masked
            || held.may_be_sent_expired
            || call.started.steady <= held.arrived.steady
            || now.since(met) + BLINK >= SHORT_WAIT
            // A wait that began with a rejection is not extended.
            || self.model.suspect.is_some_and(|from| now.since(from) + BLINK >= SHORT_WAIT)
            || landed.is_some_and(|landed| landed.steady >= met.steady)
            || self.model.gone_at.is_some_and(|gone| gone.steady >= met.steady)
            // In the wait after a token that was expired on arrival, the start of the wait is
            // invisible.
            || now.clock <= self.model.dead_pause + SHORT_WAIT + BLINK
            || !now.is_even(met);
        if real >= held.expires_real + TOLERANCE && !excused {
            let (token, expired) = (held.token, real - held.expires_real);
            self.violated("P5", format!("request {id}: {token} expired {expired:?} ago"));
        }
    }

    /// A second for a rejection, and another one for a step of the wall clock during it.
    pub(super) fn longest_suspect_wait(&self, since: Moment) -> Duration {
        let stepped = self.model.last_wall_step.is_some_and(|step| step.steady >= since.steady);
        SHORT_WAIT * if stepped { 2 } else { 1 }
    }

    /// One step of the wall clock costs each token one wait of a second.
    pub(super) fn waited_for_a_wall_step(&mut self, since: Moment) -> bool {
        let near = |wait: Moment| {
            let apart = wait.steady.abs_diff(since.steady);
            apart <= SHORT_WAIT + BLINK
        };
        if self.model.wall_wait.is_some_and(near) {
            return true;
        }
        let left = self.model.wall_steps > 0;
        if left {
            self.model.wall_steps -= 1;
            self.model.wall_wait = Some(since);
        }
        left
    }
}
