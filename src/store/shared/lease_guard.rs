//! A lease that is released when it is dropped.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::core::Core;
use crate::{
    error::{Error, Problem},
    event::{Observer, StoreOperation},
    store::traits::{EntryId, LeaseOwner},
};

/// The lease of one acquisition. When it is dropped, it is released in the background, so that nobody
/// waits for a slow store. If there is no runtime, it lapses.
pub(super) struct LeaseGuard {
    core: Arc<Core>,
    id: EntryId,
    pub(super) owner: LeaseOwner,
    is_held: bool,
    observer: Observer,
}

impl LeaseGuard {
    /// Made before the lease is requested, since a request that is given up may succeed.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, if the random number generator fails.
    pub(super) fn new(core: &Arc<Core>, id: EntryId, observer: &Observer) -> Result<Self, Error> {
        let mut owner = [0; 16];
        aws_lc_rs::rand::fill(&mut owner).map_err(|_| {
            Error::of(Problem::Credentials)
                .with_detail("lease: the cryptographic library has no random numbers; restart")
        })?;
        let owner = LeaseOwner(u128::from_be_bytes(owner));
        let observer = observer.clone();
        Ok(Self { core: Arc::clone(core), id, owner, is_held: true, observer })
    }

    /// Another process has the lease.
    pub(super) fn forget(mut self) {
        self.is_held = false;
    }

    /// Renews the lease each third of its duration, so that it ends at `limit`. Completes if it is lost
    /// before.
    pub(super) async fn renew_until_lost(&self, limit: Instant) {
        let Core { store, settings, .. } = &*self.core;
        loop {
            tokio::time::sleep(settings.lease / 3).await;
            let left = limit.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return pending().await;
            }
            let renewal = store.renew(self.id, self.owner, settings.lease.min(left));
            let renewed = self
                .core
                .run(&self.observer, StoreOperation::Renew, settings.store_timeout, renewal)
                .await;
            // A store that fails now may answer the next time.
            if let Ok(false) = renewed {
                return;
            }
        }
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if !self.is_held {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (core, id, owner) = (Arc::clone(&self.core), self.id, self.owner);
        // Longer than the bound of an operation, because nobody waits.
        let bound = core.settings.lease.max(Duration::from_secs(1));
        let observer = self.observer.clone();
        runtime.spawn(async move {
            let releasing = core.store.release(id, owner);
            // If it fails, the lease lapses.
            let _ = core.run(&observer, StoreOperation::Release, bound, releasing).await;
        });
    }
}
