//! The expectations of promises P1 to P7, computed from the servers' view only, and never from the
//! cache's state.

mod acquisitions;
mod rejections;
mod requests;
mod suspends;

use std::time::Duration;

use tower_oauth2_client_credentials::event::AcquisitionReason;

use crate::{
    faults::Fault,
    world::{BLINK, Moment, World},
};

/// The timeout of one acquisition.
const ACQUISITION: Duration = Duration::from_secs(25);
/// Waiters may abandon an acquisition of this age.
const ABANDONED: Duration = Duration::from_secs(30);
/// A waiter's own deadline.
const WAIT: Duration = Duration::from_secs(30);
/// The longest wait for a replacement of a rejected token, and for another request's trial request.
const SHORT_WAIT: Duration = Duration::from_secs(1);
/// The wait after a token that was expired on arrival.
const DEAD_PAUSE: Duration = Duration::from_secs(1);
/// The time after the server's recovery within which a request may still fail.
const RECOVERY: Duration = Duration::from_secs(75);
/// The duration of an unanswered token request.
const ATTEMPT: Duration = Duration::from_secs(10);

/// The response to a token request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Answer {
    Token {
        token: usize,
        lifetime: Option<Duration>,
    },
    Bad,
    /// Needs operator action.
    Terminal,
    /// Not before this time has passed.
    Later(Duration),
    Stalled,
    Panicked,
}

/// An acquisition in flight.
#[derive(Clone, Copy)]
struct Flight {
    number: u64,
    reason: AcquisitionReason,
    started: Moment,
    /// The earliest time at which the cache decided on it.
    decided_from: Duration,
    attempts: u32,
    /// When the last token request was sent, and its response.
    sent: Duration,
    /// The same in real time, suspends included.
    sent_real: Duration,
    /// As in [`Held`], since it started.
    stepped: Duration,
    is_masked: bool,
    answer: Option<Answer>,
    /// Abandoned by the cache, or on a runtime that was stalled until the acquisition was
    /// abandoned.
    abandoned: bool,
    /// On a separate runtime.
    aside: bool,
}

/// The token that the cache must hold.
#[derive(Clone, Copy)]
struct Held {
    token: usize,
    arrived: Moment,
    expires: Duration,
    /// The same in real time, suspends included.
    expires_real: Duration,
    /// The forward steps of the wall clock since its arrival, correct or not.
    stepped: Duration,
    /// The wall clock was set back since its arrival, which may have hidden a suspend.
    is_masked: bool,
    /// The time at which a call first found it expired in real time.
    met_expired: Option<Moment>,
    /// From then on it may be sent, because the cache could not replace it.
    may_be_sent_expired: bool,
    lifetime: Duration,
    /// The server returned it again.
    again: bool,
    /// The time of its first rejection.
    rejected: Option<Moment>,
}

/// A cooldown: the earliest next acquisition.
#[derive(Clone, Copy)]
struct Cooldown {
    without_token: Duration,
    with_token: Duration,
    /// The latest end with a token: jitter lengthens a cooldown by up to a quarter.
    latest_with_token: Duration,
}

/// A stalled runtime, which may hold an acquisition.
#[derive(Clone, Copy)]
pub(crate) struct Blind {
    since: Moment,
    until: Moment,
}

/// The facts about a request, or another call that gets a token.
#[derive(Clone, Copy, Default)]
pub(crate) struct Call {
    started: Moment,
    kind: Kind,
    sent: u8,
    token: Option<usize>,
    status: Option<u16>,
    rejected_at: Option<Moment>,
    may_replay: bool,
    /// Acquisitions started before it, and whether one was in flight.
    flights: u64,
    flying: bool,
    /// That one is another request's trial request.
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
    /// The start of the uninterrupted time with a usable token.
    usable_since: Option<Moment>,
    /// The last token that was expired on arrival.
    dead: Option<(usize, Moment)>,
    dead_pause: Duration,
    failures: u32,
    cooldown: Option<Cooldown>,
    /// The start of the time with a rejected token; the previous such time.
    suspect: Option<Moment>,
    was_suspect: Option<(Moment, Moment)>,
    rejected_at: Option<Moment>,
    forced_at: Option<Moment>,
    budget: rejections::Budget,
    /// An acquisition outside of the schedule may be due: it failed, or had to wait. The second
    /// field: it is certainly due.
    owed: bool,
    surely_owed: Option<Moment>,
    /// The time from which calls should have started it.
    due_since: Option<Moment>,
    /// The last failure at the token endpoint, and the last one that lasts.
    trouble: Duration,
    long_trouble: Duration,
    retry_after: Duration,
    first_lead_call: Option<Duration>,
    pub(crate) blind: Option<Blind>,
    /// A stalled runtime runs now, or is shut down now.
    thawing: bool,
    /// The last time that such a runtime ran.
    last_thaw: Option<Duration>,
    shutting: bool,
    gone_at: Option<Moment>,
    /// The clock's last step.
    step: Option<(Moment, Duration)>,
    /// The number of steps of the wall clock that have not caused a wait yet, and the wait of the
    /// last one.
    wall_steps: u32,
    last_wall_step: Option<Moment>,
    wall_wait: Option<Moment>,
}

impl Held {
    /// Expired by the server's lifetime and the leeway.
    fn is_usable(&self, now: Moment) -> bool {
        now.clock < self.expires
    }
}

impl World {
    fn usable(&self, now: Moment) -> Option<&Held> {
        self.model.held.as_ref().filter(|held| held.is_usable(now))
    }

    /// The clock makes a step, which may fire timers of acquisitions.
    pub(crate) fn steps(&mut self, step: Duration) {
        self.jumped += step;
        self.tally.jumps += 1;
        let mut now = self.now();
        // It is not made yet.
        now.steady = now.clock.saturating_sub(self.jumped - step);
        self.model.step = Some((now, step));
        self.model.long_trouble = now.clock + step;
        // An acquisition that was due at this instant may be abandoned before it calls its source.
        self.model.owed |= step >= ACQUISITION;
        self.note("clock step", "of seconds", 0, step.as_secs());
    }

    /// A runtime that holds an acquisition may stall.
    pub(crate) fn freezes(&mut self) {
        let now = self.now();
        self.tally.frozen += 1;
        self.note("frozen", "", 0, 0);
        let until = now.after(ABANDONED + DEAD_PAUSE + BLINK);
        self.model.blind = Some(Blind { since: now, until });
    }

    /// The stalled runtime is shut down, with its tasks.
    pub(crate) fn shuts_down(&mut self, begins: bool) {
        self.model.shutting = begins;
        if !begins {
            self.is_gone();
        }
    }

    /// The stalled runtime runs for a moment. A late result is dropped.
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

    /// The earliest instant from which a new request must be served, given the token endpoint's
    /// failures. `None` while they last.
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
