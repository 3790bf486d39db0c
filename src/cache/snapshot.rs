//! The cached token as requests see it: immutable, and published through an `ArcSwap`.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::time::Instant;

use crate::{
    clock::Clock,
    sync::{AtomicBool, Striped},
    token::Token,
};

/// A token with its deadlines. Each change publishes a new snapshot.
///
/// `revalidate_at` makes the hot path one comparison: a request uses the token without the lock until
/// then. Each change of the state (a refresh due, in flight or failed; a rejection; the expiry)
/// publishes a snapshot with another `revalidate_at`. A request that finds it passed decides under
/// the lock.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(super) token: Token,
    pub(super) revalidate_at: Instant,
    /// From this second of the wall clock on (since 1970), either `revalidate_at` has passed or the
    /// machine was suspended. The request then asks the cache.
    pub(super) wall_limit: i64,
    /// Before this second of the wall clock, the wall clock was set back. The request then asks the
    /// cache, which compares both clocks again.
    pub(super) wall_start: i64,
    pub(super) clock: Clock,
    /// When the token was issued. An offered token must have been issued later.
    pub(super) issued_at: Instant,
    pub(super) refresh_at: Instant,
    pub(super) expires_at: Instant,
    /// Such a token is used only by the requests that waited for its acquisition.
    pub(super) expired_on_arrival: bool,
    /// It replaced a token that an API rejected. The API may reject this one too.
    pub(super) follows_rejection: bool,
    pub(super) first_requests: FirstRequests,
    pub(super) replaced: Replaced,
    /// A copy of the token for each stripe (group of threads), so that clones in different threads
    /// write to different reference counts.
    pub(super) copies: Striped<Token>,
}

/// How many requests with a token that follows a rejected one keep their URI. If the API rejects each
/// token, one of the first requests shows it. Later requests allocate nothing (promise P10).
const FIRST_REQUESTS: u8 = 64;

/// Counts the first requests with a token. A clone starts at 0.
#[derive(Default)]
pub(super) struct FirstRequests(AtomicU8);

impl FirstRequests {
    /// Whether this is one of the first requests. `Relaxed` suffices, since no other data depends on it.
    fn admit(&self) -> bool {
        let more = |count| (count < FIRST_REQUESTS).then(|| count + 1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }
}

impl Clone for FirstRequests {
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// A flag that is set when another snapshot is published. It is written once, so reading it is cheap
/// for all threads. A clone is a new snapshot, so it starts unset.
pub(super) struct Replaced(AtomicBool);

impl Default for Replaced {
    fn default() -> Self {
        Self(AtomicBool::new(false))
    }
}

impl Replaced {
    /// `Relaxed` suffices: a reader that finds it set loads the published pointer, which synchronizes.
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

    /// A clone of the token that shares its reference count with this stripe of threads only.
    pub(crate) fn clone_token(&self) -> Token {
        self.copies.here(|| self.token.copy()).clone()
    }

    /// Whether another snapshot was published since.
    #[inline]
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.get()
    }

    /// Whether a request may use the token without asking the cache.
    #[inline]
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now < self.revalidate_at && self.agrees_with_wall_clock()
    }

    /// Whether the token replaced one that an API rejected.
    pub(crate) fn follows_rejection(&self) -> bool {
        self.follows_rejection
    }

    /// Whether this request is one of the first with the token. It then counts as one.
    pub(crate) fn admit_first_request(&self) -> bool {
        self.first_requests.admit()
    }

    /// Whether the wall clock shows neither a suspend nor a step back.
    #[inline]
    fn agrees_with_wall_clock(&self) -> bool {
        let seconds = self.clock.coarse_seconds();
        self.wall_start <= seconds && seconds < self.wall_limit
    }

    /// Whether a request that waited for this token may be sent with it. If another snapshot has
    /// replaced it, the request asks the cache instead.
    pub(crate) fn is_sendable(&self, now: Instant) -> bool {
        self.expired_on_arrival
            || now < self.expires_at && !self.is_replaced() && self.agrees_with_wall_clock()
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use super::*;

    fn snapshot(expires_at: Instant) -> Snapshot {
        Snapshot {
            token: Token::bearer("abc").unwrap(),
            revalidate_at: expires_at,
            wall_limit: i64::MAX,
            wall_start: i64::MIN,
            clock: Clock::System,
            issued_at: expires_at,
            refresh_at: expires_at,
            expires_at,
            expired_on_arrival: false,
            follows_rejection: false,
            first_requests: FirstRequests::default(),
            replaced: Replaced::default(),
            copies: Striped::default(),
        }
    }

    #[test]
    fn a_token_is_sent_until_its_expiry_and_not_at_it() {
        let end = Instant::now() + std::time::Duration::from_secs(60);
        let snapshot = snapshot(end);
        let before = end - std::time::Duration::from_nanos(1);
        assert!(snapshot.is_fresh(before) && snapshot.is_sendable(before));
        assert!(!snapshot.is_fresh(end) && !snapshot.is_sendable(end));
        let expired = Snapshot { expired_on_arrival: true, ..snapshot.clone() };
        assert!(expired.is_sendable(end), "for the requests that waited for it");
        snapshot.replaced.set();
        assert!(!snapshot.is_sendable(before));
    }

    #[test]
    fn clones_share_the_reference_count_of_their_thread_stripe() {
        let snapshot = snapshot(Instant::now());
        let (first, second) = (snapshot.clone_token(), snapshot.clone_token());
        assert!(first.is_same(&second));
        assert!(!first.is_same(snapshot.token()) && first.same_secret(snapshot.token()));
        assert!(!Snapshot::clone(&snapshot).clone_token().is_same(&first));
    }
}
