//! What follows when an API rejects a token, or the user wants another one: acquisitions out of
//! turn, and their budget.

use std::time::Duration;

use tokio::time::Instant;

use super::{Followup, State};
use crate::{
    cache::{flight::Flight, settings::Settings, snapshot::Snapshot},
    event::{Event, Reason, RejectionResponse},
    sync::Arc,
    token::Token,
};

/// What a rejected request does next.
pub(in crate::cache) enum Rejection {
    /// The cache holds another token already.
    Newer(Arc<Snapshot>),
    /// The rejected token is not the held one, or has expired: get one as any request does.
    Stale,
    /// Wait for the flight.
    Wait(Arc<Flight>),
    /// Hand the API's answer back.
    HandBack,
}

impl State {
    /// An API rejected a token.
    pub(in crate::cache) fn reject(
        &mut self,
        token: &Token,
        now: Instant,
        can_launch: bool,
        settings: &Settings,
    ) -> (Rejection, Followup) {
        let mut followup = self.abandon(now);
        if !self.holds(token) {
            let usable = self.usable(now);
            let newer = self.held.clone().filter(|_| usable);
            return (newer.map_or(Rejection::Stale, Rejection::Newer), followup);
        }
        if !self.usable(now) {
            return (Rejection::Stale, followup);
        }
        self.rejected = true;
        self.budget.rejected(now);
        let (rejection, response) =
            self.hasten(Reason::Rejected, now, can_launch, settings, &mut followup);
        let reported = match response {
            RejectionResponse::Joined => self.suspect_until.is_some(),
            RejectionResponse::TooSoon { .. } => {
                std::mem::replace(&mut self.too_soon_reported, true)
            }
            RejectionResponse::CoolingDown { .. } | RejectionResponse::NoRuntime => {
                std::mem::replace(&mut self.put_off_reported, true)
            }
            // If it fails, that is told.
            RejectionResponse::Acquiring => {
                self.put_off_reported = true;
                false
            }
        };
        if let Rejection::Wait(_) = rejection {
            self.suspect_until.get_or_insert(now + settings.suspect_wait);
        }
        if !reported {
            followup.events.push(Event::Rejected { response });
        }
        (rejection, followup)
    }

    /// Somebody wants a new token though the held one may be good: it draws on the budget of rejections.
    pub(in crate::cache) fn force(
        &mut self,
        now: Instant,
        can_launch: bool,
        settings: &Settings,
    ) -> (Rejection, Followup) {
        let mut followup = self.abandon(now);
        if !self.usable(now) {
            return (Rejection::Stale, followup);
        }
        let (rejection, _) = self.hasten(Reason::Forced, now, can_launch, settings, &mut followup);
        (rejection, followup)
    }

    /// An acquisition out of turn, as far as the budget and the cooldown allow it.
    fn hasten(
        &mut self,
        reason: Reason,
        now: Instant,
        can_launch: bool,
        settings: &Settings,
        followup: &mut Followup,
    ) -> (Rejection, RejectionResponse) {
        if let Some(flight) = &self.flight {
            return (Rejection::Wait(Arc::clone(flight)), RejectionResponse::Joined);
        }
        let too_soon = self.budget.wait(now);
        // While one is overdue, no fresh token has come that this rejection could be of.
        if !too_soon.is_zero() && !self.overdue {
            return (Rejection::HandBack, RejectionResponse::TooSoon { next_in: too_soon });
        }
        let next_in = self
            .cooldown
            .as_ref()
            .map_or(Duration::ZERO, |cooldown| cooldown.until(true).saturating_duration_since(now));
        if !(too_soon.is_zero() && next_in.is_zero()) {
            // The rejection's acquisition is the one that follows the cooldown.
            if !std::mem::replace(&mut self.overdue, true) {
                self.take_budget(now, settings);
            }
            return (Rejection::HandBack, RejectionResponse::CoolingDown { next_in });
        }
        if !can_launch {
            // The next request on a runtime starts it.
            if !std::mem::replace(&mut self.overdue, true) {
                self.take_budget(now, settings);
            }
            return (Rejection::HandBack, RejectionResponse::NoRuntime);
        }
        self.take_budget(now, settings);
        let flight = self.start(reason, now, settings);
        followup.launch = Some(Arc::clone(&flight));
        (Rejection::Wait(flight), RejectionResponse::Acquiring)
    }

    fn take_budget(&mut self, now: Instant, settings: &Settings) {
        self.budget.take(now, &settings.backoff);
        self.too_soon_reported = false;
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use super::*;
    use crate::cache::state::Decision;

    fn landed(state: &mut State, flight: &Arc<Flight>, secret: &str, now: Instant) -> Token {
        let lifetime = Duration::from_secs(86_400);
        let token = Token::bearer(secret).unwrap().with_lifetime(lifetime);
        state.land(flight, Some(Ok(token.clone())), now, 0.5, &Settings::default());
        token
    }

    /// The acquisition is put off until there is a runtime, and counts once for all those in between.
    #[test]
    fn rejections_without_a_runtime_count_once() {
        let (mut state, settings, mut now) =
            (State::default(), Settings::default(), Instant::now());
        let Decision::Wait { flight, .. } = state.consult(now, true, &settings).0 else {
            panic!("there is no token")
        };
        let first = landed(&mut state, &flight, "first", now);
        for _ in 0..100 {
            let (rejection, _) = state.reject(&first, now, false, &settings);
            assert!(matches!(rejection, Rejection::HandBack));
            now += Duration::from_secs(10);
        }
        let Rejection::Wait(flight) = state.reject(&first, now, true, &settings).0 else {
            panic!("it is overdue")
        };
        let second = landed(&mut state, &flight, "second", now);
        // Two of three are left, and the next one comes 60 s after them.
        let mut current = second;
        for (nth, (after, starts)) in
            [(0, true), (0, true), (59, false), (60, true)].into_iter().enumerate()
        {
            let at = now + Duration::from_secs(after);
            let (rejection, _) = state.reject(&current, at, true, &settings);
            let Rejection::Wait(flight) = rejection else {
                assert!(!starts, "after {after} s");
                continue;
            };
            assert!(starts, "after {after} s");
            current = landed(&mut state, &flight, &format!("later-{nth}"), at);
        }
    }
}
