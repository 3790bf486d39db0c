//! The announcements of new entries.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use tokio::sync::{mpsc, watch};

use super::values::{EntryId, StoredEntry};
use crate::error::BoxError;

/// Delivers new entries to one subscriber. A store gets it from
/// [`Store::subscribe`](super::Store::subscribe). Holds the subscriber weakly.
///
/// # Examples
///
/// A store with one connection for all subscriptions keeps the handles, and drops those that have
/// ended:
///
/// ```
/// use std::sync::Mutex;
/// use tower_oauth2_client_credentials::store::{Announcer, EntryId, StoredEntry};
///
/// struct Subscriptions(Mutex<Vec<Announcer>>);
///
/// impl Subscriptions {
///     fn announce(&self, id: EntryId, entry: &StoredEntry) {
///         // Without the lock, because a subscriber's code runs.
///         let all = self.0.lock().unwrap().clone();
///         for announcer in all {
///             let _is_open = announcer.announce(id, entry.clone());
///         }
///         self.0.lock().unwrap().retain(|it| !it.is_closed());
///     }
/// }
/// # drop(Subscriptions(Mutex::default()));
/// ```
#[derive(Clone)]
pub struct Announcer {
    id: EntryId,
    receiver: Weak<dyn ReceiveAnnouncement>,
    /// Closed when the receiver is dropped. A `Weak` cannot be awaited, so the receiver also owns the
    /// sender of this channel.
    closed: watch::Receiver<()>,
}

/// Receives the entries that an [`Announcer`] delivers: the entry of a `Shared`, or a test's queue.
pub(crate) trait ReceiveAnnouncement: Send + Sync {
    /// Never waits.
    fn receive(&self, entry: StoredEntry);

    /// No announcements arrive for now. Never waits.
    fn interrupted(&self, cause: BoxError);
}

impl Announcer {
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
    /// use tower_oauth2_client_credentials::store::{Announcer, EntryId, StoredEntry};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let (id, entry) = (EntryId::new([7; 32]), StoredEntry::new(1, "sealed".into()));
    /// let (announcer, mut receiver) = Announcer::channel(id);
    /// assert!(announcer.announce(id, entry.clone()));
    /// assert_eq!(receiver.recv().await, entry);
    /// # });
    /// ```
    pub fn channel(id: EntryId) -> (Self, AnnouncementReceiver) {
        let (sender, entries) = mpsc::channel(64);
        let (closes, closed) = watch::channel(());
        let queue = Arc::new(Queue { entries: sender, interruptions: watch::Sender::new(None) });
        let receiver: Arc<dyn ReceiveAnnouncement> = Arc::<Queue>::clone(&queue);
        let announcer = Self::new(id, Arc::downgrade(&receiver), closed);
        (announcer, AnnouncementReceiver { entries, queue, _closes: closes })
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

    /// Reports that entries are not announced for now, or that announcements do not arrive. The
    /// subscriber then polls, and logs one warning until the next announcement. Call it at every failure:
    /// repetitions are not logged. Never waits, but runs code of the receiver: call it without a lock.
    ///
    /// The text of the cause must hold no secret.
    pub fn interrupted(&self, cause: impl Into<BoxError>) {
        if let Some(receiver) = self.receiver.upgrade() {
            receiver.interrupted(cause.into());
        }
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

/// Entries that wait for an [`AnnouncementReceiver`]. If it is full, new entries are
/// dropped.
struct Queue {
    entries: mpsc::Sender<StoredEntry>,
    interruptions: watch::Sender<Option<String>>,
}

impl ReceiveAnnouncement for Queue {
    fn receive(&self, entry: StoredEntry) {
        let _ = self.entries.try_send(entry);
    }

    fn interrupted(&self, cause: BoxError) {
        self.interruptions.send_replace(Some(cause.to_string()));
    }
}

/// Receives what a store delivers, for tests of a store. Its subscription ends when it is dropped.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::store::{Announcer, EntryId};
///
/// let (announcer, receiver) = Announcer::channel(EntryId::new([7; 32]));
/// drop(receiver);
/// assert!(announcer.is_closed());
/// ```
pub struct AnnouncementReceiver {
    entries: mpsc::Receiver<StoredEntry>,
    queue: Arc<Queue>,
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

    /// The cause of the last [interruption](Announcer::interrupted), if there was one since the
    /// last call.
    pub fn take_interruption(&self) -> Option<String> {
        self.queue.interruptions.send_replace(None)
    }
}

impl fmt::Debug for AnnouncementReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnnouncementReceiver").finish_non_exhaustive()
    }
}

impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer")
            .field("id", &self.id)
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_of_another_entry_says_whether_the_receiver_exists() {
        let (id, other) = (EntryId::new([7; 32]), EntryId::new([8; 32]));
        let entry = || StoredEntry::new(1, "sealed".into());
        let (announcer, receiver) = Announcer::channel(id);
        assert!(announcer.announce(other, entry()) && announcer.announce(id, entry()));
        drop(receiver);
        assert!(!announcer.announce(other, entry()) && !announcer.announce(id, entry()));
    }
}
