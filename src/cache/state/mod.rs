//! What a cache knows and decides: plain code over (state, now), run under the cache's lock.
//!
//! Nothing here waits, spawns, wakes or calls out. Each decision that must be followed by such an
//! act is returned, and carried out after the lock is released.

mod landing;
#[cfg(feature = "keyed")]
mod pausing;
mod rejecting;
mod suspending;
mod withdrawing;

use std::time::Duration;

use tokio::time::Instant;

use super::{
    backoff::{Cooldown, RejectionBudget},
    flight::{Flight, FlightPlan, Outcome},
    readiness::{Outlook, Readiness},
    settings::Settings,
    snapshot::Snapshot,
    suspend::SuspendWatch,
};
use crate::{
    error::{Error, ErrorKind},
    event::{Event, Reason},
    sync::Arc,
    token::Token,
};

pub(super) use self::rejecting::Rejection;

/// How long past its own bound a flight is still believed to be driven by somebody.
const ABANDON_AFTER: Duration = Duration::from_secs(5);

/// How often a cooldown can be ended by hand.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(in crate::cache) struct State {
    /// The last token, also when it has expired: a server that hands it out again is recognised.
    /// Always what is published, see [`State::settle`].
    held: Option<Arc<Snapshot>>,
    /// The held token was rejected by an API.
    rejected: bool,
    /// Until then requests wait for the flight rather than use the rejected token.
    suspect_until: Option<Instant>,
    /// An acquisition that a rejection asked for failed or had to wait: one is due.
    overdue: bool,
    flight: Option<Arc<Flight>>,
    cooldown: Option<Cooldown>,
    budget: RejectionBudget,
    /// This spell of rejections that came too soon has been reported.
    too_soon_reported: bool,
    /// That the acquisition which a rejection asked for was put off has been reported.
    put_off_reported: bool,
    not_before: Option<Instant>,
    /// When a cooldown was last ended by hand.
    cooldown_ended_at: Option<Instant>,
    /// Tokens that were asked for before this are worthless.
    withdrawn_at: Option<Instant>,
    /// Both clocks since the held token was requested.
    suspends: SuspendWatch,
    /// The held token refills the budget of rejections once its refresh is due. It does not if a suspend
    /// moved the refresh, or if the token was dropped after a rejection.
    refills_budget: bool,
    /// When the held token expires by the wall clock, if a suspend made that earlier.
    wall_expires_at: Option<Instant>,
    /// A token was got before: the next one is not the cache's first.
    seasoned: bool,
    flights: u64,
}

/// What a request does next.
pub(in crate::cache) enum Decision {
    /// Use this token.
    Use(Arc<Snapshot>),
    /// Wait for the flight. With a limit: only until then, and then look again, with what is to
    /// happen if nothing has changed.
    Wait { flight: Arc<Flight>, limit: Option<Limit> },
    /// There is no token and none is to be had now.
    Fail(Error),
}

/// The end of a short wait.
pub(in crate::cache) enum Limit {
    /// Go on with the suspect token.
    Suspect(Instant),
    /// Others probe; fail with the remembered error.
    Probe(Error),
}

/// What a decision leaves to be done outside the lock.
#[derive(Default)]
pub(in crate::cache) struct Followup {
    /// A flight that somebody must now drive.
    pub(in crate::cache) launch: Option<Arc<Flight>>,
    /// A flight that ended, with how.
    pub(in crate::cache) ended: Option<(Arc<Flight>, Outcome)>,
    pub(in crate::cache) events: Vec<Event>,
}

impl Followup {
    /// A later decision of the same step.
    fn extend(&mut self, later: Self) {
        self.launch = later.launch.or(self.launch.take());
        self.ended = later.ended.or(self.ended.take());
        self.events.extend(later.events);
    }
}

impl State {
    /// What a request that needs a token does. `can_launch`: there is a runtime here.
    pub(in crate::cache) fn consult(
        &mut self,
        now: Instant,
        can_launch: bool,
        settings: &Settings,
    ) -> (Decision, Followup) {
        let mut followup = self.replace_expired_by_wall(now, can_launch, settings);
        if let Some((flight, until)) = self.suspect(now) {
            let limit = Some(Limit::Suspect(until));
            return (Decision::Wait { flight: Arc::clone(flight), limit }, followup);
        }
        let (usable, more) = self.usable_token(now, can_launch, settings);
        followup.extend(more);
        if let Some(snapshot) = usable {
            return (Decision::Use(snapshot), followup);
        }
        if let Some(flight) = &self.flight {
            let limit = match &self.cooldown {
                Some(cooldown) if flight.probe => Some(Limit::Probe(cooldown.error.clone())),
                _ => None,
            };
            return (Decision::Wait { flight: Arc::clone(flight), limit }, followup);
        }
        if let Some(cooldown) = &self.cooldown
            && now < cooldown.until(false)
        {
            return (Decision::Fail(cooldown.remembered(now)), followup);
        }
        if !can_launch {
            return (Decision::Fail(Error::new(ErrorKind::Runtime)), followup);
        }
        let flight = self.start(Reason::Missing, now, settings);
        followup.launch = Some(Arc::clone(&flight));
        (Decision::Wait { flight, limit: None }, followup)
    }

    /// The token at hand, if there is nothing to wait for; starts a refresh that is due.
    pub(in crate::cache) fn at_hand(
        &mut self,
        now: Instant,
        can_launch: bool,
        settings: &Settings,
    ) -> (Option<Arc<Snapshot>>, Followup) {
        let mut followup = self.replace_expired_by_wall(now, can_launch, settings);
        if self.suspect(now).is_some() {
            return (None, followup);
        }
        let (usable, more) = self.usable_token(now, can_launch, settings);
        followup.extend(more);
        (usable, followup)
    }

    /// The token at hand, whatever else is going on; starts a refresh that is due.
    pub(in crate::cache) fn usable_token(
        &mut self,
        now: Instant,
        can_launch: bool,
        settings: &Settings,
    ) -> (Option<Arc<Snapshot>>, Followup) {
        let mut followup = self.abandon(now);
        if !self.usable(now) {
            return (None, followup);
        }
        if self.is_due(now) && can_launch {
            followup.launch = Some(self.start(Reason::Ahead, now, settings));
        }
        (Some(self.settled(now)), followup)
    }

    /// A flight that outlived its bound on a waiter's clock stands still: nobody drives its
    /// runtime. Whoever waits for it looks again, and its late result will be dropped.
    fn abandon(&mut self, now: Instant) -> Followup {
        let Some(flight) = self.flight.take_if(|flight| now >= flight.abandoned_at) else {
            return Followup::default();
        };
        self.suspect_until = None;
        self.overdue |= flight.owed;
        let age = now.saturating_duration_since(flight.starts_at);
        Followup {
            launch: None,
            ended: Some((flight, Outcome::Gone)),
            events: vec![Event::Abandoned { age }],
        }
    }

    fn start(&mut self, reason: Reason, now: Instant, settings: &Settings) -> Arc<Flight> {
        if !reason.is_out_of_turn()
            && !self.rejected
            && self.refills_budget
            && self.held.as_ref().is_some_and(|held| {
                // A token that was withdrawn earlier has expired before its refresh.
                held.refresh_at < held.expires_at && now >= held.refresh_at
            })
        {
            // A token reached its scheduled refresh unrejected.
            self.budget = RejectionBudget::default();
            self.too_soon_reported = false;
        }
        self.put_off_reported = false;
        let was_overdue = std::mem::take(&mut self.overdue);
        if was_overdue {
            self.budget.retake(now);
        }
        let owed = was_overdue || reason.is_out_of_turn();
        self.flights += 1;
        let starts_at = self.not_before.map_or(now, |not_before| not_before.max(now));
        let ends_by = starts_at + settings.acquisition_timeout;
        let flight = Arc::new(Flight::new(FlightPlan {
            id: self.flights,
            reason,
            owed,
            // To find no turn says nothing of the server, and leaves no failure behind.
            probe: self.cooldown.as_ref().is_some_and(|cooldown| cooldown.failures > 0),
            starts_at,
            ends_by,
            abandoned_at: ends_by + ABANDON_AFTER,
        }));
        self.flight = Some(Arc::clone(&flight));
        flight
    }

    /// The flight that other requests than the rejected one wait for too, and until when.
    fn suspect(&self, now: Instant) -> Option<(&Arc<Flight>, Instant)> {
        let until = self.suspect_until.filter(|until| now < *until && self.usable(now))?;
        let flight = self.flight.as_ref().filter(|flight| now < flight.abandoned_at)?;
        Some((flight, until))
    }

    /// What a readiness probe is told. Time is in it: nobody takes a step when a token expires.
    pub(in crate::cache) fn outlook(&self, now: Instant) -> Outlook {
        let until = self.held.as_ref().map(|held| held.expires_at).filter(|at| now < *at);
        let readiness = match (until, &self.cooldown) {
            (Some(_), None) if !self.rejected => Readiness::Ready,
            (Some(_), _) => Readiness::Degraded,
            (None, Some(_)) => Readiness::Failed,
            (None, None) => Readiness::Idle,
        };
        Outlook { readiness, until }
    }

    /// Ends a cooldown, at most once a second.
    pub(in crate::cache) fn end_cooldown(&mut self, now: Instant) -> bool {
        let cooling =
            |cooldown: &&mut Cooldown| now < cooldown.until(false).max(cooldown.until(true));
        // An attempt that is in flight may still use the old credentials.
        let Some(cooldown) = self.cooldown.as_mut().filter(cooling) else { return false };
        if self.flight.is_some() {
            return false;
        }
        if self.cooldown_ended_at.is_some_and(|at| now < at + SHORTEST_RETRY) {
            return false;
        }
        self.cooldown_ended_at = Some(now);
        cooldown.end(now);
        true
    }

    pub(in crate::cache) fn in_flight(&self) -> Option<Arc<Flight>> {
        self.flight.clone()
    }

    fn usable(&self, now: Instant) -> bool {
        self.held.as_ref().is_some_and(|held| now < held.expires_at)
    }

    fn holds(&self, token: &Token) -> bool {
        self.held.as_ref().is_some_and(|held| held.token().same_secret(token))
    }

    /// Whether an acquisition beside the traffic should start.
    fn is_due(&self, now: Instant) -> bool {
        let wanted = self.overdue || self.held.as_ref().is_some_and(|held| now >= held.refresh_at);
        let cooling = self.cooldown.as_ref().is_some_and(|cooldown| now < cooldown.until(true));
        wanted && self.flight.is_none() && !cooling
    }

    /// When a request that holds the token must look closer again.
    fn look_at(&self, held: &Snapshot, now: Instant) -> Instant {
        let suspect = self.suspect_until.is_some_and(|until| now < until);
        let at = match &self.flight {
            Some(_) if suspect => now,
            Some(flight) => flight.abandoned_at,
            None => match &self.cooldown {
                Some(cooldown) if self.overdue => cooldown.until(true),
                Some(cooldown) => held.refresh_at.max(cooldown.until(true)),
                None if self.overdue => now,
                None => held.refresh_at,
            },
        };
        let expires_at = self.wall_expires_at.map_or(held.expires_at, |at| at.min(held.expires_at));
        at.min(expires_at)
    }

    /// Brings the held snapshot's `look_at` up to date, and returns it for publishing. A snapshot
    /// that needs no change stays the same pointer.
    pub(in crate::cache) fn settle(&mut self, now: Instant) -> Option<&Arc<Snapshot>> {
        let held = self.held.as_ref()?;
        let look_at = self.look_at(held, now);
        let limits = (self.suspends.wall_start(), self.suspends.wall_limit(look_at));
        if held.look_at != look_at || (held.wall_start, held.wall_limit) != limits {
            let (wall_start, wall_limit) = limits;
            let held = Snapshot { look_at, wall_start, wall_limit, ..Snapshot::clone(held) };
            self.held = Some(Arc::new(held));
        }
        self.held.as_ref()
    }

    /// For keeping warm: when a look is due next, if no flight came after this one.
    pub(in crate::cache) fn next_look(&self, flight: u64, now: Instant) -> Option<Instant> {
        (self.flights == flight).then(|| match (&self.held, &self.cooldown) {
            (Some(held), _) if now < held.expires_at => self.look_at(held, now),
            (_, Some(cooldown)) => cooldown.until(false),
            _ => now,
        })
    }

    fn settled(&mut self, now: Instant) -> Arc<Snapshot> {
        Arc::clone(self.settle(now).expect("the caller found a usable token"))
    }
}
