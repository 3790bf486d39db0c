//! The token at hand as requests see it: immutable, published through an `ArcSwap`.

use std::{
    cell::Cell,
    sync::{
        LazyLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use http::HeaderValue;
use tokio::time::Instant;

use super::{Shared, TokenCache};
use crate::{
    sync::{Arc, Weak},
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
    pub(super) lease: Lease,
    pub(super) look_at: Instant,
    pub(super) refresh_at: Instant,
    pub(super) expires_at: Instant,
    /// It was past its deadline when it came. Its flight's waiters get it once; no one else does.
    pub(super) dead_on_arrival: bool,
    pub(super) replaced: Replaced,
}

/// Set when another snapshot was published. Those who keep a copy of the pointer read it, and
/// nobody writes to its cache line until then. A clone is a new snapshot, not replaced by any.
#[derive(Default)]
pub(super) struct Replaced(AtomicBool);

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

/// A token as requests carry it, once for each stripe of threads: a thread writes to the reference
/// counts of its stripe, so no two threads write to one cache line (up to [`stripes`] threads).
#[derive(Clone)]
pub(super) struct Lease(Arc<[Arc<Presented>]>);

/// What a request was sent with; enough to name it to the cache if an API rejects it.
///
/// The alignment keeps the reference count in front of it on a pair of cache lines of its own.
#[repr(align(128))]
pub(crate) struct Presented {
    token: Token,
    header: HeaderValue,
    /// Here as well, so that a request looks at nothing further away.
    bound: bool,
    /// Weak, as the cache holds the snapshot; and a request that is under way keeps no cache.
    cache: Weak<Shared>,
}

impl Lease {
    pub(super) fn new(token: &Token, cache: &Weak<Shared>) -> Self {
        let bound = token.is_bound();
        let present = |header| {
            Arc::new(Presented { token: token.clone(), header, bound, cache: Weak::clone(cache) })
        };
        Self(token.header_values(stripes()).into_iter().map(present).collect())
    }

    pub(super) fn token(&self) -> &Token {
        &self.0[0].token
    }
}

impl Presented {
    #[inline]
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    #[inline]
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// Whether each request with it needs a proof beside it.
    #[inline]
    pub(crate) fn is_bound(&self) -> bool {
        self.bound
    }

    /// The cache, unless its last handle is gone.
    pub(crate) fn cache(&self) -> Option<TokenCache> {
        self.cache.upgrade().map(|shared| TokenCache { shared })
    }
}

impl Snapshot {
    pub(crate) fn token(&self) -> &Token {
        self.lease.token()
    }

    /// This thread's copy of the token.
    #[inline]
    pub(crate) fn present(&self) -> Arc<Presented> {
        // The length is a power of two, so this is a mask and not a division.
        Arc::clone(&self.lease.0[stripe() & (self.lease.0.len() - 1)])
    }

    /// Whether the token may be used without taking a closer look.
    #[inline]
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        now < self.look_at
    }

    /// Whether a request that waited for this token may still leave with it.
    pub(crate) fn is_presentable(&self, now: Instant) -> bool {
        self.dead_on_arrival || now < self.expires_at
    }
}

/// How many copies a lease has: a power of two, as many as threads run at once, at
/// most 64.
fn stripes() -> usize {
    static STRIPES: LazyLock<usize> = LazyLock::new(|| {
        available_parallelism().map_or(1, usize::from).min(64).next_power_of_two()
    });
    *STRIPES
}

/// This thread's stripe, handed out in turn.
#[inline]
fn stripe() -> usize {
    const UNSET: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static STRIPE: Cell<usize> = const { Cell::new(UNSET) });
    STRIPE.with(|stripe| {
        if stripe.get() == UNSET {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) & (usize::MAX >> 1));
        }
        stripe.get()
    })
}

/// A service's own view of the published snapshot.
///
/// A service that is held across calls keeps a copy of the pointer, good until the snapshot says
/// that it was replaced. One that is cloned for a single call never makes that copy: it would
/// write to the snapshot's reference count, which all threads share.
#[derive(Default)]
pub(crate) enum View {
    #[default]
    New,
    Used,
    Held(Arc<Snapshot>),
}

impl View {
    /// The published token, if it is fresh.
    #[inline]
    pub(crate) fn fresh(&mut self, cache: &TokenCache, now: Instant) -> Option<Arc<Presented>> {
        if let Self::Held(snapshot) = self
            && !snapshot.replaced.get()
            && snapshot.is_fresh(now)
        {
            return Some(snapshot.present());
        }
        self.look_again(cache, now)
    }

    #[inline(never)]
    fn look_again(&mut self, cache: &TokenCache, now: Instant) -> Option<Arc<Presented>> {
        let published = cache.shared.snapshot.load();
        *self = match (&self, published.as_ref()) {
            (Self::New, _) | (_, None) => Self::Used,
            (_, Some(snapshot)) => Self::Held(Arc::clone(snapshot)),
        };
        published.as_deref().filter(|snapshot| snapshot.is_fresh(now)).map(Snapshot::present)
    }
}

impl Clone for View {
    fn clone(&self) -> Self {
        Self::New
    }
}
