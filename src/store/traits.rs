//! The store that processes share, as a trait.

use std::{
    fmt,
    future::Future,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::{error::BoxError, source::BoxFuture};

/// The name of an entry: a hash of everything that determines its token. It holds no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId([u8; 32]);

impl EntryId {
    /// The name that has this hash. `Shared` makes names by itself; tests of a store need others.
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
        /// That process.
        owner: LeaseOwner,
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

/// Receives the announcements of one entry. It does not keep its receiver alive.
///
/// # Examples
///
/// A store with one connection for all subscriptions keeps the handles, and drops those that have
/// ended:
///
/// ```
/// use std::sync::Mutex;
/// use tower_oauth2_client_credentials::store::{Announcements, EntryId, StoredEntry};
///
/// struct Subscriptions(Mutex<Vec<Announcements>>);
///
/// impl Subscriptions {
///     fn announce(&self, id: EntryId, entry: &StoredEntry) {
///         // Cloned, because a receiver may do anything.
///         let all = self.0.lock().unwrap().clone();
///         for announcements in all {
///             let _is_open = announcements.announce(id, entry.clone());
///         }
///         self.0.lock().unwrap().retain(|it| !it.is_closed());
///     }
/// }
/// # drop(Subscriptions(Mutex::default()));
/// ```
#[derive(Clone)]
pub struct Announcements {
    id: EntryId,
    receiver: Weak<dyn ReceiveAnnouncement>,
    /// Closed when the receiver is dropped.
    closed: watch::Receiver<()>,
}

/// The side of a subscription that the store does not see.
pub(crate) trait ReceiveAnnouncement: Send + Sync {
    /// Never waits.
    fn receive(&self, entry: StoredEntry);
}

impl Announcements {
    /// `closed`: its sender is dropped with the receiver.
    pub(crate) fn new(
        id: EntryId,
        receiver: Weak<dyn ReceiveAnnouncement>,
        closed: watch::Receiver<()>,
    ) -> Self {
        Self { id, receiver, closed }
    }

    /// A handle with its receiver, for tests of a store. The queue holds 64 entries.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::store::{Announcements, EntryId, StoredEntry};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let (id, entry) = (EntryId::new([7; 32]), StoredEntry::new(1, "sealed".into()));
    /// let (announcements, mut receiver) = Announcements::channel(id);
    /// assert!(announcements.announce(id, entry.clone()));
    /// assert_eq!(receiver.recv().await, entry);
    /// # });
    /// ```
    pub fn channel(id: EntryId) -> (Self, AnnouncementReceiver) {
        let (sender, entries) = mpsc::channel(64);
        let (closes, closed) = watch::channel(());
        let queue: Arc<dyn ReceiveAnnouncement> = Arc::new(Queue(sender));
        let announcements = Self::new(id, Arc::downgrade(&queue), closed);
        (announcements, AnnouncementReceiver { entries, _queue: queue, _closes: closes })
    }

    /// The entry whose announcements are wanted.
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Delivers an entry. Those of other ids are dropped. Never waits, but runs code of the receiver:
    /// call it without a lock.
    ///
    /// Returns whether the receiver still exists: a subscription ends when it does not.
    pub fn announce(&self, id: EntryId, entry: StoredEntry) -> bool {
        if id != self.id {
            return !self.is_closed();
        }
        let Some(receiver) = self.receiver.upgrade() else { return false };
        receiver.receive(entry);
        true
    }

    /// Whether the receiver was dropped.
    pub fn is_closed(&self) -> bool {
        self.receiver.strong_count() == 0
    }

    /// Completes when the receiver was dropped.
    pub async fn closed(&self) {
        let mut closed = self.closed.clone();
        while closed.changed().await.is_ok() {}
    }
}

/// Entries that wait for an [`AnnouncementReceiver`]. One that finds no place is dropped.
struct Queue(mpsc::Sender<StoredEntry>);

impl ReceiveAnnouncement for Queue {
    fn receive(&self, entry: StoredEntry) {
        let _ = self.0.try_send(entry);
    }
}

/// Receives what a store delivers, for tests of a store. Its subscription ends when it is dropped.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::store::{Announcements, EntryId};
///
/// let (announcements, receiver) = Announcements::channel(EntryId::new([7; 32]));
/// drop(receiver);
/// assert!(announcements.is_closed());
/// ```
pub struct AnnouncementReceiver {
    entries: mpsc::Receiver<StoredEntry>,
    _queue: Arc<dyn ReceiveAnnouncement>,
    _closes: watch::Sender<()>,
}

impl AnnouncementReceiver {
    /// The next entry.
    pub async fn recv(&mut self) -> StoredEntry {
        match self.entries.recv().await {
            Some(entry) => entry,
            // Unreachable: the queue lives as long as this receiver.
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for AnnouncementReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnnouncementReceiver").finish_non_exhaustive()
    }
}

impl fmt::Debug for Announcements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcements")
            .field("id", &self.id)
            .field("is_closed", &self.is_closed())
            .finish()
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

    /// Writes an entry, keeps it for this duration, and announces it. Returns `false`, and writes
    /// nothing, if the stored entry has a greater generation.
    fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        keep: Duration,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Starts to deliver the entries that are written under the id of the handle. Returns at once, and
    /// reconnects by itself. A store without announcements drops the handle: its readers poll.
    ///
    /// It is called once for each source and entry, so a store shares one connection between all
    /// subscriptions.
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
