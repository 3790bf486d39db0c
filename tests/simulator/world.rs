//! The state of a run, behind one lock: the plan, the state of the authorization server and the
//! APIs, the observed events, and the expectations.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use fastrand::Rng;
use tokio::time::Instant;

use crate::{faults::Plan, invariants::Model, trail::Trail};

/// Timers have a resolution of a millisecond.
pub(crate) const BLINK: Duration = Duration::from_millis(2);

/// An instant: on the clock, and without the clock's steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Moment {
    pub(crate) steady: Duration,
    pub(crate) clock: Duration,
}

impl Moment {
    /// The time since an earlier moment, without steps of the clock.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.steady.saturating_sub(earlier.steady)
    }

    pub(crate) fn after(self, time: Duration) -> Self {
        Self { steady: self.steady + time, clock: self.clock + time }
    }

    pub(crate) fn later(self, other: Self) -> Self {
        if other.steady > self.steady { other } else { self }
    }

    /// Whether the clock made no step in between.
    pub(crate) fn is_even(self, earlier: Self) -> bool {
        self.clock.saturating_sub(earlier.clock) == self.since(earlier)
    }
}

/// A token as the server knows it.
pub(crate) struct Issued {
    /// When the server stops accepting it.
    pub(crate) dies_at: Duration,
    pub(crate) states_lifetime: bool,
    pub(crate) revoked: bool,
}

/// Counts of the cases that a test needs. A simulator that never reaches them proves nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) token_requests: u64,
    pub(crate) acquired: u64,
    pub(crate) failed: u64,
    pub(crate) abandoned: u64,
    pub(crate) gone: u64,
    pub(crate) replayed: u64,
    pub(crate) refused_in_cooldown: u64,
    pub(crate) dead_on_arrival: u64,
    pub(crate) suspect_waits: u64,
    pub(crate) out_of_turn: u64,
    pub(crate) same_token: u64,
    pub(crate) dropped: u64,
    pub(crate) jumps: u64,
    pub(crate) frozen: u64,
    pub(crate) suspends: u64,
    pub(crate) wall_steps: u64,
    pub(crate) replaced_after_suspend: u64,
}

impl Tally {
    pub(crate) fn named(&self) -> [(&'static str, u64); 18] {
        [
            ("requests", self.requests),
            ("token requests", self.token_requests),
            ("tokens", self.acquired),
            ("failed acquisitions", self.failed),
            ("abandoned", self.abandoned),
            ("gone with their runtime", self.gone),
            ("replays", self.replayed),
            ("errors in a cooldown", self.refused_in_cooldown),
            ("sent dead on arrival", self.dead_on_arrival),
            ("waits for a suspect token", self.suspect_waits),
            ("acquisitions out of turn", self.out_of_turn),
            ("same token again", self.same_token),
            ("callers dropped", self.dropped),
            ("clock steps", self.jumps),
            ("runtimes frozen", self.frozen),
            ("suspends", self.suspends),
            ("wall clock steps", self.wall_steps),
            ("tokens replaced after a suspend", self.replaced_after_suspend),
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.token_requests += other.token_requests;
        self.acquired += other.acquired;
        self.failed += other.failed;
        self.abandoned += other.abandoned;
        self.gone += other.gone;
        self.replayed += other.replayed;
        self.refused_in_cooldown += other.refused_in_cooldown;
        self.dead_on_arrival += other.dead_on_arrival;
        self.suspect_waits += other.suspect_waits;
        self.out_of_turn += other.out_of_turn;
        self.same_token += other.same_token;
        self.dropped += other.dropped;
        self.jumps += other.jumps;
        self.frozen += other.frozen;
        self.suspends += other.suspends;
        self.wall_steps += other.wall_steps;
        self.replaced_after_suspend += other.replaced_after_suspend;
    }
}

pub(crate) struct World {
    started: Instant,
    pub(crate) jumped: Duration,
    /// Real time spent in suspends, which the monotonic clock does not count.
    pub(crate) suspended: Duration,
    /// The error of the wall clock in seconds.
    pub(crate) wall_set: i64,
    pub(crate) rng: Rng,
    pub(crate) plan: Plan,
    pub(crate) issued: Vec<Issued>,
    pub(crate) model: Model,
    pub(crate) trail: Trail,
    pub(crate) tally: Tally,
    /// The first broken promise. The run ends there.
    pub(crate) violation: Option<String>,
    /// The run is over: later drops are not events.
    pub(crate) over: bool,
}

pub(crate) type Shared = Arc<Mutex<World>>;

impl World {
    pub(crate) fn new(plan: Plan, rng: Rng) -> Self {
        Self {
            started: Instant::now(),
            jumped: Duration::ZERO,
            suspended: Duration::ZERO,
            wall_set: 0,
            rng,
            plan,
            issued: Vec::new(),
            model: Model::default(),
            trail: Trail::default(),
            tally: Tally::default(),
            violation: None,
            over: false,
        }
    }

    pub(crate) fn now(&self) -> Moment {
        let clock = Instant::now() - self.started;
        Moment { clock, steady: clock.saturating_sub(self.jumped) }
    }

    /// Real time since the start, suspends included. Servers use it.
    pub(crate) fn real(&self) -> Duration {
        self.now().clock + self.suspended
    }

    /// Steps of the clock don't count, so each run has its full time of traffic.
    pub(crate) fn goes_on(&self) -> bool {
        self.violation.is_none() && self.now().steady < self.plan.span
    }

    pub(crate) fn note(&mut self, what: &'static str, note: &'static str, of: u64, detail: u64) {
        let at = self.now().clock;
        self.trail.push(at, what, note, of, detail);
    }

    pub(crate) fn violated(&mut self, promise: &str, how: String) {
        let at = self.now().clock.as_secs_f64();
        self.violation.get_or_insert_with(|| format!("{promise} at {at:.3} s: {how}"));
    }
}

pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, World> {
    shared.lock().expect("nothing panics under this lock")
}
