//! The entry of one token, as a process sees it: bounded operations on the store, sealed content,
//! and the announcements of other processes.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{
    core::Core,
    health::{Unavailable, Unreadable},
};
use crate::{
    store::{
        entry::{Document, Moment, millis},
        sealing::OpenError,
        traits::{
            Announcements, EntryId, Lease, LeaseOwner, ReceiveAnnouncement, StoreError, StoredEntry,
        },
    },
    token::{SharedTerms, Token},
};

/// How far a generation may be ahead of this process's clock. Clocks of stores may be wrong. A cache
/// would refuse all later tokens if it had one of the end of time.
const MAX_AHEAD: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Maximum delay of a refresh by a process that did not acquire the token, so that the announcement of
/// the next one usually arrives before this process asks. It is at most a share of the lifetime too.
const MAX_JITTER: Duration = Duration::from_secs(5);
const MAX_JITTER_SHARE: f64 = 0.01;

/// A document, and its generation.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) document: Document,
}

impl Generation {
    /// The token for a cache, with a refresh that is a little later. Each cache draws its own.
    pub(super) fn token(&self, clock_skew: Duration, now: Moment) -> Option<Token> {
        let stored = self.document.token.as_ref()?;
        let token = stored.for_cache(self.number, clock_skew, now);
        let lifetime = Duration::from_millis(stored.expires_at.saturating_sub(stored.issued_at));
        let jitter = MAX_JITTER.min(lifetime.mul_f64(MAX_JITTER_SHARE)).mul_f64(fastrand::f64());
        let terms = token.shared_terms().copied().unwrap_or_default();
        let refresh_at = terms.refresh_at.map(|at| at + jitter);
        Some(token.with_shared_terms(SharedTerms { refresh_at, ..terms }))
    }
}

/// The content of an entry in the store.
pub(super) type Content = Result<Option<Arc<Generation>>, Unreadable>;

/// The answer to a request for the lease.
pub(super) enum Grant {
    Granted { number: u64, content: Content },
    Held { owner: LeaseOwner, remaining: Duration, content: Content },
}

pub(super) struct Entry {
    pub(super) id: EntryId,
    core: Weak<Core>,
    /// The last document that was announced or read. Its drop ends the subscription.
    latest: watch::Sender<Option<Arc<Generation>>>,
    closed: watch::Sender<()>,
    /// The generation that this process writes.
    own: AtomicU64,
}

impl Entry {
    /// The subscription begins with [`subscribe`](Self::subscribe).
    pub(super) fn new(id: EntryId, core: Weak<Core>) -> Arc<Self> {
        Arc::new(Self {
            id,
            core,
            latest: watch::Sender::new(None),
            closed: watch::Sender::new(()),
            own: AtomicU64::new(0),
        })
    }

    /// Subscribes to the announcements, once.
    pub(super) fn subscribe(self: &Arc<Self>, core: &Core) {
        if self.closed.receiver_count() == 0 {
            let receiver: Arc<dyn ReceiveAnnouncement> = Arc::<Self>::clone(self);
            let closed = self.closed.subscribe();
            core.store.subscribe(Announcements::new(self.id, Arc::downgrade(&receiver), closed));
        }
    }

    /// Receives the documents from now on.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Arc<Generation>>> {
        self.latest.subscribe()
    }

    pub(super) async fn read(&self, core: &Core) -> Result<Content, Unavailable> {
        let entry = bounded(core, core.store.read(self.id)).await?;
        Ok(self.open(core, entry))
    }

    pub(super) async fn lease(&self, core: &Core, owner: LeaseOwner) -> Result<Grant, Unavailable> {
        let lease = core.store.lease(self.id, owner, core.settings.lease);
        Ok(match bounded(core, lease).await? {
            Lease::Granted { generation, entry } => {
                Grant::Granted { number: generation, content: self.open(core, entry) }
            }
            Lease::Held { owner, remaining, entry } => {
                Grant::Held { owner, remaining, content: self.open(core, entry) }
            }
        })
    }

    /// Writes a document, and returns whether it is the newest one.
    pub(super) async fn write(
        &self,
        core: &Core,
        generation: Generation,
        keep: Duration,
    ) -> Result<bool, Unavailable> {
        let content = generation.document.encode();
        let sealed = core.settings.sealing.seal(self.id, generation.number, &content);
        let sealed = sealed.map_err(Unavailable::Failed)?;
        self.own.store(generation.number, Relaxed);
        let entry = StoredEntry::new(generation.number, sealed);
        let is_newest = bounded(core, core.store.write(self.id, entry, keep)).await?;
        if is_newest {
            self.accept(core, &Arc::new(generation));
        }
        Ok(is_newest)
    }

    /// The content of an entry that the store returned. If the store has lost it, the last content that
    /// this process has seen: its token may be valid, and its budget used up.
    fn open(&self, core: &Core, entry: Option<StoredEntry>) -> Content {
        let Some(entry) = entry else { return Ok(self.latest.borrow().clone()) };
        let generation = self.decode(core, &entry)?;
        let latest = self.latest.borrow().as_ref().map(|latest| latest.number);
        // Another one may have a lower number, if the store lost its entries and its clock was set back.
        if latest != Some(generation.number) {
            self.accept(core, &generation);
        }
        Ok(Some(generation))
    }

    fn decode(&self, core: &Core, entry: &StoredEntry) -> Result<Arc<Generation>, Unreadable> {
        let latest = Moment::now(&core.settings.clock).wall.saturating_add(millis(MAX_AHEAD));
        if entry.generation > latest {
            return Err(Unreadable::Sealed(OpenError::FromFuture));
        }
        let opened = core.settings.sealing.open(self.id, entry.generation, &entry.value);
        let content = opened.map_err(Unreadable::Sealed)?;
        let document = Document::decode(&content).ok_or(Unreadable::Content)?;
        Ok(Arc::new(Generation { number: entry.generation, document }))
    }

    /// Notifies those who wait in this process, and offers the token to its caches.
    fn accept(&self, core: &Core, generation: &Arc<Generation>) {
        self.latest.send_replace(Some(Arc::clone(generation)));
        let caches = core.caches();
        // The only cache gets the token as the result of its acquisition.
        if self.own.load(Relaxed) == generation.number && caches.len() < 2 {
            return;
        }
        let Some(stored) = &generation.document.token else { return };
        let now = Moment::now(&core.settings.clock);
        // A token of another certificate would be rejected.
        if stored.is_from_future(core.settings.clock_skew, now) || !core.has_entry(self.id) {
            return;
        }
        for cache in caches {
            let token = generation.token(core.settings.clock_skew, now);
            if let Some(token) = token.and_then(|token| core.adopt(token)) {
                let _is_used = cache.offer(token);
            }
        }
    }
}

impl ReceiveAnnouncement for Entry {
    fn receive(&self, entry: StoredEntry) {
        let Some(core) = self.core.upgrade() else { return };
        // The task of the store must survive a panic in the user's code.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            // An entry that does not open is reported when it is read. An older one was overtaken by
            // another announcement.
            if let Ok(generation) = self.decode(&core, &entry)
                && self.latest.borrow().as_ref().is_none_or(|it| it.number < generation.number)
            {
                self.accept(&core, &generation);
            }
        }));
    }
}

/// Runs an operation of the store within its bound.
async fn bounded<T>(
    core: &Core,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, Unavailable> {
    match tokio::time::timeout(core.settings.store_timeout, operation).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(Unavailable::Failed(error)),
        Err(_elapsed) => Err(Unavailable::Slow),
    }
}
