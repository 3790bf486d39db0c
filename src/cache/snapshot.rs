//! The token at hand as requests see it: immutable, published through an `ArcSwap`.

use std::{
    cell::Cell,
    ops::Deref,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

use http::HeaderValue;
use tokio::time::Instant;

use super::{Shared, TokenCache};
use crate::{
    sync::{Arc, ArcSwapOption, Cache, Guard, Weak},
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
    /// Weak, as the cache holds the snapshot; and a request that is under way keeps no cache.
    cache: Weak<Shared>,
}

impl Lease {
    pub(super) fn new(token: &Token, cache: &Weak<Shared>) -> Self {
        let present = |header| {
            Arc::new(Presented { token: token.clone(), header, cache: Weak::clone(cache) })
        };
        Self(token.header_values(stripes()).into_iter().map(present).collect())
    }

    pub(super) fn token(&self) -> &Token {
        &self.0[0].token
    }
}

impl Presented {
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
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
    pub(crate) fn presented(&self) -> &Arc<Presented> {
        // The length is a power of two, so this is a mask and not a division.
        &self.lease.0[stripe() & (self.lease.0.len() - 1)]
    }

    /// Whether the token may be used without taking a closer look.
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

/// A cache's published snapshot, as `arc_swap::Cache` wants to find it.
#[derive(Clone)]
pub(crate) struct Published(Arc<Shared>);

impl Deref for Published {
    type Target = ArcSwapOption<Snapshot>;

    fn deref(&self) -> &Self::Target {
        &self.0.snapshot
    }
}

/// A service's own view of the published snapshot.
///
/// A service that is held across calls keeps a copy of the pointer and only compares it
/// (`arc_swap::Cache`). One that is cloned for a single call never builds that copy: filling it
/// would write to the snapshot's reference count, which all threads share.
#[derive(Default)]
pub(crate) enum View {
    #[default]
    New,
    Used,
    Held(Cache<Published, Option<Arc<Snapshot>>>),
}

impl View {
    /// Calls `with` with the published snapshot if it is fresh.
    pub(crate) fn fresh<T>(
        &mut self,
        cache: &TokenCache,
        now: Instant,
        with: impl FnOnce(&Snapshot) -> T,
    ) -> Option<T> {
        if let Self::Held(held) = self {
            return held.load().as_deref().filter(|snapshot| snapshot.is_fresh(now)).map(with);
        }
        self.first_looks(cache).as_deref().filter(|it| it.is_fresh(now)).map(with)
    }

    fn first_looks(&mut self, cache: &TokenCache) -> Guard<Option<Arc<Snapshot>>> {
        *self = match self {
            Self::New => Self::Used,
            _ => Self::Held(Cache::new(Published(Arc::clone(&cache.shared)))),
        };
        cache.shared.snapshot.load()
    }
}

impl Clone for View {
    fn clone(&self) -> Self {
        Self::New
    }
}
