//! A source offers a token that the cache did not ask for.

use tokio::time::Instant;

use super::{
    Effects, State,
    hold::{NewSnapshot, origin},
};
use crate::{
    cache::{acquisition::Outcome, settings::Settings, snapshot::Snapshot, suspend::ClockSample},
    event::EventKind,
    sync::Arc,
    token::Token,
};

/// How many rejected tokens are remembered.
const REMEMBERED: usize = 4;

impl State {
    /// Uses the token if it is better than the cached one. Its conditions are in the documentation
    /// of [`CacheHandle::offer`](crate::source::CacheHandle::offer).
    ///
    /// # One acquisition at a time
    ///
    /// The offered token ends the wait of all waiters, but the acquisition still runs. It stays the
    /// one in flight, so that no second one starts within `acquisition_timeout`. Later requests may
    /// have to wait for it too, because the offered token was rejected or has expired. They must
    /// not find the outcome of the first waiters. So the state continues with a copy of the
    /// acquisition, which has the same number and no waiters. The result of the task ends the copy,
    /// or it is abandoned.
    pub(in crate::cache) fn offer(
        &mut self,
        token: Token,
        now: Instant,
        draw: f64,
        settings: &Settings,
    ) -> (bool, Effects) {
        let is_known =
            self.holds(&token) || self.was_rejected(&token) || self.is_cleared(&token, now);
        let from = origin(&token);
        let NewSnapshot { snapshot, lifetime, wall_expires_at: expires_at, .. } =
            self.new_snapshot(token, now, now, draw, settings);
        if is_known || snapshot.expired_on_arrival || !self.is_improved_by(&snapshot, now) {
            return (false, Effects::default());
        }
        self.replaced_by_offer = self.held.as_ref().map(|held| held.token().without_proof());
        // The backoff stays: an offer says nothing about the authorization server.
        self.rejection_pending = false;
        self.replacement_wait_until = None;
        let suspended =
            self.hold(snapshot, false, ClockSample::now(&settings.clock), now, settings);
        let offered = EventKind::Offered { from, lifetime, expires_at };
        let events = [offered].into_iter().chain(suspended).collect();
        let waited_for = self.acquisition.take();
        self.acquisition = waited_for.as_ref().map(|it| Arc::new(it.for_later_waiters()));
        let held = self.updated(now);
        let end = waited_for.map(|acquisition| (acquisition, Outcome::Token(held)));
        (true, Effects { start: None, end, events })
    }

    /// Whether a token is better than the cached one.
    fn is_improved_by(&self, offered: &Snapshot, now: Instant) -> bool {
        // A rejected token counts too. An older token was probably revoked before it.
        let held = self.held.as_ref().filter(|_| self.has_unexpired(now));
        held.is_none_or(|held| is_older(held, offered))
    }

    /// Whether the cached token, which was offered during an acquisition, is better than its
    /// result.
    pub(super) fn keeps_offered(&self, result: &Snapshot, now: Instant) -> bool {
        self.has_unexpired(now)
            && !self.held_rejected
            && (self.was_rejected(result.token())
                || self.held.as_ref().is_some_and(|held| is_older(result, held)))
    }

    /// Remembers a rejected token, so that it is not used again if it is offered.
    pub(super) fn remember_rejected(&mut self, token: &Token) {
        if self.was_rejected(token) {
            return;
        }
        if self.recently_rejected.len() == REMEMBERED {
            self.recently_rejected.remove(0);
        }
        // Not the proof: its destructor must not run under the lock.
        self.recently_rejected.push(token.without_proof());
    }

    pub(super) fn was_rejected(&self, token: &Token) -> bool {
        self.recently_rejected.iter().any(|rejected| rejected.same_secret(token))
    }
}

/// Whether one token is older than another. Tokens of one entry of a store have generations, which
/// do not depend on the clocks of hosts.
pub(super) fn is_older(one: &Snapshot, other: &Snapshot) -> bool {
    let generation = |it: &Snapshot| it.token().sharing_info()?.generation;
    match (generation(one), generation(other)) {
        (Some(one), Some(other)) => one < other,
        _ => one.issued_at < other.issued_at,
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cache::{
        acquisition::Acquisition,
        state::{Decision, Lookup, Rejection, Requirement},
    };

    const S: Duration = Duration::from_secs(1);

    /// A token of an hour, issued `age` ago.
    fn token(secret: &str, now: Instant, age: Duration) -> Token {
        let token = Token::bearer(secret).unwrap().with_lifetime(3600 * S);
        token.with_issued_at(now.checked_sub(age).unwrap())
    }

    struct Cache {
        state: State,
        settings: Settings,
        now: Instant,
    }

    impl Cache {
        fn new() -> Self {
            // So that instants in the past exist.
            let now = Instant::now() + 100_000 * S;
            Self { state: State::default(), settings: Settings::default(), now }
        }

        /// With a token that was issued 100 s ago.
        fn with_token() -> Self {
            let mut cache = Self::new();
            assert!(cache.offer("held", 100 * S).0);
            cache
        }

        fn offer(&mut self, secret: &str, age: Duration) -> (bool, Effects) {
            self.state.offer(token(secret, self.now, age), self.now, 0.5, &self.settings)
        }

        fn held(&mut self) -> Option<String> {
            let (token, _) =
                self.state.current(Requirement::Unexpired, self.now, false, &self.settings);
            token.map(|snapshot| snapshot.token().secret().to_owned())
        }

        fn wait(&mut self) -> (Arc<Acquisition>, bool) {
            let (decision, effects) =
                self.state.decide(Lookup::Token, self.now, true, &self.settings);
            let Decision::Wait { acquisition, .. } = decision else { panic!("a token is cached") };
            (acquisition, effects.start.is_some())
        }

        fn reject(&mut self, secret: &str) -> Rejection {
            let rejected = Token::bearer(secret).unwrap();
            self.state.reject(&rejected, None, self.now, true, &self.settings).0
        }

        fn complete(&mut self, acquisition: &Acquisition, secret: &str, age: Duration) -> Effects {
            let result = Some(Ok(token(secret, self.now, age)));
            self.state.complete(acquisition, result, self.now, 0.5, &self.settings)
        }
    }

    #[test]
    fn a_later_token_is_used_and_an_earlier_one_is_not() {
        let mut cache = Cache::with_token();
        for (secret, age, is_used) in
            [("older", 101, false), ("as-old", 100, false), ("newer", 99, true), ("held", 0, true)]
        {
            assert_eq!(cache.offer(secret, age * S).0, is_used, "{secret}");
        }
        assert!(!cache.offer("held", Duration::ZERO).0, "it is the cached token");
    }

    #[test]
    fn an_expired_token_is_refused() {
        let mut cache = Cache::new();
        assert!(!cache.offer("expired", 3600 * S).0);
        assert_eq!(cache.held(), None);
    }

    #[test]
    fn an_older_token_replaces_one_that_is_missing_or_expired() {
        let mut cache = Cache::new();
        assert!(cache.offer("first", 1000 * S).0, "none was cached");
        cache.now += 3000 * S;
        assert!(cache.offer("second", 3500 * S).0, "the first has expired");
        assert!(cache.offer("third", Duration::ZERO).0);
        cache.reject("third");
        assert!(!cache.offer("fourth", 10 * S).0, "older than the rejected one");
        cache.now += S;
        assert!(cache.offer("fifth", Duration::ZERO).0, "later than the rejected one");
        assert_eq!(cache.held().as_deref(), Some("fifth"));
    }

    #[test]
    fn a_rejected_token_is_not_used_again() {
        let mut cache = Cache::with_token();
        cache.reject("held");
        assert!(!cache.offer("held", Duration::ZERO).0);
        assert!(cache.offer("other", Duration::ZERO).0);
        cache.now += S;
        assert!(!cache.offer("held", Duration::ZERO).0);
    }

    #[test]
    fn a_token_from_before_a_clear_is_refused() {
        let mut cache = Cache::with_token();
        cache.state.clear(cache.now);
        assert!(!cache.offer("before", S).0 && cache.offer("after", Duration::ZERO).0);
    }

    #[test]
    fn the_cooldown_after_a_failure_stays() {
        let mut cache = Cache::new();
        let (acquisition, _) = cache.wait();
        let failure = crate::error::Error::of(crate::error::Problem::ServerError);
        let now = cache.now;
        cache.state.complete(&acquisition, Some(Err(failure)), now, 0.5, &cache.settings);
        assert!(cache.offer("offered", Duration::ZERO).0);
        // A rejection of the offered token starts no acquisition before the cooldown ends.
        let offered = Token::bearer("offered").unwrap();
        let (_, effects) = cache.state.reject(&offered, None, now, true, &cache.settings);
        assert!(effects.start.is_none());
    }

    /// It was replaced by an offer before its rejection arrived.
    #[test]
    fn a_token_whose_rejection_arrived_late_is_not_used_again() {
        let mut cache = Cache::new();
        assert!(cache.offer("first", S).0);
        assert!(cache.offer("second", Duration::ZERO).0);
        for rejected in ["first", "second"] {
            let rejected = Token::bearer(rejected).unwrap();
            cache.state.reject(&rejected, None, cache.now, true, &cache.settings);
        }
        cache.now += S;
        assert!(!cache.offer("first", Duration::ZERO).0);
    }

    /// A server that returns its cached token again.
    #[test]
    fn a_late_result_that_was_rejected_does_not_replace_an_offered_token() {
        let mut cache = Cache::new();
        assert!(cache.offer("first", S).0);
        let first = Token::bearer("first").unwrap();
        let (rejection, _) = cache.state.reject(&first, None, cache.now, true, &cache.settings);
        let Rejection::Wait(acquisition) = rejection else { panic!("no acquisition") };
        assert!(cache.offer("second", Duration::ZERO).0);
        cache.now += S;
        cache.complete(&acquisition, "first", Duration::ZERO);
        assert!(cache.state.holds(&Token::bearer("second").unwrap()));
    }

    /// And the acquisition remains the one in flight.
    #[test]
    fn waiters_of_an_acquisition_get_the_offered_token() {
        let mut cache = Cache::new();
        let (waited_for, started) = cache.wait();
        assert!(started);
        let (is_used, effects) = cache.offer("offered", Duration::ZERO);
        let Some((ended, Outcome::Token(snapshot))) = effects.end else { panic!("no outcome") };
        assert!(is_used && Arc::ptr_eq(&ended, &waited_for));
        assert_eq!(snapshot.token().secret(), "offered");
        // The offered token expires before the acquisition ends.
        cache.state.clear(cache.now);
        let (in_flight, started) = cache.wait();
        assert!(!started && !Arc::ptr_eq(&in_flight, &waited_for));
        cache.now += S;
        let effects = cache.complete(&waited_for, "late", Duration::ZERO);
        assert!(effects.end.is_some_and(|(ended, _)| Arc::ptr_eq(&ended, &in_flight)));
        assert_eq!(cache.held().as_deref(), Some("late"));
    }

    #[test]
    fn a_late_result_displaces_an_older_token_only() {
        for (age, held) in [(1, "offered"), (0, "late")] {
            let mut cache = Cache::new();
            let (acquisition, _) = cache.wait();
            cache.now += S;
            assert!(cache.offer("offered", Duration::ZERO).0);
            let effects = cache.complete(&acquisition, "late", age * S);
            assert!(matches!(effects.end, Some((_, Outcome::Token(_)))));
            assert_eq!(cache.held().as_deref(), Some(held), "{age}");
        }
    }

    #[test]
    fn a_late_result_replaces_an_offered_token_that_was_rejected() {
        let mut cache = Cache::with_token();
        let Rejection::Wait(acquisition) = cache.reject("held") else { panic!("no budget") };
        cache.now += S;
        assert!(cache.offer("offered", Duration::ZERO).0);
        let Rejection::Wait(joined) = cache.reject("offered") else { panic!("none in flight") };
        assert_eq!(joined.plan.id, acquisition.plan.id, "a second acquisition was started");
        cache.complete(&acquisition, "late", S);
        assert_eq!(cache.held().as_deref(), Some("late"));
    }
}
