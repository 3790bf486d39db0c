//! What follows when an acquisition ends.

use std::time::Duration;

use tokio::time::Instant;

use super::{Followup, State};
use crate::{
    cache::{
        backoff::Cooldown,
        flight::{Flight, Outcome},
        schedule::{Arrival, Deadlines},
        settings::Settings,
        snapshot::{Replaced, Snapshot},
        suspend::{Baseline, SuspendWatch},
    },
    error::Error,
    event::{Event, Reason},
    sync::{Arc, Fault, Striped, broken},
    token::Token,
};

/// After a token that was dead on arrival, the next acquisition starts this much later.
const PAUSE_AFTER_DEAD: Duration = Duration::from_secs(1);

impl State {
    /// The flight came to an end of its own. One that was replaced meanwhile changes nothing.
    pub(in crate::cache) fn land(
        &mut self,
        flight: &Arc<Flight>,
        result: Option<Result<Token, Error>>,
        now: Instant,
        draw: f64,
        settings: &Settings,
    ) -> Followup {
        let current = self.flight.as_ref().is_some_and(|current| current.id == flight.id);
        if !current && !broken(Fault::LandsLate) {
            return Followup::default();
        }
        self.flight = None;
        self.suspect_until = None;
        let (outcome, events) = match result {
            // Nobody's failure: the next request starts another.
            None => {
                self.overdue |= flight.owed;
                (Outcome::Gone, Vec::new())
            }
            // Those who wait look again, and start another.
            Some(Ok(token)) if self.is_withdrawn(&token, flight.starts_at) => {
                (Outcome::Gone, Vec::new())
            }
            Some(Ok(token)) => self.succeed(flight, token, now, draw, settings),
            Some(Err(error)) => self.fail(flight, error, now, draw, settings),
        };
        Followup { launch: None, ended: Some((Arc::clone(flight), outcome)), events }
    }

    fn succeed(
        &mut self,
        flight: &Flight,
        token: Token,
        now: Instant,
        draw: f64,
        settings: &Settings,
    ) -> (Outcome, Vec<Event>) {
        self.cooldown = None;
        self.overdue = false;
        let same_token = self.holds(&token);
        // With the wait for a turn, where it is one of many: the next one may wait as long, and the
        // lead is there so that it comes in time all the same.
        let took = now.saturating_duration_since(flight.starts_at);
        let Deadlines { refresh_at, expires_at, lifetime } =
            settings.schedule.deadlines(&Arrival {
                issued_at: token.issued_at().unwrap_or(flight.starts_at).min(now),
                arrived_at: now,
                lifetime: token.lifetime().or_else(|| {
                    Some(settings.schedule.default_lifetime.saturating_sub(token.age()))
                }),
                refresh_in: token.refresh_in(),
                took,
                first: !self.seasoned,
                same_token,
                draw,
            });
        self.seasoned = true;
        let remaining =
            self.held.as_ref().map(|held| held.expires_at.saturating_duration_since(now));
        let event = match (flight.reason, remaining) {
            (Reason::Ahead, Some(remaining)) if !remaining.is_zero() => {
                Event::RefreshedAhead { took, lifetime, remaining }
            }
            (reason, _) => Event::Acquired { reason, took, lifetime },
        };
        let dead = expires_at <= now;
        self.not_before = dead.then(|| now + PAUSE_AFTER_DEAD);
        let snapshot = Arc::new(Snapshot {
            token,
            look_at: refresh_at,
            wall_limit: i64::MAX,
            wall_start: i64::MIN,
            clock: settings.clock.clone(),
            refresh_at,
            expires_at,
            dead_on_arrival: dead,
            replaced: Replaced::default(),
            copies: Striped::default(),
        });
        if dead && !same_token && self.usable(now) {
            // What came is no better than what is held.
            return (Outcome::Token(snapshot), vec![event]);
        }
        if !same_token {
            self.rejected = false;
        }
        self.held = Some(snapshot);
        // The machine may have been suspended during the acquisition.
        let asked = flight.asked.get().copied();
        self.suspends =
            SuspendWatch::since(asked.unwrap_or_else(|| Baseline::now(&settings.clock)));
        self.wall_expires_at = None;
        if !same_token {
            self.refills_budget = true;
        }
        let suspended = self.observe_clocks(now, settings);
        let events = [event].into_iter().chain(suspended).collect();
        (Outcome::Token(self.settled(now)), events)
    }

    fn fail(
        &mut self,
        flight: &Flight,
        error: Error,
        now: Instant,
        draw: f64,
        settings: &Settings,
    ) -> (Outcome, Vec<Event>) {
        // The wish for another token outlives the failure; the cooldown spaces it from here.
        self.overdue |= flight.owed;
        let previous = self.cooldown.as_ref();
        let cooldown = Cooldown::after(previous, error.clone(), now, draw, &settings.backoff);
        let event = Event::Failed {
            reason: flight.reason,
            took: now.saturating_duration_since(flight.starts_at),
            error,
            failures: cooldown.failures,
            next_attempt_in: cooldown.until(self.usable(now)) - now,
        };
        let shared = cooldown.remembered(now);
        self.cooldown = Some(cooldown);
        (Outcome::Failed(shared), vec![event])
    }
}
