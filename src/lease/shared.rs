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
        if self.alone {
            return Arc::new(Badge::new(snapshot.token().header_value(), snapshot.token(), self));
        }
        let published = self.lease.load();
        match published.as_ref() {
            Some(lease) if lease.snapshot.token().is_same(snapshot.token()) => lease.badge(),
            _ => self.publish(Arc::clone(snapshot)).badge(),
        }
    }

    #[cold]
    fn publish(self: &Arc<Self>, snapshot: Arc<Snapshot>) -> Arc<Lease<P>> {
        let published = self.lease.load();
        let lease = Arc::new(match published.as_ref() {
            Some(lease) if lease.snapshot.token().is_same(snapshot.token()) => {
                lease.renewed(snapshot)
            }
            _ => Lease::new(snapshot, self),
        });
        if !lease.snapshot.is_replaced() {
            self.lease.store(Some(Arc::clone(&lease)));
        }
        lease
    }

    /// The published token, if it is fresh.
    #[cold]
    fn renew(self: &Arc<Self>, now: Instant) -> Option<Arc<Lease<P>>> {
        self.cache.fresh(now).map(|snapshot| self.publish(snapshot))
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
    #[inline]
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
            Some(lease) if lease.snapshot.is_fresh(now) && !lease.snapshot.is_replaced() => lease,
            _ => {
                renewed = shared.renew(now)?;
                &renewed
            }
        };
        match self {
            Self::New => {
                *self = Self::Used;
                return Some(lease.badge());
            }
            Self::Held { snapshot, badge } if lease.snapshot.token().is_same(badge.token()) => {
                *snapshot = Arc::clone(&lease.snapshot);
                return Some(Arc::clone(badge));
            }
            _ => {}
        }
        let snapshot = Arc::clone(&lease.snapshot);
        let badge = Arc::new(Badge::new(lease.text.value(), snapshot.token(), shared));
        if !badge.is_bound() {
            *self = Self::Held { snapshot, badge: Arc::clone(&badge) };
        }
        Some(badge)
    }
}

impl<P> Clone for View<P> {
    fn clone(&self) -> Self {
        Self::New
    }
}
