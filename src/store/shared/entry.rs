//! The entry of one token, as a process sees it: bounded operations on the store, sealed content,
//! and the announcements of other processes.

use std::{
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
    error::BoxError,
    event::{Observer, StoreOperation},
    store::{
        entry::{BothClocks, Document, millis},
        sealing::OpenError,
        traits::{Announcements, EntryId, Lease, LeaseOwner, ReceiveAnnouncement, StoredEntry},
    },
    token::{StoreDeadlines, Token},
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
        let terms = token.store_deadlines().copied().unwrap_or_default();
        let refresh_at = terms.refresh_at.map(|at| at + jitter);
        Some(token.with_store_deadlines(StoreDeadlines { refresh_at, ..terms }))
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
                Grant::Held { owner, remaining, content: self.open(core, entry) }
            }
        })
    }

    /// Writes a document, and returns whether it is the newest one.
    pub(super) async fn write(
        &self,
        core: &Core,
        observer: &Observer,
        decoded: DecodedEntry,
        keep: Duration,
    ) -> Result<bool, Unavailable> {
        let content = decoded.document.encode();
        let sealed = core.settings.sealing.seal(self.id, decoded.generation, &content);
        let sealed = sealed.map_err(Unavailable::Failed)?;
        self.own.store(decoded.generation, Relaxed);
        let entry = StoredEntry::new(decoded.generation, sealed);
        let (bound, writing) =
            (core.settings.store_timeout, core.store.write(self.id, entry, keep));
        let is_newest = core.run(observer, StoreOperation::Write, bound, writing).await?;
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
        let latest = self.latest.borrow().as_ref().map(|latest| latest.generation);
        // Another one may have a lower generation, if the store lost its entries and its clock was set back.
        if latest != Some(decoded.generation) {
            self.accept(core, &decoded);
        }
        Ok(Some(decoded))
    }

    fn decode(&self, core: &Core, entry: &StoredEntry) -> Result<Arc<DecodedEntry>, Unreadable> {
        let unreadable = |why| Unreadable { id: self.id, why };
        let latest = BothClocks::now(&core.settings.clock).wall.saturating_add(millis(MAX_AHEAD));
        if entry.generation > latest {
            return Err(unreadable(Some(OpenError::FromFuture)));
        }
        let opened = core.settings.sealing.open(self.id, entry.generation, &entry.value);
        let content = opened.map_err(|why| unreadable(Some(why)))?;
        let document = Document::decode(&content).ok_or_else(|| unreadable(None))?;
        Ok(Arc::new(DecodedEntry { generation: entry.generation, document }))
    }

    /// Accepts an announced document, unless another announcement has overtaken it.
    fn receive_newer(&self, core: &Core, decoded: &Arc<DecodedEntry>) {
        if self.latest.borrow().as_ref().is_some_and(|it| it.generation >= decoded.generation) {
            return;
        }
        if let Some(stored) = &decoded.document.token {
            let now = BothClocks::now(&core.settings.clock);
            let ahead_by = stored.ahead_by(core.settings.clock_skew, now);
            core.observe_clock(None, ahead_by);
            if ahead_by.is_none() {
                core.shares(None);
            }
        }
        self.accept(core, decoded);
    }

    /// Notifies those who wait in this process, and offers the token to its caches.
    fn accept(&self, core: &Core, decoded: &Arc<DecodedEntry>) {
        self.latest.send_replace(Some(Arc::clone(decoded)));
        let caches = core.caches();
        // The only cache gets the token as the result of its acquisition.
        if self.own.load(Relaxed) == decoded.generation && caches.len() < 2 {
            return;
        }
        let Some(stored) = &decoded.document.token else { return };
        let now = BothClocks::now(&core.settings.clock);
        // A token of another certificate would be rejected.
        if stored.ahead_by(core.settings.clock_skew, now).is_some() || !core.has_entry(self.id) {
            return;
        }
        for cache in caches {
            let token = decoded.token(core.settings.clock_skew, now);
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

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::{
        store::entry::{StoredBudget, StoredToken},
        timing::{Deadlines, RejectionBudget},
    };

    #[test]
    fn each_process_refreshes_up_to_five_seconds_after_the_common_time_and_never_before() {
        const S: Duration = Duration::from_secs(1);
        for (lifetime, latest) in [(3600 * S, 5 * S), (100 * S, S)] {
            let now = BothClocks { instant: Instant::now() + 100_000 * S, wall: 1_795_521_600_000 };
            let issued_at = now.instant;
            let deadlines = Deadlines {
                refresh_at: issued_at + 50 * S,
                expires_at: issued_at + lifetime,
                lifetime,
            };
            let token = Token::bearer("a").unwrap().with_lifetime(lifetime);
            let document = Document {
                token: Some(StoredToken::new(&token, issued_at, &deadlines, now)),
                failure: None,
                budget: StoredBudget::new(&RejectionBudget::default(), now),
            };
            let entry = DecodedEntry { generation: 1, document };
            let delay = || {
                let token = entry.token(Duration::ZERO, now).unwrap();
                let refresh_at = token.store_deadlines().unwrap().refresh_at.unwrap();
                assert!(refresh_at >= deadlines.refresh_at);
                refresh_at - deadlines.refresh_at
            };
            let delays: Vec<_> = (0..100).map(|_| delay()).collect();
            assert!(delays.iter().all(|delay| *delay <= latest), "{delays:?}");
            assert!(delays.iter().any(|delay| *delay > latest / 2), "{delays:?}");
        }
    }
}
