//! The token at hand as requests see it: immutable, published through an `ArcSwap`.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use crate::{
    clock::Clock,
    sync::{AtomicBool, Striped},
    token::Token,
};

/// A token with its deadlines. Whatever changes about it is a new snapshot.
///
/// `look_at` is what makes the hot path one comparison: until then the token may be used without
/// a thought. Each change of state (a refresh due, in flight or failed; a rejection; the expiry)
/// publishes a snapshot with another `look_at`, and the request that finds it passed takes the
/// slow path, under a lock, once.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(super) token: Token,
    pub(super) look_at: Instant,
    /// The second of the wall clock, since 1970, by which `look_at` has come if the machine was not
    /// suspended.
    pub(super) wall_limit: i64,
    /// Before this second the wall clock was set back, and the cache compares both clocks anew.
    pub(super) wall_start: i64,
    pub(super) clock: Clock,
    pub(super) refresh_at: Instant,
    pub(super) expires_at: Instant,
    /// It was past its deadline when it came. Its flight's waiters get it once; no one else does.
    pub(super) dead_on_arrival: bool,
    pub(super) replaced: Replaced,
    /// Of the token, to hand out: threads that clone different ones never meet.
    pub(super) copies: Striped<Token>,
}

/// Set when another snapshot was published. Those who keep a copy of the pointer read it, and
/// nobody writes to its cache line until then. A clone is a new snapshot, not replaced by any.
pub(super) struct Replaced(AtomicBool);

impl Default for Replaced {
    fn default() -> Self {
        Self(AtomicBool::new(false))
    }
}

impl Replaced {
    /// Relaxed, as it orders nothing: a view that finds it set loads the published pointer.
    #[inline]
    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Clone for Replaced {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Snapshot {
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// The token for somebody to keep.
    pub(crate) fn hand_out(&self) -> Token {
        self.copies.here(|| self.token.copy()).clone()
    }

    /// Whether another snapshot was published since.
    #[inline]
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.get()
    }

    /// Whether the token may be used without taking a closer look.
    #[inline]
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now < self.look_at && self.agrees_with_wall_clock()
    }

    /// Whether the wall clock shows no suspend that would matter by now.
    #[inline]
    fn agrees_with_wall_clock(&self) -> bool {
        let seconds = self.clock.coarse_seconds();
        self.wall_start <= seconds && seconds < self.wall_limit
    }

    /// Whether a request that waited for this token may still leave with it: not if it was withdrawn
    /// since. What replaced it is looked for then.
    pub(crate) fn is_presentable(&self, now: Instant) -> bool {
        self.dead_on_arrival
            || now < self.expires_at && !self.is_replaced() && self.agrees_with_wall_clock()
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_handed_out_with_a_count_of_its_threads() {
        let now = Instant::now();
        let snapshot = Snapshot {
            token: Token::bearer("abc").unwrap(),
            look_at: now,
            wall_limit: i64::MAX,
            wall_start: i64::MIN,
            clock: Clock::System,
            refresh_at: now,
            expires_at: now,
            dead_on_arrival: false,
            replaced: Replaced::default(),
            copies: Striped::default(),
        };
        let (first, second) = (snapshot.hand_out(), snapshot.hand_out());
        assert!(first.is_same(&second));
        assert!(!first.is_same(snapshot.token()) && first.same_secret(snapshot.token()));
        assert!(!Snapshot::clone(&snapshot).hand_out().is_same(&first));
    }
}
