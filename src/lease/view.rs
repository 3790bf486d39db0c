//! How a service comes to its badge.

#[cfg(all(test, not(oauth_loom)))]
mod tests;

use std::sync::OnceLock;

use tokio::time::Instant;

use super::{Badge, Shared};
use crate::{cache::TokenCache, settings::Settings, sync::Arc};

/// A service's way to the token.
///
/// A service that is held across calls has a badge of its own, good until its snapshot says that it
/// was replaced. One that is cloned, in most cases for a single call, is lent the badge of its thread
/// and has nothing else: so neither the clone nor its call writes to a count that all threads share.
/// By a badge that is no longer good, or another thread's, it finds what the layer's services share,
/// and so the next.
pub(crate) struct View<P> {
    badge: Option<Arc<Badge<P>>>,
    /// The badge is its thread's and not the service's own.
    lent: bool,
    /// It was called, and has no badge of its own: the next call may be one of many.
    used: bool,
    /// What the layer's services share. Set where there is no badge, else once it was needed.
    shared: OnceLock<Arc<Shared<P>>>,
}

impl<P> View<P> {
    pub(crate) fn new(shared: Arc<Shared<P>>) -> Self {
        Self { badge: None, lent: false, used: false, shared: OnceLock::from(shared) }
    }

    #[inline(always)]
    fn lent(badge: Arc<Badge<P>>) -> Self {
        Self { badge: Some(badge), lent: true, used: false, shared: OnceLock::new() }
    }

    #[inline(always)]
    pub(crate) fn settings(&self) -> &Settings<P> {
        match &self.badge {
            Some(badge) => badge.settings(),
            None => &self.shared().settings,
        }
    }

    pub(crate) fn cache(&self) -> &TokenCache {
        match &self.badge {
            Some(badge) => badge.cache(),
            None => &self.shared().cache,
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared<P>> {
        self.shared.get_or_init(|| self.badge.as_ref().expect("either is there").shared())
    }

    /// The badge at hand, if its token is fresh. It is bound to no key.
    #[inline(always)]
    pub(crate) fn badge(&mut self, now: Instant) -> Option<Arc<Badge<P>>> {
        match &self.badge {
            Some(badge) if self.is_good(badge) && badge.is_fresh(now) => {
                self.used = self.lent;
                Some(Arc::clone(badge))
            }
            _ => None,
        }
    }

    /// Whether the badge is the service's own, or its thread's and lent for this call. A clone may
    /// be called on another thread than it was made on; where that thread's badge is not to be had,
    /// as the service that the layer made is gone, it uses what it has.
    #[inline(always)]
    fn is_good(&self, badge: &Badge<P>) -> bool {
        !self.lent || !self.used && (badge.is_at_home() || badge.is_orphan())
    }

    /// A badge of the published token, if that is fresh.
    #[inline(never)]
    pub(crate) fn look_again(&mut self, now: Instant) -> Option<Arc<Badge<P>>> {
        let shared = self.shared();
        let published = shared.fresh(now)?;
        let lease = published.as_ref()?;
        // A service with a badge of its own that is used no more was called often. And a proof with
        // each request is no place to save a look.
        let often = self.used || self.badge.is_some() && !self.lent;
        let own = often && !lease.is_bound();
        let badge = if own { lease.make(shared) } else { lease.badge(shared) };
        self.badge = own.then(|| Arc::clone(&badge));
        (self.lent, self.used) = (false, !own);
        Some(badge)
    }

    /// Through the lease, and not from a badge that other threads are likely to write to.
    #[inline(never)]
    fn lend(&self) -> Self {
        let shared = self.shared();
        shared.lend().map_or_else(|| Self::new(Arc::clone(shared)), Self::lent)
    }
}

impl<P> Clone for View<P> {
    #[inline(always)]
    fn clone(&self) -> Self {
        match &self.badge {
            Some(badge) if self.lent && badge.is_at_home() => Self::lent(Arc::clone(badge)),
            _ => self.lend(),
        }
    }
}
