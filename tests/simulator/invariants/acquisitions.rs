//! The times at which acquisitions may start, and how they end (P1, P4, P5, P6).

use std::time::Duration;

use tower_oauth2_client_credentials::{
    Event,
    event::{AcquisitionReason, EventKind},
    source::AcquireContext,
};

use super::{ABANDONED, ACQUISITION, Answer, Cooldown, DEAD_PAUSE, Flight, Held, Model, WAIT};
use crate::{
    faults::Fault,
    world::{BLINK, Moment, World},
};

/// The lifetime for a missing `expires_in`.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);

impl World {
    /// The source is called.
    pub(crate) fn acquisition_starts(&mut self, acquire: &AcquireContext) -> u64 {
        let now = self.now();
        self.model.started += 1;
        let number = self.model.started;
        let aside = self.model.thawing;
        self.note("acquisition", acquire.reason.as_str(), number, acquire.single_attempt.into());
        if self.model.flights.iter().any(|flight| !flight.abandoned) {
            self.violated("P1", format!("acquisition {number} starts beside another"));
        }
        self.starts_in_time(now, acquire);
        // One that is due after a failure or a stall comes first, for any reason.
        let is_early =
            |reason| matches!(reason, AcquisitionReason::Rejected | AcquisitionReason::Forced);
        let asked = match acquire.reason {
            AcquisitionReason::Rejected => self.model.rejected_at,
            _ => self.model.forced_at,
        };
        let is_new = asked.is_some_and(|at| now.since(at) <= BLINK);
        let reason = match acquire.reason {
            early if is_early(early) && self.model.owed && !is_new => AcquisitionReason::Refresh,
            reason => reason,
        };
        if !aside {
            self.starts_for_a_reason(now, reason);
        }
        if is_early(reason) {
            self.starts_out_of_turn(now);
        } else {
            self.starts_in_turn(now);
        }
        self.becomes_suspect(now, reason);
        self.meets_expired(now);
        self.model.flights.push(Flight {
            number,
            reason,
            started: now,
            decided_from: self.decided_from(now),
            attempts: 0,
            sent: now.clock,
            sent_real: self.real(),
            stepped: Duration::ZERO,
            is_masked: false,
            answer: None,
            abandoned: false,
            aside,
        });
        number
    }

    /// P6: not during a cooldown.
    fn starts_in_time(&mut self, now: Moment, acquire: &AcquireContext) {
        if acquire.single_attempt != (self.model.failures > 0) {
            let failures = self.model.failures;
            self.violated("P6", format!("a probe, or not, after {failures} failures"));
        }
        if now.clock < self.model.dead_pause {
            self.violated("P6", "no pause after a token that was dead on arrival".into());
        }
        let usable = self.usable(now).is_some();
        if let Some(cooldown) = self.model.cooldown {
            let from = if usable { cooldown.with_token } else { cooldown.without_token };
            if now.clock < from {
                self.violated("P6", format!("an acquisition in a cooldown until {from:?}"));
            }
        }
    }

    fn starts_for_a_reason(&mut self, now: Moment, reason: AcquisitionReason) {
        let recent = DEAD_PAUSE + BLINK;
        let within = |moment: Option<Moment>| moment.is_some_and(|it| now.since(it) <= recent);
        if !self.plan.keep_warm && self.model.open == 0 && now.since(self.model.last_call) > recent
        {
            self.violated("P11", "an acquisition that nobody asked for".into());
        }
        match reason {
            AcquisitionReason::Missing if self.usable(now).is_some() => {
                self.violated("P4", "an acquisition for a missing token, with one cached".into());
            }
            AcquisitionReason::Missing => self.was_refreshed_in_time(now),
            AcquisitionReason::Refresh => self.is_not_too_early(now),
            AcquisitionReason::Rejected if !within(self.model.rejected_at) => {
                self.violated("P7", "no rejection of the current token is behind it".into());
            }
            AcquisitionReason::Forced if !within(self.model.forced_at) => {
                self.violated("P7", "nobody forced it".into());
            }
            _ => {}
        }
    }

    /// A refresh that comes too early, repeatedly, is a storm.
    fn is_not_too_early(&mut self, now: Moment) {
        let Some(held) = self.model.held else { return };
        let left = held.expires.saturating_sub(held.arrived.clock);
        let earliest = held.arrived.clock + left / if held.again { 2 } else { 3 };
        let earliest = earliest.saturating_sub(held.stepped);
        if now.clock + BLINK < earliest && !self.model.owed {
            self.violated("P6", format!("a refresh before {earliest:?}"));
        }
    }

    /// P4: with traffic and a healthy server, no token expires before it is replaced.
    fn was_refreshed_in_time(&mut self, now: Moment) {
        let Some(held) = self.model.held else { return };
        let least_lead = held.lifetime.mul_f64(0.15);
        let Some(called) = self.model.first_lead_call else { return };
        let slowest = self.plan.latency.longest() + BLINK;
        let well = self.served_from(now).is_some_and(|from| from + least_lead < held.expires)
            && self.model.retry_after.is_zero()
            && self.model.gone_at.is_none_or(|gone| now.since(gone) > WAIT);
        if well && now.is_even(held.arrived) && !held.again && called + slowest < held.expires {
            self.violated("P4", format!("not refreshed though it was due at {called:?}"));
        }
    }

    pub(super) fn flight(&mut self, number: u64) -> Option<&mut Flight> {
        self.model.flights.iter_mut().find(|flight| flight.number == number)
    }

    /// A token request is sent.
    pub(crate) fn attempted(&mut self, number: u64, now: Moment, fault: Option<Fault>) {
        let (probe, real) = (self.model.failures > 0, self.real());
        let Some(flight) = self.flight(number) else { return };
        let (before, last) = (flight.attempts, (flight.sent, flight.answer));
        flight.attempts += 1;
        flight.sent = now.clock;
        flight.sent_real = real;
        flight.answer = None;
        let abandoned = flight.abandoned;
        if abandoned {
            return;
        }
        if before == if probe { 1 } else { 3 } {
            self.violated("P6", format!("more than {before} attempts"));
        }
        match last.1 {
            Some(Answer::Terminal) => self.violated("P6", "an attempt after invalid_client".into()),
            Some(Answer::Later(pause)) if now.clock < last.0 + pause => {
                self.violated("P6", format!("an attempt within a Retry-After of {pause:?}"));
            }
            _ => {}
        }
        if fault.is_some_and(Fault::holds_on) {
            self.model.long_trouble = now.clock;
        } else if fault.is_some() {
            self.model.trouble = now.clock;
        }
    }

    /// A token request is answered.
    pub(crate) fn answered(&mut self, number: u64, answer: Answer) {
        let now = self.now().clock;
        let Some(flight) = self.flight(number) else { return };
        flight.answer = Some(answer);
        match answer {
            Answer::Token { .. } => {}
            Answer::Later(pause) => {
                let capped = pause.min(Duration::from_secs(300)) + Duration::from_secs(1);
                self.model.retry_after = self.model.retry_after.max(now + capped);
                self.model.trouble = now;
            }
            _ => self.model.trouble = now,
        }
    }

    /// The acquisition ends, with a token, an error, or because its future was dropped.
    pub(crate) fn acquisition_ends(&mut self, number: u64, result: Option<bool>) {
        if self.over {
            return;
        }
        let now = self.now();
        let Some(at) = self.model.flights.iter().position(|it| it.number == number) else {
            return;
        };
        let flight = self.model.flights.remove(at);
        if flight.abandoned {
            self.note("late", "", number, 0);
            return;
        }
        if !flight.aside && now.since(flight.started) > ACQUISITION + BLINK {
            self.violated("P3", format!("acquisition {number} went on for too long"));
        }
        if let Some(spell) = self.model.suspect.take() {
            self.model.was_suspect = Some((spell, now));
        }
        if flight.aside {
            self.model.blind = None;
            self.model.long_trouble = now.clock;
        }
        if result.is_none() && self.model.shutting {
            self.goes(now, &flight);
            return;
        }
        self.model.landings.push(now);
        match (result, flight.answer) {
            (Some(true), Some(Answer::Token { token, lifetime })) => {
                self.note("landed", "with token", number, token as u64);
                self.succeeds(now, &flight, token, lifetime.unwrap_or(DEFAULT_LIFETIME));
            }
            (Some(true), _) => self.violated("P12", "a token out of a bad answer".into()),
            (Some(false), Some(Answer::Token { .. })) => {
                self.violated("P12", "an error out of a good answer".into());
            }
            (None, answer) if answer != Some(Answer::Panicked) && !late(now, &flight) => {
                self.violated("P3", format!("acquisition {number} was dropped"));
            }
            (_, answer) => {
                self.note("landed", "failed", number, self.model.failures.into());
                self.fails(now, &flight, answer);
            }
        }
    }

    fn succeeds(&mut self, now: Moment, flight: &Flight, token: usize, lifetime: Duration) {
        self.tally.acquired += 1;
        let lives = lifetime - (lifetime / 10).min(Duration::from_secs(30));
        let (expires, expires_real) = (flight.sent + lives, flight.sent_real + lives);
        let usable = self.usable(now).copied();
        let again = self.model.held.filter(|held| held.token == token);
        if usable.is_some_and(|held| self.real() >= held.expires_real) {
            self.tally.replaced_after_suspend += 1;
        }
        let model = &mut self.model;
        (model.failures, model.cooldown, model.owed, model.surely_owed) = (0, None, false, None);
        model.first_lead_call = None;
        let dead = expires <= now.clock;
        if dead {
            model.dead = Some((token, now));
            model.dead_pause = now.clock + DEAD_PAUSE;
            if usable.is_some() && again.is_none() {
                // Not better than the cached one.
                return;
            }
        }
        model.usable_since = match model.usable_since.filter(|_| usable.is_some()) {
            _ if dead => None,
            Some(since) => Some(since),
            None => Some(now),
        };
        let rejected = again.and_then(|held| held.rejected);
        let again = again.is_some();
        model.held = Some(Held {
            token,
            arrived: now,
            expires,
            expires_real,
            stepped: flight.stepped,
            is_masked: flight.is_masked,
            met_expired: None,
            may_be_sent_expired: false,
            lifetime,
            again,
            rejected,
        });
        if self.model.open > 0 {
            self.meets_expired(now);
        }
    }

    fn fails(&mut self, now: Moment, flight: &Flight, answer: Option<Answer>) {
        self.tally.failed += 1;
        let usable = self.usable(now).is_some();
        let model = &mut self.model;
        let doubled = |first: u64, times: u32| {
            Duration::from_secs(first.saturating_mul(1 << times.min(20)).min(60))
        };
        let mut pause = doubled(1, model.failures);
        if answer == Some(Answer::Terminal) {
            pause = pause.max(doubled(30, model.failures));
        }
        let asked = match answer {
            Some(Answer::Later(asked)) => asked,
            _ => Duration::ZERO,
        };
        let capped = |cap: u64| now.clock + pause.max(asked.min(Duration::from_secs(cap)));
        let latest = pause.mul_f64(1.25).max(asked.min(Duration::from_secs(3600)));
        model.cooldown = Some(Cooldown {
            without_token: capped(300),
            with_token: capped(3600),
            latest_with_token: now.clock + latest,
        });
        model.failures += 1;
        if matches!(flight.reason, AcquisitionReason::Rejected | AcquisitionReason::Forced) {
            model.owed = true;
            model.surely_owed = model.surely_owed.or(Some(now).filter(|_| usable));
        }
        if !matches!(answer, Some(Answer::Bad | Answer::Terminal | Answer::Later(_))) {
            model.long_trouble = now.clock;
        }
        model.trouble = now.clock;
    }

    /// Its runtime was shut down, which is not a failure.
    fn goes(&mut self, now: Moment, flight: &Flight) {
        self.tally.gone += 1;
        self.note("gone", "", flight.number, 0);
        self.model.gone_at = Some(now);
        self.model.owed |=
            matches!(flight.reason, AcquisitionReason::Rejected | AcquisitionReason::Forced);
    }

    /// The cache reports an event. Only facts that are invisible from outside are taken from it.
    pub(crate) fn reported(&mut self, event: &Event) {
        if self.over || !matches!(event.kind(), EventKind::Abandoned { .. }) {
            return;
        }
        let now = self.now();
        self.tally.abandoned += 1;
        self.note("abandoned", "", 0, 0);
        let Model { flights, blind, .. } = &mut self.model;
        let current = flights.iter_mut().find(|flight| !flight.abandoned);
        let mut since = current.as_ref().map(|flight| flight.decided_from);
        if let Some(frozen) = blind.take_if(|_| current.as_ref().is_none_or(|it| it.aside)) {
            let frozen = frozen.since.clock;
            since = Some(since.map_or(frozen, |since| since.min(frozen)));
        }
        if let Some(flight) = current {
            flight.abandoned = true;
            self.model.owed |=
                matches!(flight.reason, AcquisitionReason::Rejected | AcquisitionReason::Forced);
        }
        self.model.owed = true;
        self.model.gone_at = Some(now);
        self.model.long_trouble = now.clock;
        if let Some(spell) = self.model.suspect.take() {
            self.model.was_suspect = Some((spell, now));
        }
        // It may not have called its source yet.
        let since = since.unwrap_or(self.model.dead_pause);
        if now.clock < since + ABANDONED {
            self.violated("P1", "an acquisition was given up too early".into());
        }
    }
}

fn late(now: Moment, flight: &Flight) -> bool {
    now.clock >= flight.started.clock + ACQUISITION
        || flight.aside && now.clock >= flight.started.clock
}
