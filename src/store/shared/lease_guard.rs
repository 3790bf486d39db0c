//! A lease that is released when it is dropped.

use std::{convert::Infallible, future::pending, sync::Arc};

use tokio::time::Instant;

use super::inner::SharedInner;
use crate::{
    error::{Error, Problem},
    event::{Observer, StoreOperation},
    source::StopRetries,
    store::traits::{EntryId, LeaseOwner},
};

/// The lease of one acquisition. Drop releases it in the background, so that no caller waits for a slow
/// store. Without a runtime it lapses.
pub(super) struct LeaseGuard {
    inner: Arc<SharedInner>,
    id: EntryId,
    pub(super) owner: LeaseOwner,
    /// The lease may be held: it was requested, and the store has not refused it.
    must_release: bool,
    observer: Observer,
}

impl LeaseGuard {
    /// Call it before the lease is requested, since a request that is dropped may succeed.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, as for other failures of the cryptographic library, if the random number
    /// generator fails.
    pub(super) fn new(
        inner: &Arc<SharedInner>,
        id: EntryId,
        observer: &Observer,
    ) -> Result<Self, Error> {
        let mut owner = [0; 16];
        aws_lc_rs::rand::fill(&mut owner).map_err(|_| {
            Error::of(Problem::Credentials)
                .with_detail("lease: the cryptographic library has no random numbers; restart")
        })?;
        let owner = LeaseOwner(u128::from_be_bytes(owner));
        let observer = observer.clone();
        Ok(Self { inner: Arc::clone(inner), id, owner, must_release: true, observer })
    }

    /// The store refused the lease, so nothing is released.
    pub(super) fn disarm(mut self) {
        self.must_release = false;
    }

    /// Renews the lease each third of its duration, but not beyond `limit`. If it is lost before, sets
    /// `stop_retries`, because another process acquires. Never completes: the acquisition goes on.
    pub(super) async fn keep_renewing(
        &self,
        limit: Instant,
        stop_retries: &StopRetries,
    ) -> Infallible {
        let SharedInner { store, settings, .. } = &*self.inner;
        loop {
            tokio::time::sleep(settings.lease / 3).await;
            let remaining = limit.saturating_duration_since(Instant::now());
            if remaining.is_zero() {
                break;
            }
            let renewal = store.renew(self.id, self.owner, settings.lease.min(remaining));
            let renewed = self
                .inner
                .run(&self.observer, StoreOperation::Renew, settings.store_timeout, renewal)
                .await;
            // After an error, the next renewal may succeed.
            if let Ok(false) = renewed {
                stop_retries.set();
                break;
            }
        }
        pending().await
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if !self.must_release {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (inner, id, owner) = (Arc::clone(&self.inner), self.id, self.owner);
        // After this time the lease has lapsed. `store_timeout` does not apply, because no caller waits.
        let bound = inner.settings.lease;
        let observer = self.observer.clone();
        runtime.spawn(async move {
            let releasing = inner.store.release(id, owner);
            // If it fails, the lease lapses.
            let _ = inner.run(&observer, StoreOperation::Release, bound, releasing).await;
        });
    }
}
