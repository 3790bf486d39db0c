//! The entry of one token in the store: bounded operations, sealing, and the announcements of other
//! processes.

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
    health::{Unavailable, Unreadable},
    inner::SharedInner,
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

/// Maximum distance of a generation from this process's clock. Caches refuse tokens of lower generations,
/// so one entry with a generation of `u64::MAX` would stop all updates.
const MAX_AHEAD: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Maximum delay of a refresh by a process that did not acquire the token, so that the announcement of
/// the next token usually arrives before this process asks.
const MAX_JITTER: Duration = Duration::from_secs(5);
/// The same as a share of the lifetime. The shorter delay applies.
const MAX_JITTER_SHARE: f64 = 0.01;

/// A document, and its generation.
#[derive(Clone, Debug)]
pub(super) struct DecodedEntry {
    pub(super) generation: u64,
    pub(super) document: Document,
}

impl DecodedEntry {
    /// Whether its token is older than the one of another document, such as after the store was restored
    /// from a backup. A lower generation does not suffice: the store may have lost its entries, and its
    /// clock may have been set back.
    fn is_older(&self, other: &Self) -> bool {
        let issued_at = |it: &Self| it.document.token.as_ref().map(|token| token.issued_at);
        let (Some(own), Some(others)) = (issued_at(self), issued_at(other)) else { return false };
        self.generation < other.generation && own < others
    }

    /// The token for a cache. Its refresh is delayed by up to `MAX_JITTER`, at random for each cache.
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
pub(super) enum Content {
    Missing,
    Decoded(Arc<DecodedEntry>),
    Unreadable(Unreadable),
}

impl Content {
    /// The document, if it could be read.
    pub(super) fn decoded(self) -> Option<Arc<DecodedEntry>> {
        match self {
            Self::Decoded(decoded) => Some(decoded),
            Self::Missing | Self::Unreadable(_) => None,
        }
    }
}

/// The answer to a request for the lease.
pub(super) enum LeaseAnswer {
    Granted { generation: u64, content: Content },
    Held { owner: LeaseOwner, remaining: Duration, content: Content },
}

/// One entry of the store, with its subscription: the operations on it, bounded and decoded.
pub(super) struct SharedEntry {
    pub(super) id: EntryId,
    inner: Weak<SharedInner>,
    /// The last document that was announced, read or written.
    latest: watch::Sender<Option<Arc<DecodedEntry>>>,
    /// Dropped with this entry, which ends the subscription.
    closed: watch::Sender<()>,
    is_subscribed: AtomicBool,
    /// The generation of the last entry that this process wrote, and the name of the cache that gets its
    /// token as the result of the acquisition.
    last_written: Mutex<Option<(u64, Arc<str>)>>,
}

impl SharedEntry {
    /// An entry without a subscription: call [`subscribe`](Self::subscribe).
    pub(super) fn new(id: EntryId, inner: Weak<SharedInner>) -> Arc<Self> {
        Arc::new(Self {
            id,
            inner,
            latest: watch::Sender::new(None),
            closed: watch::Sender::new(()),
            is_subscribed: AtomicBool::new(false),
            last_written: Mutex::default(),
        })
    }

    /// Subscribes to the announcements, once.
    pub(super) fn subscribe(self: &Arc<Self>, inner: &SharedInner) {
        if self.is_subscribed.swap(true, Relaxed) {
            return;
        }
        let receiver: Arc<dyn ReceiveAnnouncement> = Arc::<Self>::clone(self);
        let closed = self.closed.subscribe();
        let announcer = Announcer::new(self.id, Arc::downgrade(&receiver), closed);
        let subscribing = AssertUnwindSafe(|| inner.store.subscribe(announcer));
        if catch_unwind(subscribing).is_err() {
            inner.record_interruption(
                "the store panicked when it was subscribed to; fix the store".into(),
            );
        }
    }

    /// Receives later documents.
    pub(super) fn watch(&self) -> watch::Receiver<Option<Arc<DecodedEntry>>> {
        self.latest.subscribe()
    }

    pub(super) async fn read(
        &self,
        inner: &SharedInner,
        observer: &Observer,
    ) -> Result<Content, Unavailable> {
        let (bound, reading) = (inner.settings.store_timeout, inner.store.read(self.id));
        let entry = inner.run(observer, StoreOperation::Read, bound, reading).await?;
        Ok(self.open(inner, entry))
    }

    pub(super) async fn lease(
        &self,
        inner: &SharedInner,
        observer: &Observer,
        owner: LeaseOwner,
    ) -> Result<LeaseAnswer, Unavailable> {
        let bound = inner.settings.store_timeout;
        let leasing = inner.store.lease(self.id, owner, inner.settings.lease);
        Ok(match inner.run(observer, StoreOperation::Lease, bound, leasing).await? {
            Lease::Granted { generation, entry } => {
                LeaseAnswer::Granted { generation, content: self.open(inner, entry) }
            }
            Lease::Held { owner, remaining, entry } => {
                // A later end could overflow an `Instant`.
                let remaining = remaining.min(MAX_SETTING);
                LeaseAnswer::Held { owner, remaining, content: self.open(inner, entry) }
            }
        })
    }

    /// Writes a document, and returns whether it is the newest one.
    pub(super) async fn write(
        &self,
        inner: &SharedInner,
        context: &AcquireContext,
        decoded: DecodedEntry,
        ttl: Duration,
    ) -> Result<bool, Unavailable> {
        let content = decoded.document.encode();
        let sealed = inner.settings.sealing.seal(self.id, decoded.generation, &content);
        let sealed = sealed.map_err(Unavailable::Failed)?;
        *lock(&self.last_written) = Some((decoded.generation, Arc::clone(&context.client)));
        let entry = StoredEntry::new(decoded.generation, sealed);
        let (bound, writing) =
            (inner.settings.store_timeout, inner.store.write(self.id, entry, ttl));
        let is_newest = inner.run(&context.observer, StoreOperation::Write, bound, writing).await?;
        if is_newest {
            self.accept(inner, &Arc::new(decoded));
        }
        Ok(is_newest)
    }

    /// The content of an entry that the store returned. If the store has lost the entry, or returns an
    /// older one, it is the last content in this process: its token may be valid, and its budget used up.
    fn open(&self, inner: &SharedInner, entry: Option<StoredEntry>) -> Content {
        let latest = self.latest.borrow().clone();
        let Some(entry) = entry else { return latest.map_or(Content::Missing, Content::Decoded) };
        let decoded = match self.decode(inner, &entry) {
            Ok(decoded) => decoded,
            Err(unreadable) => return Content::Unreadable(unreadable),
        };
        // The times of the same document were corrected when it arrived.
        let is_known =
            |it: &Arc<DecodedEntry>| it.generation == decoded.generation || decoded.is_older(it);
        if let Some(latest) = latest.filter(is_known) {
            return Content::Decoded(latest);
        }
        self.accept(inner, &decoded);
        Content::Decoded(decoded)
    }

    fn decode(
        &self,
        inner: &SharedInner,
        entry: &StoredEntry,
    ) -> Result<Arc<DecodedEntry>, Unreadable> {
        let unreadable = |why| Unreadable { id: self.id, why };
        let now = BothClocks::now(&inner.settings.clock);
        if entry.generation > now.wall.saturating_add(millis(MAX_AHEAD)) {
            return Err(unreadable(Some(OpenError::FromFuture)));
        }
        let opened = inner.settings.sealing.open(self.id, entry.generation, &entry.value);
        let content = opened.map_err(|why| unreadable(Some(why)))?;
        let mut document = Document::decode(&content).ok_or_else(|| unreadable(None))?;
        document.budget.correct(entry.generation, inner.settings.clock_skew, now);
        Ok(Arc::new(DecodedEntry { generation: entry.generation, document }))
    }

    /// Accepts an announced document, unless another announcement has overtaken it.
    fn receive_newer(&self, inner: &SharedInner, decoded: &Arc<DecodedEntry>) {
        if self.latest.borrow().as_ref().is_some_and(|it| it.generation >= decoded.generation) {
            return;
        }
        if let Some(stored) = &decoded.document.token {
            let now = BothClocks::now(&inner.settings.clock);
            inner.record_token_from_future(None, stored.ahead_by(inner.settings.clock_skew, now));
        }
        self.accept(inner, decoded);
    }

    /// Notifies waiting acquisitions of this process, and offers the token to its caches.
    fn accept(&self, inner: &SharedInner, decoded: &Arc<DecodedEntry>) {
        self.latest.send_replace(Some(Arc::clone(decoded)));
        let written = lock(&self.last_written).clone();
        let writer = written.filter(|it| it.0 == decoded.generation).map(|it| it.1);
        let Some(stored) = &decoded.document.token else { return };
        let now = BothClocks::now(&inner.settings.clock);
        // A token of another certificate would be rejected.
        if stored.ahead_by(inner.settings.clock_skew, now).is_some() || !inner.is_current(self.id) {
            return;
        }
        for cache in inner.caches_except(writer.as_ref()) {
            let token = decoded.token(inner.settings.clock_skew, now);
            if let Some(token) = token.and_then(|token| inner.adopt(token)) {
                let info = token.sharing_info().copied().unwrap_or_default();
                let info = SharingInfo { is_free: writer.is_none(), ..info };
                let _is_used = cache.offer(token.with_sharing_info(info));
            }
        }
    }
}

impl ReceiveAnnouncement for SharedEntry {
    fn receive(&self, entry: StoredEntry) {
        let Some(inner) = self.inner.upgrade() else { return };
        // A panic of other code, such as an observer, must not end the task of the store.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            inner.record_announcement();
            match self.decode(&inner, &entry) {
                Ok(decoded) => self.receive_newer(&inner, &decoded),
                Err(unreadable) => inner.record_unreadable(None, unreadable),
            }
        }));
    }

    fn interrupted(&self, cause: BoxError) {
        let Some(inner) = self.inner.upgrade() else { return };
        inner.record_interruption(cause);
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
                let refresh_at = token.sharing_info().unwrap().refresh_at.unwrap();
                assert!(refresh_at >= deadlines.refresh_at);
                refresh_at - deadlines.refresh_at
            };
            let delays: Vec<_> = (0..100).map(|_| delay()).collect();
            assert!(delays.iter().all(|delay| *delay <= latest), "{delays:?}");
            assert!(delays.iter().any(|delay| *delay > latest / 2), "{delays:?}");
        }
    }
}
