//! What the services of a layer share, and where they publish their lease.

use arc_swap::{ArcSwapOption, Guard};
use tokio::time::Instant;

use super::{Badge, Lease};
use crate::{
    cache::{Snapshot, TokenCache},
    settings::Settings,
    sync::Arc,
};

/// A cache, the layer's settings, and the lease that was made last.
pub(crate) struct Shared<P> {
    pub(crate) cache: TokenCache,
    pub(crate) settings: Arc<Settings<P>>,
    /// Made by whoever first sees another snapshot. Two may do so at once, and the older lease be
    /// stored last: it says itself that it was replaced, and is made anew.
    lease: ArcSwapOption<Lease<P>>,
    /// One request is all there is to share with: it needs no lease.
    alone: bool,
}

impl<P> Shared<P> {
    pub(crate) fn new(cache: TokenCache, settings: Arc<Settings<P>>) -> Self {
        Self { cache, settings, lease: ArcSwapOption::empty(), alone: false }
    }

    /// For one request alone.
    #[cfg(feature = "keyed")]
    pub(crate) fn for_one(cache: TokenCache, settings: Arc<Settings<P>>) -> Self {
        Self { alone: true, ..Self::new(cache, settings) }
    }

    /// The token as a request carries it.
    pub(crate) fn badge(self: &Arc<Self>, snapshot: &Arc<Snapshot>) -> Arc<Badge<P>> {
        let token = snapshot.token();
        match self.lease.load().as_ref() {
            Some(lease) if lease.snapshot.token().is_same(token) => lease.badge(self),
            // Those that wait for a token share a lease. What is on its way out is not published.
            _ if !self.alone && snapshot.is_fresh(Instant::now()) && !snapshot.is_replaced() => {
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
        let lease = self.publish(self.cache.fresh()?);
        Some(Guard::from_inner(Some(lease)))
    }

    /// This thread's badge for a service that is likely to be called once, soon: whether it is fresh
    /// is seen then. None of a token that needs a proof with each request, which is no place to save
    /// a look.
    #[inline(never)]
    pub(super) fn lend(self: &Arc<Self>) -> Option<Arc<Badge<P>>> {
        match self.lease.load().as_ref() {
            Some(lease) if !lease.snapshot.is_replaced() && !lease.is_bound() => {
                Some(lease.badge(self))
            }
            _ => None,
        }
    }
}
