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
}

impl<P> Shared<P> {
    pub(crate) fn new(cache: TokenCache, settings: Arc<Settings<P>>) -> Self {
        Self { cache, settings, lease: ArcSwapOption::empty() }
    }

    /// The token as a request carries it.
    pub(crate) fn badge(self: &Arc<Self>, snapshot: &Arc<Snapshot>) -> Arc<Badge<P>> {
        let published = self.lease.load();
        match published.as_ref() {
            Some(lease) if lease.snapshot.token().is_same(snapshot.token()) => {
                Arc::clone(lease.badge())
            }
            _ => Arc::clone(self.publish(Arc::clone(snapshot)).badge()),
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
/// A service that is held across calls keeps a copy of the pointer, good until its snapshot says
/// that it was replaced. One that is cloned for a single call never makes that copy: it would
/// write to the lease's reference count, which all threads share.
pub(crate) enum View<P> {
    New,
    Used,
    Held(Arc<Lease<P>>),
}

impl<P> View<P> {
    /// The published token, if it is fresh.
    #[inline]
    pub(crate) fn fresh(&mut self, shared: &Arc<Shared<P>>, now: Instant) -> Option<Arc<Badge<P>>> {
        if let Self::Held(lease) = self
            && lease.is_fresh(now)
        {
            return Some(Arc::clone(lease.badge()));
        }
        self.look_again(shared, now)
    }

    #[inline(never)]
    fn look_again(&mut self, shared: &Arc<Shared<P>>, now: Instant) -> Option<Arc<Badge<P>>> {
        let published = shared.lease.load();
        let renewed;
        let lease = match published.as_ref().filter(|lease| lease.is_fresh(now)) {
            Some(lease) => lease,
            None => {
                let Some(lease) = shared.renew(now) else {
                    *self = Self::Used;
                    return None;
                };
                renewed = lease;
                &renewed
            }
        };
        let badge = Arc::clone(lease.badge());
        *self = match self {
            Self::New => Self::Used,
            _ => Self::Held(Arc::clone(lease)),
        };
        Some(badge)
    }
}

impl<P> Clone for View<P> {
    fn clone(&self) -> Self {
        Self::New
    }
}
