//! Reading the token for a request.

use tokio::time::Instant;

use super::{Effects, State};
use crate::{
    cache::{acquisition::Acquisition, settings::Settings, snapshot::Snapshot},
    error::{Error, Problem},
    event::AcquisitionReason,
    sync::Arc,
};

/// What a request that can wait asks for.
pub(in crate::cache) enum Lookup {
    /// A token.
    Token,
    /// A token, for a request that has waited once. It uses any token that neither clock says has
    /// expired, even if other requests wait for its replacement.
    TokenAfterWait,
    /// Any unexpired token. Otherwise this error, which ended the wait of the request.
    UnexpiredOr(Error),
}

/// What a request does next.
pub(in crate::cache) enum Decision {
    /// Use this token.
    Use(Arc<Snapshot>),
    /// Wait for the acquisition. With a limit, wait no longer than that, and then ask again.
    Wait { acquisition: Arc<Acquisition>, limit: Option<Limit> },
    /// No token is available.
    Fail(Error),
}

/// The limit of a short wait.
pub(in crate::cache) enum Limit {
    /// At this time use the cached token, although an API rejected it or it has expired by the wall
    /// clock.
    Replacement(Instant),
    /// Another request makes the trial request. After `probe_wait` fail with this error, the last
    /// failure.
    Probe(Error),
}

/// The cached tokens that a request which does not wait accepts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) enum Requirement {
    /// Any token that has not expired by the monotonic clock.
    Unexpired,
    /// A token that neither clock says has expired.
    ValidByBothClocks,
    /// A token that requests use rather than wait for its replacement.
    NoWait,
}

impl State {
    /// Decides what a request does. Starts a refresh that is due, and the acquisition of a missing
    /// token. `can_start` says that the caller is in a tokio runtime.
    pub(in crate::cache) fn decide(
        &mut self,
        lookup: Lookup,
        now: Instant,
        can_start: bool,
        settings: &Settings,
    ) -> (Decision, Effects) {
        match lookup {
            Lookup::Token => self.use_or_wait(now, can_start, settings),
            Lookup::TokenAfterWait => {
                let requirement = Requirement::ValidByBothClocks;
                let (token, mut effects) = self.current(requirement, now, can_start, settings);
                if let Some(snapshot) = token {
                    return (Decision::Use(snapshot), effects);
                }
                let (decision, later) = self.use_or_wait(now, can_start, settings);
                effects.extend(later);
                (decision, effects)
            }
            Lookup::UnexpiredOr(error) => {
                let (token, effects) =
                    self.current(Requirement::Unexpired, now, can_start, settings);
                (token.map_or(Decision::Fail(error), Decision::Use), effects)
            }
        }
    }

    fn use_or_wait(
        &mut self,
        now: Instant,
        can_start: bool,
        settings: &Settings,
    ) -> (Decision, Effects) {
        let mut effects = self.replace_expired_by_wall(now, can_start, settings);
        if let Some((acquisition, until)) = self.replacement_to_wait_for(now) {
            let (acquisition, limit) = (Arc::clone(acquisition), Some(Limit::Replacement(until)));
            return (Decision::Wait { acquisition, limit }, effects);
        }
        let (token, later) = self.current(Requirement::Unexpired, now, can_start, settings);
        effects.extend(later);
        if let Some(snapshot) = token {
            return (Decision::Use(snapshot), effects);
        }
        if let Some(acquisition) = &self.acquisition {
            let probed = self.backoff.failure.as_ref().filter(|_| acquisition.plan.probe);
            let limit = probed.map(|failure| Limit::Probe(failure.error.clone()));
            return (Decision::Wait { acquisition: Arc::clone(acquisition), limit }, effects);
        }
        if let Some(failure) = &self.backoff.failure
            && now < failure.until(false)
        {
            return (Decision::Fail(failure.remembered(now)), effects);
        }
        if !can_start {
            return (Decision::Fail(Error::of(Problem::Runtime)), effects);
        }
        let acquisition = self.start(AcquisitionReason::Missing, now, settings);
        effects.start = Some(Arc::clone(&acquisition));
        (Decision::Wait { acquisition, limit: None }, effects)
    }

    /// The cached token, if it meets the requirement. Starts a refresh that is due, and no acquisition
    /// of a missing token.
    pub(in crate::cache) fn current(
        &mut self,
        requirement: Requirement,
        now: Instant,
        can_start: bool,
        settings: &Settings,
    ) -> (Option<Arc<Snapshot>>, Effects) {
        let mut effects = Effects::default();
        match requirement {
            Requirement::Unexpired => {}
            Requirement::ValidByBothClocks if self.is_expired_by_wall(now) => {
                return (None, effects);
            }
            Requirement::ValidByBothClocks => {}
            Requirement::NoWait => {
                effects = self.replace_expired_by_wall(now, can_start, settings);
                if self.replacement_to_wait_for(now).is_some() {
                    return (None, effects);
                }
            }
        }
        effects.extend(self.abandon(now));
        if !self.has_unexpired(now) {
            return (None, effects);
        }
        if self.is_due(now) && can_start {
            effects.start = Some(self.start(AcquisitionReason::Refresh, now, settings));
        }
        (Some(self.updated(now)), effects)
    }

    /// The acquisition that requests wait for instead of using the cached token, and until when.
    fn replacement_to_wait_for(&self, now: Instant) -> Option<(&Arc<Acquisition>, Instant)> {
        let until =
            self.replacement_wait_until.filter(|until| now < *until && self.has_unexpired(now))?;
        let acquisition = self.acquisition.as_ref().filter(|it| now < it.plan.abandoned_at)?;
        Some((acquisition, until))
    }

    /// Whether an acquisition in the background should start.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let is_wanted =
            self.rejection_pending || self.held.as_ref().is_some_and(|it| now >= it.refresh_at);
        let is_cooling = self.backoff.failure.as_ref().is_some_and(|it| now < it.until(true));
        is_wanted && self.acquisition.is_none() && !is_cooling
    }
}
