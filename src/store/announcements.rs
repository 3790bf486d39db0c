//! The announcements of new entries.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use tokio::sync::{mpsc, watch};

use super::values::{EntryId, StoredEntry};

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
