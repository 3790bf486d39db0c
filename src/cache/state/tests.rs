//! The decisions at their exact times.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::{error::Error, error::Problem, event::RejectionAction, token::SharingInfo};

const S: Duration = Duration::from_secs(1);
const NS: Duration = Duration::from_nanos(1);

struct Cache {
    state: State,
    settings: Settings,
    start: Instant,
}

impl Cache {
    fn new() -> Self {
        let mut settings = Settings::default();
        settings.timing.schedule.first_lead = (0.5, 0.5);
        settings.timing.schedule.lead = (0.5, 0.5);
        Self { state: State::default(), settings, start: Instant::now() + 100_000 * S }
    }

    /// With a token that is refreshed after 1,770 s and expires after 3,570 s.
    fn with_token() -> Self {
        let mut cache = Self::new();
        let acquisition = cache.wait(cache.start);
        cache.complete(&acquisition, token("first"), cache.start);
        cache
    }

    fn refresh_at(&self) -> Instant {
        self.state.held.as_ref().unwrap().refresh_at
    }

    fn expires_at(&self) -> Instant {
        self.state.held.as_ref().unwrap().expires_at
    }

    /// A request that has to wait.
    fn wait(&mut self, now: Instant) -> Arc<Acquisition> {
        match self.state.decide(Lookup::Token, now, true, &self.settings).0 {
            Decision::Wait { acquisition, .. } => acquisition,
            _ => panic!("it does not wait"),
        }
    }

    /// The refresh that a request starts.
    fn refresh(&mut self, now: Instant) -> Option<Arc<Acquisition>> {
        self.state.current(Requirement::Unexpired, now, true, &self.settings).1.start
    }

    fn complete(&mut self, acquisition: &Acquisition, token: Token, now: Instant) -> Effects {
        self.state.complete(acquisition, Some(Ok(token)), now, 0.0, &self.settings)
    }

    fn fail(&mut self, acquisition: &Acquisition, now: Instant) {
        let error = Error::of(Problem::ServerError);
        self.state.complete(acquisition, Some(Err(error)), now, 0.0, &self.settings);
    }

    fn reject(&mut self, secret: &str, now: Instant) -> Rejection {
        let rejected = Token::bearer(secret).unwrap();
        self.state.reject(&rejected, None, now, true, &self.settings).0
    }
}

fn token(secret: &str) -> Token {
    Token::bearer(secret).unwrap().with_lifetime(3600 * S)
}

#[test]
fn a_refresh_starts_when_it_is_due_and_when_the_cooldown_ends() {
    let mut cache = Cache::with_token();
    let due = cache.refresh_at();
    assert!(cache.refresh(due - NS).is_none());
    let refresh = cache.refresh(due).unwrap();
    cache.fail(&refresh, due);
    let end = cache.state.backoff.failure.as_ref().unwrap().until(true);
    assert!(cache.refresh(end - NS).is_none());
    assert!(cache.refresh(end).is_some());
}

#[test]
fn a_cooldown_that_is_over_cannot_be_ended() {
    let mut cache = Cache::new();
    let acquisition = cache.wait(cache.start);
    cache.fail(&acquisition, cache.start);
    let end = cache.state.backoff.failure.as_ref().unwrap().until(false);
    assert!(!cache.state.can_end_cooldown(end) && cache.state.can_end_cooldown(end - NS));
}

#[test]
fn a_token_that_reaches_its_refresh_unrejected_refills_the_budget() {
    let taken = |cache: &Cache| cache.state.backoff.budget.taken;
    let with_one_taken = || {
        let mut cache = Cache::with_token();
        let Rejection::Wait(acquisition) = cache.reject("first", cache.start) else { panic!() };
        cache.complete(&acquisition, token("second"), cache.start);
        assert_eq!(taken(&cache), 1);
        cache
    };
    let mut cache = with_one_taken();
    let due = cache.refresh_at();
    assert!(cache.refresh(due).is_some());
    assert_eq!(taken(&cache), 0);

    // A rejection at that moment takes another one.
    let mut cache = with_one_taken();
    let due = cache.refresh_at();
    assert!(matches!(cache.reject("second", due), Rejection::Wait(_)));
    assert_eq!(taken(&cache), 2);

    // A discarded token did not live until its refresh.
    let mut cache = with_one_taken();
    let due = cache.refresh_at();
    cache.state.clear(due - S);
    cache.wait(due);
    assert_eq!(taken(&cache), 1);
}

/// A server whose tokens have expired on arrival.
#[test]
fn a_clear_keeps_the_pause_before_the_next_acquisition() {
    let mut cache = Cache::new();
    let start = cache.start;
    let acquisition = cache.wait(start);
    cache.complete(&acquisition, token("expired").with_lifetime(Duration::ZERO), start);
    cache.state.clear(start);
    assert_eq!(cache.wait(start).plan.starts_at, start + S);
}

#[test]
fn a_source_gets_the_cached_token_as_current_until_it_expires_and_then_as_discarded() {
    let secret = |token: &Option<Token>| token.as_ref().map(|token| token.secret().to_owned());
    let mut cache = Cache::with_token();
    let end = cache.expires_at();
    let plan = &cache.refresh(end - NS).unwrap().plan;
    assert_eq!(secret(&plan.current).as_deref(), Some("first"));
    assert_eq!(secret(&plan.discarded), None);
    let mut cache = Cache::with_token();
    let end = cache.expires_at();
    let plan = &cache.wait(end).plan;
    assert_eq!(secret(&plan.current), None);
    assert_eq!(secret(&plan.discarded).as_deref(), Some("first"));
}

#[test]
fn a_rejection_of_an_earlier_token_gets_the_cached_one_until_it_expires() {
    let mut cache = Cache::with_token();
    let end = cache.expires_at();
    assert!(matches!(cache.reject("earlier", end - NS), Rejection::Newer(_)));
    assert!(matches!(cache.reject("earlier", end), Rejection::Stale));
}

#[test]
fn a_refresh_that_ends_after_the_expiry_is_reported_as_an_acquisition() {
    for (late, is_refreshed) in [(NS, true), (Duration::ZERO, false)] {
        let mut cache = Cache::with_token();
        let refresh = cache.refresh(cache.refresh_at()).unwrap();
        let now = cache.expires_at() - late;
        let events = cache.complete(&refresh, token("second"), now).events;
        match &events[0] {
            EventKind::Refreshed { remaining, .. } => {
                assert_eq!((*remaining, true), (NS, is_refreshed))
            }
            EventKind::Acquired { reason: AcquisitionReason::Refresh, .. } => {
                assert!(!is_refreshed);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Its runtime may be stalled.
#[test]
fn a_rejected_token_is_used_again_when_the_acquisition_is_abandoned() {
    let mut cache = Cache::with_token();
    cache.settings.rejected_token_wait = 600 * S;
    let start = cache.start;
    let Rejection::Wait(acquisition) = cache.reject("first", start) else { panic!() };
    let abandoned_at = acquisition.plan.abandoned_at;
    assert_eq!(cache.wait(abandoned_at - NS).plan.id, acquisition.plan.id);
    let (decision, effects) =
        cache.state.decide(Lookup::Token, abandoned_at, true, &cache.settings);
    assert!(matches!(decision, Decision::Use(_)));
    assert!(effects.start.is_some_and(|next| next.plan.id > acquisition.plan.id));
}

#[test]
fn a_token_that_the_source_keeps_is_reported_as_kept() {
    let mut cache = Cache::with_token();
    let refresh = cache.refresh(cache.refresh_at()).unwrap();
    let kept = SharingInfo { is_kept: true, ..SharingInfo::default() };
    let now = cache.refresh_at();
    let events = cache.complete(&refresh, token("first").with_sharing_info(kept), now).events;
    assert!(matches!(events[0], EventKind::Kept { .. }), "{events:?}");
}

#[test]
fn a_wait_for_a_replacement_is_not_extended_by_a_suspend() {
    let begin = |at: Duration| {
        let mut cache = Cache::with_token();
        let start = cache.start;
        assert!(matches!(cache.reject("first", start), Rejection::Wait(_)));
        assert_eq!(cache.state.replacement_wait_until, Some(start + S));
        cache.state.wall_expires_at = Some(start);
        cache.state.replace_expired_by_wall(start + at, true, &cache.settings);
        cache.state.replacement_wait_until.unwrap() - start
    };
    assert_eq!(begin(S / 2), S);
    assert_eq!(begin(S - NS), S);
    // The first wait is over, so another one begins.
    assert_eq!(begin(S), 2 * S);
}

#[test]
fn a_generation_of_a_store_is_older_than_later_ones_only() {
    let now = Instant::now();
    let of = |generation, issued_at| {
        let terms = SharingInfo { generation, ..SharingInfo::default() };
        let token = token("a").with_sharing_info(terms);
        let cache = Cache::new();
        let made = cache.state.new_snapshot(token, issued_at, now, 0.0, &cache.settings);
        made.snapshot
    };
    let (first, again) = (of(Some(1), now), of(Some(1), now + S));
    assert!(!offer::is_older(&first, &again) && !offer::is_older(&again, &first));
    assert!(offer::is_older(&first, &of(Some(2), now)));
    assert!(!offer::is_older(&of(Some(2), now), &first));
    // Without generations, the time of issue decides.
    let earlier = of(None, now - S);
    assert!(offer::is_older(&earlier, &first) && !offer::is_older(&first, &earlier));
}

/// It says nothing about the authorization server.
#[test]
fn a_kept_token_does_not_end_the_backoff() {
    let mut cache = Cache::with_token();
    let refresh = cache.refresh(cache.refresh_at()).unwrap();
    cache.fail(&refresh, cache.refresh_at());
    let end = cache.state.backoff.failure.as_ref().unwrap().until(true);
    let refresh = cache.refresh(end).unwrap();
    let kept = SharingInfo { is_kept: true, ..SharingInfo::default() };
    let events = cache.complete(&refresh, token("first").with_sharing_info(kept), end).events;
    assert!(matches!(events[..], [EventKind::Kept { .. }]), "{events:?}");
    assert_eq!(cache.state.backoff.failure.as_ref().unwrap().failures, 1);
    // Another cache may get this token. It has no mark there.
    let held = cache.state.held.as_ref().unwrap().token().clone();
    assert!(!held.sharing_info().unwrap().is_kept);
}

/// The source is a cache, which kept its token.
#[test]
fn a_token_that_another_cache_kept_is_acquired() {
    let mut cache = Cache::new();
    let kept = SharingInfo { is_kept: true, ..SharingInfo::default() };
    let acquisition = cache.wait(cache.start);
    let now = cache.start;
    let events = cache.complete(&acquisition, token("a").with_sharing_info(kept), now).events;
    assert!(matches!(events[..], [EventKind::Acquired { .. }]), "{events:?}");
}

#[test]
fn an_offered_token_is_not_replaced_by_the_kept_one() {
    let mut cache = Cache::with_token();
    let start = cache.start;
    let Rejection::Wait(acquisition) = cache.reject("first", start) else { panic!() };
    let offered = token("second").with_issued_at(start + S);
    assert!(cache.state.offer(offered, start + S, 0.0, &cache.settings).0);
    assert!(matches!(cache.reject("second", start + S), Rejection::Wait(_)));
    let kept = SharingInfo { is_kept: true, ..SharingInfo::default() };
    cache.complete(&acquisition, token("first").with_sharing_info(kept), start + S);
    assert_eq!(cache.state.held.as_ref().unwrap().token().secret(), "second");
}

/// Otherwise requests would fail with 401 for minutes, without an event.
#[test]
fn a_used_up_budget_is_reported_again_after_a_clear() {
    let mut cache = Cache::with_token();
    let mut now = cache.start;
    let is_reported = |cache: &mut Cache, secret: &str, now| {
        let rejected = Token::bearer(secret).unwrap();
        let events = cache.state.reject(&rejected, None, now, true, &cache.settings).1.events;
        events.iter().any(|it| {
            matches!(
                it,
                EventKind::Rejected { action: RejectionAction::BudgetExhausted { .. }, .. }
            )
        })
    };
    let mut held = "first".to_owned();
    for number in 0..3 {
        now += S;
        let Rejection::Wait(acquisition) = cache.reject(&held, now) else { panic!() };
        held = format!("{number}");
        cache.complete(&acquisition, token(&held), now);
    }
    assert!(is_reported(&mut cache, &held, now));
    assert!(!is_reported(&mut cache, &held, now));
    now += 60 * S;
    let Rejection::Wait(acquisition) = cache.reject(&held, now) else { panic!() };
    cache.state.clear(now + S);
    cache.complete(&acquisition, token("cleared"), now + 2 * S);
    now += 3 * S;
    let acquisition = cache.wait(now);
    cache.complete(&acquisition, token("after"), now);
    assert!(is_reported(&mut cache, "after", now + S));
}
