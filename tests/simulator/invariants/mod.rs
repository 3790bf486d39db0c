//! What the promises P1 to P7 lead an observer to expect, reckoned from what the servers saw and
//! sent, and never from the cache's own state.

mod acquisitions;
mod rejections;
mod requests;
mod suspends;

use std::time::Duration;

use tower_oauth2_client_credentials::Reason;

use crate::{
    faults::Fault,
    world::{BLINK, Moment, World},
};

/// One acquisition is bounded by this.
const ACQUISITION: Duration = Duration::from_secs(25);
/// A flight this old may be given up by its waiters.
const ABANDONED: Duration = Duration::from_secs(30);
/// A waiter's own deadline.
const WAIT: Duration = Duration::from_secs(30);
/// The longest wait for a suspect token's replacement, and for somebody else's probe.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// The pause after a token that was dead on arrival.
const DEAD_PAUSE: Duration = Duration::from_secs(1);
/// How long after the server is back the last request may fail.
const RECOVERY: Duration = Duration::from_secs(75);
/// How long a token request hangs that nobody answers.
const ATTEMPT: Duration = Duration::from_secs(10);

/// What a token request was answered with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    Token {
        token: usize,
        lifetime: Option<Duration>,
    },
    Bad,
    /// Only a person can help.
    Terminal,
    /// Not before this is over.
    Later(Duration),
    Stalled,
    Panicked,
}

/// An acquisition under way.
#[derive(Clone, Copy)]
struct Flight {
    number: u64,
    reason: Reason,
    started: Moment,
    /// The cache decided on it no earlier than this.
    decided_from: Duration,
    attempts: u32,
    /// When the last token request was sent, and its answer.
    sent: Duration,
    /// The same in real time, suspends included.
    sent_real: Duration,
    /// As of [`Held`], since it started.
    stepped: Duration,
    is_masked: bool,
    answer: Option<Answer>,
    /// Given up by the cache, or of a runtime that stood still until it was.
    abandoned: bool,
    /// On a runtime of its own.
    aside: bool,
}

/// The token that the cache must have at hand.
#[derive(Clone, Copy)]
struct Held {
    token: usize,
    arrived: Moment,
    expires: Duration,
    /// The same in real time, suspends included.
    expires_real: Duration,
    /// By how much the wall clock stepped forward since it arrived, rightly or not.
    stepped: Duration,
    /// The wall clock was set back since it arrived: it may have hidden a suspend.
    is_masked: bool,
    /// When a call first met it expired in real time.
    met_expired: Option<Moment>,
    /// From then on it may be sent: the cache could not replace it.
    may_be_sent_expired: bool,
    lifetime: Duration,
    /// The server handed it out again.
    again: bool,
    /// When it was rejected first.
    rejected: Option<Moment>,
}

/// A pause after failures: the earliest next acquisition.
#[derive(Clone, Copy)]
struct Cooldown {
    without_token: Duration,
    with_token: Duration,
    /// The latest end with a token: jitter lengthens a pause by up to a quarter.
    latest_with_token: Duration,
}

/// A runtime that stands still, and may have a flight.
#[derive(Clone, Copy)]
pub(crate) struct Blind {
    since: Moment,
    until: Moment,
}

/// What is known of a request, or another call that gets a token.
#[derive(Clone, Copy, Default)]
pub(crate) struct Call {
    started: Moment,
    kind: Kind,
    sent: u8,
    token: Option<usize>,
    status: Option<u16>,
    rejected_at: Option<Moment>,
    may_replay: bool,
    /// Acquisitions started before it, and whether one was under way.
    flights: u64,
    flying: bool,
    /// That one is a probe of somebody else's.
    probing: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
pub(crate) enum Kind {
    /// Through a layer.
    #[default]
    Request,
    /// `TokenCache::get`.
    Get,
    /// `TokenCache::force_refresh`.
    Force,
}

#[derive(Default)]
pub(crate) struct Model {
    calls: Vec<Call>,
    pub(crate) open: usize,
    last_call: Moment,
    flights: Vec<Flight>,
    started: u64,
    landings: Vec<Moment>,
    held: Option<Held>,
    /// Since when a token that may be used is at hand without a break.
    usable_since: Option<Moment>,
    /// The last token that was dead on arrival.
    dead: Option<(usize, Moment)>,
    dead_pause: Duration,
    failures: u32,
    cooldown: Option<Cooldown>,
    /// Since when a rejected token is suspect; the spell before this one.
    suspect: Option<Moment>,
    was_suspect: Option<(Moment, Moment)>,
    rejected_at: Option<Moment>,
    forced_at: Option<Moment>,
    budget: rejections::Budget,
    /// An acquisition out of turn may still be owed: it failed, or had to wait. Then surely.
    owed: bool,
    surely_owed: Option<Moment>,
    /// Since when calls should have made it start.
    due_since: Option<Moment>,
    /// The last sign of trouble at the token endpoint, and of one that holds on.
    trouble: Duration,
    long_trouble: Duration,
    retry_after: Duration,
    first_lead_call: Option<Duration>,
    pub(crate) blind: Option<Blind>,
    /// What stood still is driven now, by hand; or its runtime is shut down now.
    thawing: bool,
    /// When one that stood still was driven last.
    last_thaw: Option<Duration>,
    shutting: bool,
    gone_at: Option<Moment>,
    /// The clock's last step.
    step: Option<(Moment, Duration)>,
    /// How many steps of the wall clock have not cost a wait yet, and the wait that the last one cost.
    wall_steps: u32,
    last_wall_step: Option<Moment>,
    wall_wait: Option<Moment>,
}

impl Held {
    /// Expired by the server's statement and the leeway.
    fn is_usable(&self, now: Moment) -> bool {
        now.clock < self.expires
    }
}

impl World {
    fn usable(&self, now: Moment) -> Option<&Held> {
        self.model.held.as_ref().filter(|held| held.is_usable(now))
    }

    /// The clock makes a step: timers of acquisitions may run out with it.
    pub(crate) fn steps(&mut self, step: Duration) {
        self.jumped += step;
        self.tally.jumps += 1;
        let mut now = self.now();
        // It is still to be made.
        now.steady = now.clock.saturating_sub(self.jumped - step);
        self.model.step = Some((now, step));
        self.model.long_trouble = now.clock + step;
        // What was to start at this instant may be given up before it asks.
        self.model.owed |= step >= ACQUISITION;
        self.note("clock step", "of seconds", 0, step.as_secs());
    }

    /// A runtime may be left standing still with a flight.
    pub(crate) fn freezes(&mut self) {
        let now = self.now();
        self.tally.frozen += 1;
        self.note("frozen", "", 0, 0);
        let until = now.after(ABANDONED + DEAD_PAUSE + BLINK);
        self.model.blind = Some(Blind { since: now, until });
    }

    /// The runtime that stood still is shut down; what it had is gone.
    pub(crate) fn shuts_down(&mut self, begins: bool) {
        self.model.shutting = begins;
        if !begins {
            self.is_gone();
        }
    }

    /// The runtime that stood still is driven for a moment. What comes too late is given up.
    pub(crate) fn thaws(&mut self, begins: bool) {
        self.model.thawing = begins;
        let now = self.now().clock;
        if !begins {
            self.model.last_thaw = Some(now);
        }
        let late = self.model.blind.is_some_and(|it| now >= it.since.clock + ACQUISITION);
        if !begins && late && !self.model.flights.iter().any(|flight| flight.aside) {
            self.is_gone();
        }
    }

    fn is_gone(&mut self) {
        if self.model.blind.take().is_none() {
            return;
        }
        let now = self.now();
        self.tally.gone += 1;
        self.note("gone", "", 0, 0);
        if self.model.flights.is_empty()
            && let Some(spell) = self.model.suspect.take()
        {
            self.model.was_suspect = Some((spell, now));
        }
        self.model.gone_at = Some(now);
        self.model.owed = true;
        self.model.long_trouble = now.clock;
    }

    fn is_blind(&self, now: Moment) -> bool {
        self.model.blind.is_some_and(|blind| now.steady < blind.until.steady)
    }

    /// The earliest instant at which a request that starts must be served, as far as the token
    /// endpoint's troubles go; `None` while they last.
    fn served_from(&self, now: Moment) -> Option<Duration> {
        let latency = self.plan.latency.longest();
        if self.plan.window(now.clock).is_some() || latency >= ATTEMPT || self.is_blind(now) {
            return None;
        }
        let window = self.plan.last_window(now.clock);
        let (to, fault) = window.map_or((Duration::ZERO, Fault::Refused), |it| (it.to, it.fault));
        let blind = self.model.blind.map_or(Duration::ZERO, |blind| blind.until.clock);
        let slow = latency > SHORT_WAIT || fault.holds_on();
        let short = self.model.trouble.max(to) + RECOVERY + if slow { ATTEMPT } else { BLINK };
        let long = self.model.long_trouble.max(blind) + RECOVERY + ATTEMPT;
        Some(short.max(long).max(self.model.retry_after) + BLINK)
    }
}
