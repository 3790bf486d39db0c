//! The published token as a layer's requests carry it: one header value for each stripe of threads,
//! and what an answer is judged by.
//!
//! A call with a fresh token writes to the reference count of one badge and to that of the header
//! value in it: of its service's own, if that is held across calls, else of its thread's stripe. So no
//! two threads write to one cache line, up to as many threads as there are stripes, and whatever else
//! the call needs is reached through that one pointer.

mod badge;
mod shared;
mod view;

use tokio::time::Instant;

pub(crate) use self::{badge::Badge, shared::Shared, view::View};
use crate::{
    cache::Snapshot,
    sync::{Arc, Striped},
};

/// A snapshot of the cache, ready to be put into requests.
struct Lease<P> {
    snapshot: Arc<Snapshot>,
    badges: Striped<Arc<Badge<P>>>,
}

impl<P> Lease<P> {
    fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, badges: Striped::default() }
    }

    /// Whether a request may leave with it, without a closer look.
    fn is_fresh(&self, now: Instant) -> bool {
        self.snapshot.is_fresh(now) && !self.snapshot.is_replaced()
    }

    /// Whether each request with it needs a proof beside it.
    fn is_bound(&self) -> bool {
        self.snapshot.token().is_bound()
    }

    /// This thread's copy.
    fn badge(&self, shared: &Arc<Shared<P>>) -> Arc<Badge<P>> {
        Arc::clone(self.badges.here(|| self.make(shared)))
    }

    /// Another copy.
    fn make(&self, shared: &Arc<Shared<P>>) -> Arc<Badge<P>> {
        let header = self.snapshot.token().own_header_value();
        Arc::new(Badge::new(header, Arc::clone(&self.snapshot), shared))
    }
}
