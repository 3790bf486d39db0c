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
        self.budget.ask(now);
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

    /// A caller wants a new token though the cached one may be good. Draws on the budget of rejections.
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
        self.budget.ask(now);
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
        let too_soon = self.budget.wait(now, &settings.backoff);
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
            self.put_off(now);
            return (Rejection::HandBack, RejectionResponse::CoolingDown { next_in });
        }
        if !can_launch {
            // The next request on a runtime starts it.
            self.put_off(now);
            return (Rejection::HandBack, RejectionResponse::NoRuntime);
        }
        if !self.overdue {
            self.take_from_budget(now);
        }
        let flight = self.start(reason, now, settings);
        followup.launch = Some(Arc::clone(&flight));
        (Rejection::Wait(flight), RejectionResponse::Acquiring)
    }

    /// Takes one acquisition from the budget, to be started as soon as possible.
    fn put_off(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.overdue, true) {
            self.take_from_budget(now);
        }
    }

    fn take_from_budget(&mut self, now: Instant) {
        self.budget.take(now);
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

    /// A state with a token.
    fn with_token(now: Instant) -> (State, Token) {
        let mut state = State::default();
        let Decision::Wait { flight, .. } = state.consult(now, true, &Settings::default()).0 else {
            panic!("there is no token")
        };
        let token = landed(&mut state, &flight, "first", now);
        (state, token)
    }

    /// The acquisition is put off until a runtime is available, and counts once for all rejections in
    /// between.
    #[test]
    fn rejections_without_a_runtime_take_one_acquisition_from_the_budget() {
        let (settings, mut now) = (Settings::default(), Instant::now());
        let (mut state, mut token) = with_token(now);
        for _ in 0..100 {
            let (rejection, _) = state.reject(&token, now, false, &settings);
            assert!(matches!(rejection, Rejection::HandBack));
            now += Duration::from_secs(10);
        }
        for secret in ["second", "third", "fourth"] {
            let Rejection::Wait(flight) = state.reject(&token, now, true, &settings).0 else {
                panic!("the budget allows the {secret}")
            };
            token = landed(&mut state, &flight, secret, now);
        }
        let mut reject = |after| {
            let (rejection, _) = state.reject(&token, now + after, true, &settings);
            matches!(rejection, Rejection::Wait(_))
        };
        assert!(!reject(Duration::from_secs(59)) && reject(Duration::from_secs(60)));
    }

    /// 1,000 requests a second for 10 minutes.
    #[test]
    fn any_share_of_rejections_costs_three_acquisitions_in_a_minute_and_six_in_ten() {
        let settings = Settings::default();
        for share in [0.001, 0.01, 0.3, 1.0] {
            let start = Instant::now();
            let (mut state, mut token) = with_token(start);
            let mut random = fastrand::Rng::with_seed(7);
            let mut times = Vec::new();
            for request in 0..600_000_u64 {
                let now = start + Duration::from_millis(request);
                let rejected = random.f64() < share;
                if rejected
                    && let Rejection::Wait(flight) = state.reject(&token, now, true, &settings).0
                {
                    times.push(now - start);
                    token = landed(&mut state, &flight, &format!("t{request}"), now);
                }
            }
            let first_minute = times.iter().filter(|at| at.as_secs() < 60).count();
            assert!(first_minute == 3 && times.len() == 6, "share {share}: {times:?}");
        }
    }
    /// A flight that nobody drives is given up, again and again; the rejection is not forgotten.
    #[test]
    fn an_acquisition_that_a_rejection_asked_for_is_repeated_after_it_is_abandoned() {
        let (settings, mut now) = (Settings::default(), Instant::now());
        let (mut state, token) = with_token(now);
        let Rejection::Wait(mut flight) = state.reject(&token, now, true, &settings).0 else {
            panic!("the budget is full")
        };
        for _ in 0..3 {
            let before = flight.abandoned_at - Duration::from_millis(1);
            assert!(state.consult(before, true, &settings).1.launch.is_none());
            now = flight.abandoned_at;
            let launched = state.consult(now, true, &settings).1.launch;
            flight = launched.expect("the acquisition was forgotten");
            assert_eq!(flight.reason, Reason::Ahead);
        }
        landed(&mut state, &flight, "second", now);
        assert!(state.consult(now, true, &settings).1.launch.is_none());
    }
}
