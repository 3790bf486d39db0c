//! The store that processes share, as a trait.

use std::{fmt, future::Future, time::Duration};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::{error::BoxError, source::BoxFuture};

/// The name of an entry: a hash of everything that determines its token. It holds no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId([u8; 32]);

impl EntryId {
    /// The name that has this hash. `Shared` makes names itself. Tests of a store need others.
    pub fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryId({self})")
    }
}

/// The owner of a lease: a random value of one acquisition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseOwner(pub u128);

/// An entry as a store keeps it. The store cannot read the value, unless it was written as plain text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredEntry {
    /// Greater for later entries: the time of the lease under which the entry was written, in
    /// milliseconds on the store's clock.
    pub generation: u64,
    /// The sealed value.
    pub value: Bytes,
}

impl StoredEntry {
    /// An entry of this generation.
    pub fn new(generation: u64, value: Bytes) -> Self {
        Self { generation, value }
    }
}

/// The answer to a request for a lease, with the entry at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The caller has the lease, and no other process until it ends.
    Granted {
        /// The generation of an entry that is written under this lease: the store's clock in
        /// milliseconds, and greater than the generation of `entry`.
        generation: u64,
        /// The entry now.
        entry: Option<StoredEntry>,
    },
    /// Another process has the lease.
    Held {
        /// When the lease ends unless its owner renews it.
        remaining: Duration,
        /// The entry now.
        entry: Option<StoredEntry>,
    },
}

/// A store failed: it is unreachable, full or read-only, or its answer is not an answer.
#[derive(Debug)]
pub struct StoreError(BoxError);

impl StoreError {
    /// An error with this cause. Its text must hold no secret, such as a password in a URL.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store of shared tokens failed")
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// Receives the entries that other processes write.
#[derive(Clone, Debug)]
pub struct Announcements(mpsc::Sender<(EntryId, StoredEntry)>);

impl Announcements {
    pub(crate) fn new(sender: mpsc::Sender<(EntryId, StoredEntry)>) -> Self {
        Self(sender)
    }

    /// A handle and its receiver, for tests of a store. The queue holds 64 entries.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::store::{Announcements, EntryId, StoredEntry};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let (announcements, mut receiver) = Announcements::channel();
    /// let (id, entry) = (EntryId::new([7; 32]), StoredEntry::new(1, "sealed".into()));
    /// assert!(announcements.announce(id, entry.clone()));
    /// assert_eq!(receiver.recv().await, Some((id, entry)));
    /// # });
    /// ```
    pub fn channel() -> (Self, AnnouncementReceiver) {
        let (sender, receiver) = mpsc::channel(64);
        (Self::new(sender), AnnouncementReceiver(receiver))
    }

    /// Delivers an entry. One that finds the queue full is dropped, because polls find it too.
    /// Returns whether the receiver still exists: a subscription ends when it does not.
    #[must_use = "false means that the subscription can end"]
    pub fn announce(&self, id: EntryId, entry: StoredEntry) -> bool {
        !matches!(self.0.try_send((id, entry)), Err(mpsc::error::TrySendError::Closed(_)))
    }

    /// Whether the receiver no longer exists.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Completes when the receiver no longer exists.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

/// Receives what a store delivers to its [`Announcements`], for tests of a store.
/// [`Announcements::channel`] has the example.
#[derive(Debug)]
pub struct AnnouncementReceiver(mpsc::Receiver<(EntryId, StoredEntry)>);

impl AnnouncementReceiver {
    /// The next entry. `None`: the store has dropped the handle.
    pub async fn recv(&mut self) -> Option<(EntryId, StoredEntry)> {
        self.0.recv().await
    }
}

/// Keeps entries and leases for the processes of a fleet.
///
/// The caller bounds the duration of each operation. An operation that is dropped may still happen.
/// A store that cannot answer returns an error: an error is never taken for a missing entry.
pub trait Store: Send + Sync + 'static {
    /// The entry now.
    fn read(
        &self,
        id: EntryId,
    ) -> impl Future<Output = Result<Option<StoredEntry>, StoreError>> + Send;

    /// Takes the lease of an entry if no process has it, in one atomic step with reading the entry.
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

    /// Writes an entry, keeps it for this duration, and announces it. Returns `false`, and writes
    /// nothing, if the stored entry has a greater generation.
    fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        keep: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Starts to deliver the entries that are written. Returns at once, and reconnects by itself.
    /// A store without announcements drops the handle: its readers poll.
    fn subscribe(&self, announcements: Announcements) {
        drop(announcements);
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
        keep: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    fn subscribe(&self, announcements: Announcements);
}

impl<S: Store> ErasedStore for S {
    fn read(&self, id: EntryId) -> BoxFuture<'_, Result<Option<StoredEntry>, StoreError>> {
        Box::pin(Store::read(self, id))
    }

    fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> BoxFuture<'_, Result<Lease, StoreError>> {
        Box::pin(Store::lease(self, id, owner, duration))
    }

    fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(Store::renew(self, id, owner, duration))
    }

    fn release(&self, id: EntryId, owner: LeaseOwner) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(Store::release(self, id, owner))
    }

    fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        keep: Duration,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(Store::write(self, id, entry, keep))
    }

    fn subscribe(&self, announcements: Announcements) {
        Store::subscribe(self, announcements);
    }
}
