//! The entry of one token, as a process sees it: bounded operations on the store, sealed content,
//! and the announcements of other processes.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{
    core::Core,
    health::{Unavailable, Unreadable},
};
use crate::{
    error::BoxError,
    event::{Observer, StoreOperation},
    limits::MAX_SETTING,
    source::AcquireContext,
    store::{
        entry::{BothClocks, Document, millis},
        sealing::OpenError,
        traits::{Announcer, EntryId, Lease, LeaseOwner, ReceiveAnnouncement, StoredEntry},
    },
    sync::{Mutex, lock},
    token::{SharingInfo, Token},
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
pub(super) struct DecodedEntry {
    pub(super) generation: u64,
    pub(super) document: Document,
}

impl DecodedEntry {
    /// The token for a cache, with a refresh that is a little later. Each cache draws its own.
    pub(super) fn token(&self, clock_skew: Duration, now: BothClocks) -> Option<Token> {
        let stored = self.document.token.as_ref()?;
        let token = stored.for_cache(self.generation, clock_skew, now);
        let lifetime = Duration::from_millis(stored.expires_at.saturating_sub(stored.issued_at));
        let jitter = MAX_JITTER.min(lifetime.mul_f64(MAX_JITTER_SHARE)).mul_f64(fastrand::f64());
        let info = token.sharing_info().copied().unwrap_or_default();
        let refresh_at = info.refresh_at.map(|at| at + jitter);
        Some(token.with_sharing_info(SharingInfo { refresh_at, ..info }))
    }
}

/// The content of an entry in the store.
pub(super) type Content = Result<Option<Arc<DecodedEntry>>, Unreadable>;

/// The answer to a request for the lease.
pub(super) enum Grant {
    Granted { generation: u64, content: Content },
    Held { owner: LeaseOwner, remaining: Duration, content: Content },
}

pub(super) struct Entry {
    pub(super) id: EntryId,
    core: Weak<Core>,
    /// The last document that was announced or read. Its drop ends the subscription.
    latest: watch::Sender<Option<Arc<DecodedEntry>>>,
    closed: watch::Sender<()>,
    is_subscribed: AtomicBool,
    /// The last generation that this process wrote, and the name of the cache that gets its token as the
    /// result of its acquisition.
    own: Mutex<Option<(u64, Arc<str>)>>,
}

impl Entry {
    /// The subscription begins with [`subscribe`](Self::subscribe).
    pub(super) fn new(id: EntryId, core: Weak<Core>) -> Arc<Self> {
        Arc::new(Self {
            id,
            core,
            latest: watch::Sender::new(None),
            closed: watch::Sender::new(()),
            is_subscribed: AtomicBool::new(false),
            own: Mutex::default(),
        })
    }

    /// Subscribes to the announcements, once.
    pub(super) fn subscribe(self: &Arc<Self>, core: &Core) {
        if self.is_subscribed.swap(true, Relaxed) {
            return;
        }
        let receiver: Arc<dyn ReceiveAnnouncement> = Arc::<Self>::clone(self);
        let closed = self.closed.subscribe();
        let announcer = Announcer::new(self.id, Arc::downgrade(&receiver), closed);
        let subscribing = AssertUnwindSafe(|| core.store.subscribe(announcer));
        if catch_unwind(subscribing).is_err() {
            core.interrupted("the store panicked when it was subscribed to; fix the store".into());
        }
    }

    /// Receives the documents from now on.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Arc<DecodedEntry>>> {
        self.latest.subscribe()
    }

    pub(super) async fn read(
        &self,
        core: &Core,
        observer: &Observer,
    ) -> Result<Content, Unavailable> {
        let (bound, reading) = (core.settings.store_timeout, core.store.read(self.id));
        let entry = core.run(observer, StoreOperation::Read, bound, reading).await?;
        Ok(self.open(core, entry))
    }

    pub(super) async fn lease(
        &self,
        core: &Core,
        observer: &Observer,
        owner: LeaseOwner,
    ) -> Result<Grant, Unavailable> {
        let bound = core.settings.store_timeout;
        let leasing = core.store.lease(self.id, owner, core.settings.lease);
        Ok(match core.run(observer, StoreOperation::Lease, bound, leasing).await? {
            Lease::Granted { generation, entry } => {
                Grant::Granted { generation, content: self.open(core, entry) }
            }
            Lease::Held { owner, remaining, entry } => {
                // A later end could overflow an `Instant`.
                let remaining = remaining.min(MAX_SETTING);
                Grant::Held { owner, remaining, content: self.open(core, entry) }
            }
        })
    }

    /// Writes a document, and returns whether it is the newest one.
    pub(super) async fn write(
        &self,
        core: &Core,
        context: &AcquireContext,
        decoded: DecodedEntry,
        keep: Duration,
    ) -> Result<bool, Unavailable> {
        let content = decoded.document.encode();
        let sealed = core.settings.sealing.seal(self.id, decoded.generation, &content);
        let sealed = sealed.map_err(Unavailable::Failed)?;
        *lock(&self.own) = Some((decoded.generation, Arc::clone(&context.client)));
        let entry = StoredEntry::new(decoded.generation, sealed);
        let (bound, writing) =
            (core.settings.store_timeout, core.store.write(self.id, entry, keep));
        let is_newest = core.run(&context.observer, StoreOperation::Write, bound, writing).await?;
        if is_newest {
            self.accept(core, &Arc::new(decoded));
        }
        Ok(is_newest)
    }

    /// The content of an entry that the store returned. If the store has lost it, the last content that
    /// this process has seen: its token may be valid, and its budget used up.
    fn open(&self, core: &Core, entry: Option<StoredEntry>) -> Content {
        let Some(entry) = entry else { return Ok(self.latest.borrow().clone()) };
        let decoded = self.decode(core, &entry)?;
        let latest = self.latest.borrow().clone();
        if latest.as_ref().is_some_and(|latest| latest.generation == decoded.generation) {
            // Its times were corrected when it arrived.
            return Ok(latest);
        }
        // It may have a lower generation, if the store lost its entries and its clock was set back.
        self.accept(core, &decoded);
        Ok(Some(decoded))
    }

    fn decode(&self, core: &Core, entry: &StoredEntry) -> Result<Arc<DecodedEntry>, Unreadable> {
        let unreadable = |why| Unreadable { id: self.id, why };
        let now = BothClocks::now(&core.settings.clock);
        if entry.generation > now.wall.saturating_add(millis(MAX_AHEAD)) {
            return Err(unreadable(Some(OpenError::FromFuture)));
        }
        let opened = core.settings.sealing.open(self.id, entry.generation, &entry.value);
        let content = opened.map_err(|why| unreadable(Some(why)))?;
        let mut document = Document::decode(&content).ok_or_else(|| unreadable(None))?;
        document.budget.correct(entry.generation, core.settings.clock_skew, now);
        Ok(Arc::new(DecodedEntry { generation: entry.generation, document }))
    }

    /// Accepts an announced document, unless another announcement has overtaken it.
    fn receive_newer(&self, core: &Core, decoded: &Arc<DecodedEntry>) {
        if self.latest.borrow().as_ref().is_some_and(|it| it.generation >= decoded.generation) {
            return;
        }
        if let Some(stored) = &decoded.document.token {
            let now = BothClocks::now(&core.settings.clock);
            core.observe_clock(None, stored.ahead_by(core.settings.clock_skew, now));
        }
        self.accept(core, decoded);
    }

    /// Notifies those who wait in this process, and offers the token to its caches.
    fn accept(&self, core: &Core, decoded: &Arc<DecodedEntry>) {
        self.latest.send_replace(Some(Arc::clone(decoded)));
        let own = lock(&self.own).clone();
        let writer = own.filter(|own| own.0 == decoded.generation).map(|own| own.1);
        let Some(stored) = &decoded.document.token else { return };
        let now = BothClocks::now(&core.settings.clock);
        // A token of another certificate would be rejected.
        if stored.ahead_by(core.settings.clock_skew, now).is_some() || !core.has_entry(self.id) {
            return;
        }
        for cache in core.caches_except(writer.as_ref()) {
            let token = decoded.token(core.settings.clock_skew, now);
            if let Some(token) = token.and_then(|token| core.adopt(token)) {
                let info = token.sharing_info().copied().unwrap_or_default();
                let info = SharingInfo { from_store: writer.is_none(), ..info };
                let _is_used = cache.offer(token.with_sharing_info(info));
            }
        }
    }
}

impl ReceiveAnnouncement for Entry {
    fn receive(&self, entry: StoredEntry) {
        let Some(core) = self.core.upgrade() else { return };
        // The task of the store must survive a panic in the user's code.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            core.announced();
            match self.decode(&core, &entry) {
                Ok(decoded) => self.receive_newer(&core, &decoded),
                Err(unreadable) => core.unreadable(None, unreadable),
            }
        }));
    }

    fn interrupted(&self, cause: BoxError) {
        let Some(core) = self.core.upgrade() else { return };
        core.interrupted(cause);
    }
}
