//! Rejected tokens and forced refreshes: early acquisitions, and the rejection budget.

use std::time::Duration;

use tokio::time::Instant;

use super::{Effects, State};
use crate::{
    cache::{acquisition::Acquisition, settings::Settings, snapshot::Snapshot},
    event::{AcquisitionReason, EventKind, RejectionAction},
    sync::Arc,
    token::Token,
};

/// What a rejected request does next.
pub(in crate::cache) enum Rejection {
    /// The cache holds another token already.
    Newer(Arc<Snapshot>),
    /// The rejected token is not the cached one, or has expired. The request gets a token as any
    /// other request does.
    Stale,
    /// Wait for the acquisition.
    Wait(Arc<Acquisition>),
    /// No other token is available: return the API's response.
    NotReplaced,
}

impl State {
    /// Handles a token that an API rejected. `origin`: the API's, if it is known.
    pub(in crate::cache) fn reject(
        &mut self,
        token: &Token,
        origin: Option<String>,
        now: Instant,
        can_start: bool,
        settings: &Settings,
    ) -> (Rejection, Effects) {
        let mut effects = self.abandon(now);
        if !self.holds(token) {
            // It may be offered again. Only tokens that this cache held are remembered, so that other
            // ones cannot displace them.
            if self.replaced_by_offer.as_ref().is_some_and(|replaced| replaced.same_secret(token)) {
                self.remember_rejected(token);
            }
            let newer = self.held.clone().filter(|held| now < held.expires_at);
            return (newer.map_or(Rejection::Stale, Rejection::Newer), effects);
        }
        if !self.has_unexpired(now) {
            return (Rejection::Stale, effects);
        }
        if !std::mem::replace(&mut self.held_rejected, true) {
            self.remember_rejected(token);
        }
        self.backoff.budget.record_rejection(now);
        let (rejection, action) =
            self.acquire_early(AcquisitionReason::Rejected, now, can_start, settings, &mut effects);
        let was_reported = match action {
            RejectionAction::Joined => self.replacement_wait_until.is_some(),
            RejectionAction::BudgetExhausted { .. } => {
                std::mem::replace(&mut self.too_soon_reported, true)
            }
            RejectionAction::CoolingDown { .. } | RejectionAction::NoRuntime => {
                std::mem::replace(&mut self.postponed_reported, true)
            }
            // A failure has its own event.
            RejectionAction::Acquiring => {
                self.postponed_reported = true;
                false
            }
        };
        if let Rejection::Wait(_) = rejection {
            self.replacement_wait_until.get_or_insert(now + settings.rejected_token_wait);
        }
        if !was_reported {
            effects.events.push(EventKind::Rejected { action, origin });
        }
        (rejection, effects)
    }

    /// A caller wants a new token although the cached one may be valid. Draws on the rejection
    /// budget.
    pub(in crate::cache) fn force_refresh(
        &mut self,
        now: Instant,
        can_start: bool,
        settings: &Settings,
    ) -> (Rejection, Effects) {
        let mut effects = self.abandon(now);
        if !self.has_unexpired(now) {
            return (Rejection::Stale, effects);
        }
        self.backoff.budget.record_rejection(now);
        let (rejection, _) =
            self.acquire_early(AcquisitionReason::Forced, now, can_start, settings, &mut effects);
        (rejection, effects)
    }

    /// Starts an acquisition before the scheduled refresh, if the rejection budget and the cooldown
    /// allow it.
    fn acquire_early(
        &mut self,
        reason: AcquisitionReason,
        now: Instant,
        can_start: bool,
        settings: &Settings,
        effects: &mut Effects,
    ) -> (Rejection, RejectionAction) {
        if let Some(acquisition) = &self.acquisition {
            return (Rejection::Wait(Arc::clone(acquisition)), RejectionAction::Joined);
        }
        let too_soon = self.backoff.budget.wait(now, &settings.timing.backoff);
        // While an acquisition is pending, the rejected token is not a fresh one.
        if !too_soon.is_zero() && !self.rejection_pending {
            return (
                Rejection::NotReplaced,
                RejectionAction::BudgetExhausted { next_in: too_soon },
            );
        }
        let next_in =
            self.backoff.failure.as_ref().map_or(Duration::ZERO, |failure| {
                failure.until(true).saturating_duration_since(now)
            });
        if !(too_soon.is_zero() && next_in.is_zero()) {
            // The acquisition after the cooldown is the one for this rejection.
            self.postpone(now);
            return (Rejection::NotReplaced, RejectionAction::CoolingDown { next_in });
        }
        if !can_start {
            // The next request on a runtime starts it.
            self.postpone(now);
            return (Rejection::NotReplaced, RejectionAction::NoRuntime);
        }
        if !self.rejection_pending {
            self.backoff.budget.take(now);
        }
        let acquisition = self.start(reason, now, settings);
        effects.start = Some(Arc::clone(&acquisition));
        (Rejection::Wait(acquisition), RejectionAction::Acquiring)
    }

    /// Takes one acquisition from the rejection budget, to be started as soon as possible.
    fn postpone(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.rejection_pending, true) {
            self.backoff.budget.take(now);
        }
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use super::*;
    use crate::cache::state::{Decision, Lookup};

    fn complete(state: &mut State, acquisition: &Acquisition, secret: &str, now: Instant) -> Token {
        let lifetime = Duration::from_secs(86_400);
        let token = Token::bearer(secret).unwrap().with_lifetime(lifetime);
        state.complete(acquisition, Some(Ok(token.clone())), now, 0.5, &Settings::default());
        token
    }

    /// A state with a token.
    fn with_token(now: Instant) -> (State, Token) {
        let mut state = State::default();
        let (decision, _) = state.decide(Lookup::Token, now, true, &Settings::default());
        let Decision::Wait { acquisition, .. } = decision else { panic!("there is no token") };
        let token = complete(&mut state, &acquisition, "first", now);
        (state, token)
    }

    /// The acquisition is postponed until a runtime is available, and counts once for all rejections in
    /// between.
    #[test]
    fn rejections_without_a_runtime_take_one_acquisition_from_the_budget() {
        let (settings, mut now) = (Settings::default(), Instant::now());
        let (mut state, mut token) = with_token(now);
        for _ in 0..100 {
            let (rejection, _) = state.reject(&token, None, now, false, &settings);
            assert!(matches!(rejection, Rejection::NotReplaced));
            now += Duration::from_secs(10);
        }
        for secret in ["second", "third", "fourth"] {
            let Rejection::Wait(acquisition) = state.reject(&token, None, now, true, &settings).0
            else {
                panic!("the budget allows the {secret}")
            };
            token = complete(&mut state, &acquisition, secret, now);
        }
        let mut reject = |after| {
            let (rejection, _) = state.reject(&token, None, now + after, true, &settings);
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
                    && let Rejection::Wait(acquisition) =
                        state.reject(&token, None, now, true, &settings).0
                {
                    times.push(now - start);
                    token = complete(&mut state, &acquisition, &format!("t{request}"), now);
                }
            }
            let first_minute = times.iter().filter(|at| at.as_secs() < 60).count();
            assert!(first_minute == 3 && times.len() == 6, "share {share}: {times:?}");
        }
    }

    /// An acquisition on a stalled runtime is abandoned several times. The rejection is still
    /// pending.
    #[test]
    fn an_acquisition_that_a_rejection_asked_for_is_repeated_after_it_is_abandoned() {
        let (settings, mut now) = (Settings::default(), Instant::now());
        let (mut state, token) = with_token(now);
        let Rejection::Wait(mut acquisition) = state.reject(&token, None, now, true, &settings).0
        else {
            panic!("the budget is full")
        };
        assert!(acquisition.plan.rejected.as_ref().is_some_and(|it| it.same_secret(&token)));
        let started =
            |state: &mut State, now| state.decide(Lookup::Token, now, true, &settings).1.start;
        for _ in 0..3 {
            let abandoned_at = acquisition.plan.abandoned_at;
            assert!(started(&mut state, abandoned_at - Duration::from_millis(1)).is_none());
            now = abandoned_at;
            acquisition = started(&mut state, now).expect("the acquisition was forgotten");
            assert_eq!(acquisition.plan.reason, AcquisitionReason::Rejected);
            assert!(acquisition.plan.rejected.is_some(), "it still replaces a rejected token");
        }
        complete(&mut state, &acquisition, "second", now);
        assert!(started(&mut state, now).is_none());
    }
}
