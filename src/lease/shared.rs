//! What the services of a layer share, and where they publish their lease.

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::{Badge, Lease};
use crate::{
    cache::{Snapshot, TokenCache},
    settings::Settings,
    sync::Arc,
};

/// A cache, the layer's settings, and the lease that was made last. Behind one handle, so that
/// cloning a service writes to one count.
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
    pub(crate) fn for_one(cache: TokenCache, settings: Arc<Settings<P>>) -> Self {
        Self { cache, settings, lease: ArcSwapOption::empty(), alone: true }
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
            _ => Arc::new(Badge::new(token.header_value(), token, self)),
        }
    }

    /// A snapshot that the cache never published is never fresh, and none that it took back is left
    /// unmarked: so an old lease that is stored last is found out.
    #[cold]
    fn publish(&self, snapshot: Arc<Snapshot>) -> Arc<Lease<P>> {
        let lease = Arc::new(match self.lease.load().as_ref() {
            Some(lease) if lease.snapshot.token().is_same(snapshot.token()) => {
                lease.renewed(snapshot)
            }
            _ => Lease::new(snapshot),
        });
        self.lease.store(Some(Arc::clone(&lease)));
        lease
    }

    /// The published token, if it is fresh.
    #[cold]
    fn renew(&self) -> Option<Arc<Lease<P>>> {
        self.cache.fresh().map(|snapshot| self.publish(snapshot))
    }
}

/// A service's own view of the published lease.
///
/// A service that is held across calls has a badge of its own, good until its snapshot says that it
/// was replaced. One that is cloned for a single call never makes one, and writes to no count that all
/// threads share.
pub(crate) enum View<P> {
    New,
    Used,
    Held { snapshot: Arc<Snapshot>, badge: Arc<Badge<P>> },
}

impl<P> View<P> {
    /// The service's own badge, if its token is fresh, and bound to no key.
    #[inline(always)]
    pub(crate) fn held(&self, now: Instant) -> Option<Arc<Badge<P>>> {
        match self {
            Self::Held { snapshot, badge } if snapshot.is_fresh(now) && !snapshot.is_replaced() => {
                Some(Arc::clone(badge))
            }
            _ => None,
        }
    }

    /// The published token, if it is fresh.
    #[inline(never)]
    pub(crate) fn look_again(
        &mut self,
        shared: &Arc<Shared<P>>,
        now: Instant,
    ) -> Option<Arc<Badge<P>>> {
        let published = shared.lease.load();
        let renewed;
        let lease = match published.as_ref() {
            Some(lease) if lease.is_fresh(now) => lease,
            _ => {
                renewed = shared.renew()?;
                &renewed
            }
        };
        let token = lease.snapshot.token();
        match self {
            Self::Held { snapshot, badge } if badge.token().is_same(token) => {
                *snapshot = Arc::clone(&lease.snapshot);
                Some(Arc::clone(badge))
            }
            Self::New => {
                *self = Self::Used;
                Some(lease.badge(shared))
            }
            // Each request has a proof beside it, which is no place to save a look.
            _ if token.is_bound() => {
                *self = Self::Used;
                Some(lease.badge(shared))
            }
            _ => {
                let (snapshot, badge) = (Arc::clone(&lease.snapshot), lease.make(shared));
                *self = Self::Held { snapshot, badge: Arc::clone(&badge) };
                Some(badge)
            }
        }
    }
}

impl<P> Clone for View<P> {
    fn clone(&self) -> Self {
        Self::New
    }
}
