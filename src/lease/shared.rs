//! What the services of a layer share, and where they publish their lease.

use arc_swap::{ArcSwapOption, Guard};
use tokio::time::Instant;

use super::{Badge, Lease};
use crate::{
    cache::{Snapshot, TokenCache},
    settings::Settings,
    sync::{Arc, Mutex, Weak, lock},
};

/// A cache, the layer's settings, and the lease that was made last.
pub(crate) struct Shared<P> {
    pub(crate) cache: TokenCache,
    pub(crate) settings: Arc<Settings<P>>,
    /// Made by whoever first sees another snapshot. Two may do so at once, and the older lease be
    /// stored last: it says itself that it was replaced, and is made anew.
    lease: ArcSwapOption<Lease<P>>,
    /// `None`: one request is all there is to share with. It needs no lease.
    home: Option<Arc<Home<P>>>,
    /// Whether clones are lent badges. They live on what a service that stays keeps alive; once it
    /// had to be made anew, as that service is gone, each clone keeps it.
    lends: bool,
}

/// Where the services of a layer find what they share, or make it anew: those that live on badges keep
/// it alive only while they need it, and must not each come to one of their own.
///
/// Badges lead here and not to what is shared, which by its lease leads to badges: it would never end.
pub(super) struct Home<P>(Mutex<Weak<Shared<P>>>);

impl<P> Home<P> {
    pub(super) fn find(
        self: &Arc<Self>,
        cache: &TokenCache,
        settings: &Arc<Settings<P>>,
    ) -> Arc<Shared<P>> {
        let mut found = lock(&self.0);
        found.upgrade().unwrap_or_else(|| {
            let home = Some(Arc::clone(self));
            let shared = Shared { home, ..Shared::for_one(cache.clone(), Arc::clone(settings)) };
            let shared = Arc::new(shared);
            *found = Arc::downgrade(&shared);
            shared
        })
    }
}

impl<P> Shared<P> {
    pub(crate) fn new(cache: TokenCache, settings: Arc<Settings<P>>) -> Arc<Self> {
        let home = Arc::new(Home(Mutex::new(Weak::new())));
        let shared =
            Self { home: Some(Arc::clone(&home)), lends: true, ..Self::for_one(cache, settings) };
        let shared = Arc::new(shared);
        *lock(&home.0) = Arc::downgrade(&shared);
        shared
    }

    /// For one request alone.
    pub(crate) fn for_one(cache: TokenCache, settings: Arc<Settings<P>>) -> Self {
        Self { cache, settings, lease: ArcSwapOption::empty(), home: None, lends: false }
    }

    pub(super) fn home(&self) -> Option<&Arc<Home<P>>> {
        self.home.as_ref()
    }

    /// The token as a request carries it.
    pub(crate) fn badge(self: &Arc<Self>, snapshot: &Arc<Snapshot>) -> Arc<Badge<P>> {
        let token = snapshot.token();
        match self.lease.load().as_ref() {
            Some(lease) if lease.snapshot.token().is_same(token) => lease.badge(self),
            // Those that wait for a token share a lease. What is on its way out is not published.
            _ if self.home.is_some()
                && snapshot.is_fresh(Instant::now())
                && !snapshot.is_replaced() =>
            {
                self.publish(Arc::clone(snapshot)).badge(self)
            }
            _ => Arc::new(Badge::new(token.header_value(), Arc::clone(snapshot), self)),
        }
    }

    /// A snapshot that the cache never published is never fresh, and none that it took back is left
    /// unmarked: so an old lease that is stored last is found out.
    #[cold]
    fn publish(&self, snapshot: Arc<Snapshot>) -> Arc<Lease<P>> {
        let lease = Arc::new(Lease::new(snapshot));
        self.lease.store(Some(Arc::clone(&lease)));
        lease
    }

    /// The lease, if a request may leave with it.
    pub(super) fn fresh(&self, now: Instant) -> Option<Guard<Option<Arc<Lease<P>>>>> {
        let lease = self.lease.load();
        if lease.as_ref().is_some_and(|lease| lease.is_fresh(now)) {
            return Some(lease);
        }
        let lease = self.publish(self.cache.fresh(now)?);
        Some(Guard::from_inner(Some(lease)))
    }

    /// This thread's badge for a service that is likely to be called once, soon: whether it is fresh
    /// is seen then. None of a token that needs a proof with each request, which is no place to save
    /// a look.
    #[inline(never)]
    pub(super) fn lend(self: &Arc<Self>) -> Option<Arc<Badge<P>>> {
        match self.lease.load().as_ref() {
            Some(lease) if self.lends && !lease.snapshot.is_replaced() && !lease.is_bound() => {
                Some(lease.badge(self))
            }
            _ => None,
        }
    }
}
