//! The store that processes share, as a trait.

use std::{future::Future, time::Duration};

pub(crate) use super::announcer::ReceiveAnnouncement;
pub use super::{
    announcer::{AnnouncementReceiver, Announcer},
    values::{EntryId, Lease, LeaseOwner, StoreError, StoredEntry},
};
use crate::source::BoxFuture;

/// Keeps entries and leases for the processes of a fleet.
///
/// [`MemoryStore`](crate::store::MemoryStore) shows all operations in one file.
///
/// The caller bounds the duration of each operation. If the future of an operation is
/// dropped, the store may still have carried it out.
/// A store that cannot answer returns an error: an error is never taken for a missing entry.
///
/// # Examples
///
/// A store that counts the errors of another one:
///
/// ```
/// use std::{sync::atomic::{AtomicU64, Ordering}, time::Duration};
/// use tower_oauth2_client_credentials::store::{
///     Announcer, EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry,
/// };
///
/// struct Counted<S> {
///     inner: S,
///     errors: AtomicU64,
/// }
///
/// impl<S> Counted<S> {
///     fn count<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
///         self.errors.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
///         result
///     }
/// }
///
/// impl<S: Store> Store for Counted<S> {
///     async fn read(&self, id: EntryId) -> Result<Option<StoredEntry>, StoreError> {
///         self.count(self.inner.read(id).await)
///     }
///
///     async fn lease(
///         &self,
///         id: EntryId,
///         owner: LeaseOwner,
///         duration: Duration,
///     ) -> Result<Lease, StoreError> {
///         self.count(self.inner.lease(id, owner, duration).await)
///     }
///
///     async fn renew(
///         &self,
///         id: EntryId,
///         owner: LeaseOwner,
///         duration: Duration,
///     ) -> Result<bool, StoreError> {
///         self.count(self.inner.renew(id, owner, duration).await)
///     }
///
///     async fn release(&self, id: EntryId, owner: LeaseOwner) -> Result<(), StoreError> {
///         self.count(self.inner.release(id, owner).await)
///     }
///
///     async fn write(
///         &self,
///         id: EntryId,
///         entry: StoredEntry,
///         ttl: Duration,
///     ) -> Result<bool, StoreError> {
///         self.count(self.inner.write(id, entry, ttl).await)
///     }
///
///     fn subscribe(&self, announcer: Announcer) {
///         self.inner.subscribe(announcer);
///     }
/// }
/// ```
pub trait Store: Send + Sync + 'static {
    /// Reads the current entry.
    fn read(
        &self,
        id: EntryId,
    ) -> impl Future<Output = Result<Option<StoredEntry>, StoreError>> + Send;

    /// Takes the lease of an entry if no process has it, in one atomic step with reading the entry.
    /// A lease of the same owner is granted again, so that a request can be repeated if its answer
    /// was lost.
    fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> impl Future<Output = Result<Lease, StoreError>> + Send;

    /// Extends the owner's lease to this duration from now. Returns `false` if the owner has none.
    fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Ends the owner's lease. Other leases stay.
    fn release(
        &self,
        id: EntryId,
        owner: LeaseOwner,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Writes an entry, keeps it for `ttl`, and announces it. Returns `false`, and writes
    /// nothing, if the stored entry has a greater generation.
    fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        ttl: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Delivers each entry that is written with `announcer.id()` to this handle, until it is
    /// [closed](Announcer::is_closed). Returns at once, and reconnects by itself. A store without
    /// announcements drops the handle: its readers poll.
    ///
    /// It is called for each source and entry, so a store shares one connection between all
    /// subscriptions. It is called again for the same entry if the handle was dropped.
    fn subscribe(&self, announcer: Announcer) {
        drop(announcer);
    }
}

/// An object-safe [`Store`].
pub(crate) trait ErasedStore: Send + Sync {
    fn read(&self, id: EntryId) -> BoxFuture<'_, Result<Option<StoredEntry>, StoreError>>;

    fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> BoxFuture<'_, Result<Lease, StoreError>>;

    fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    fn release(&self, id: EntryId, owner: LeaseOwner) -> BoxFuture<'_, Result<(), StoreError>>;

    fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    fn subscribe(&self, announcer: Announcer);
}

/// The methods of the store are called when the future is polled, where a panic is caught.
impl<S: Store> ErasedStore for S {
    fn read(&self, id: EntryId) -> BoxFuture<'_, Result<Option<StoredEntry>, StoreError>> {
        Box::pin(async move { Store::read(self, id).await })
    }

    fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> BoxFuture<'_, Result<Lease, StoreError>> {
        Box::pin(async move { Store::lease(self, id, owner, duration).await })
    }

    fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Store::renew(self, id, owner, duration).await })
    }

    fn release(&self, id: EntryId, owner: LeaseOwner) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { Store::release(self, id, owner).await })
    }

    fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        ttl: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(async move { Store::write(self, id, entry, ttl).await })
    }

    fn subscribe(&self, announcer: Announcer) {
        Store::subscribe(self, announcer);
    }
}
