//! The parts of a [`Shared`](super::Shared) that do not depend on the type of its source.

use std::{
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    health::{ReportedConditions, Unavailable, Unreadable, interrupted},
    settings::Settings,
};
use crate::{
    error::BoxError,
    event::{EventKind, Observer, StoreOperation, StoreOutcome},
    source::{AcquireContext, CacheHandle, Sharing},
    store::{
        identity::entry_id,
        shared_store::{SharedStore, StoreHealth},
        traits::{EntryId, ErasedStore, StoreError},
    },
    sync::{Mutex, lock},
    token::Token,
};

/// Adds a proof of possession to a token from the store.
pub(super) type Adopt = dyn Fn(Token) -> Token + Send + Sync;

/// The parts of a `Shared` that its entries and background tasks use, without the type of its source.
pub(super) struct SharedInner {
    /// A random number, by which failures name this process.
    pub(super) process: u64,
    pub(super) store: Arc<dyn ErasedStore>,
    store_health: Arc<StoreHealth>,
    pub(super) settings: Settings,
    reported: ReportedConditions,
    /// Receives the events in the background if there is no cache.
    observer: Observer,
    // Closures, so that the background tasks do not depend on the type of the source.
    adopt: Box<Adopt>,
    sharing: Box<dyn Fn() -> Sharing + Send + Sync>,
    caches: Mutex<Vec<CacheHandle>>,
}

impl SharedInner {
    pub(super) fn new(
        SharedStore { store, health: store_health }: SharedStore,
        settings: Settings,
        client: String,
        adopt: impl Fn(Token) -> Token + Send + Sync + 'static,
        sharing: impl Fn() -> Sharing + Send + Sync + 'static,
    ) -> Self {
        Self {
            process: fastrand::u64(..),
            store,
            store_health,
            settings,
            reported: ReportedConditions::default(),
            observer: Observer::default().with_client(client.into()),
            adopt: Box::new(adopt),
            sharing: Box::new(sharing),
            caches: Mutex::default(),
        }
    }

    pub(super) fn attach(&self, cache: CacheHandle) {
        let mut caches = lock(&self.caches);
        caches.retain(|known| !known.is_closed());
        caches.push(cache);
    }

    /// The caches of this process. Cloned, since a cache that is called may run any code.
    fn caches(&self) -> Vec<CacheHandle> {
        lock(&self.caches).iter().filter(|it| !it.is_closed()).cloned().collect()
    }

    /// The caches of this process, except the one with this name.
    pub(super) fn caches_except(&self, client: Option<&Arc<str>>) -> Vec<CacheHandle> {
        let mut caches = self.caches();
        caches.retain(|cache| cache.observer(client).is_some());
        caches
    }

    /// Whether this is the entry of the source. It changes when the certificate of the source is replaced.
    pub(super) fn is_current(&self, id: EntryId) -> bool {
        let current = entry_id(&(self.sharing)(), self.settings.namespace.as_deref());
        current.is_ok_and(|current| current == id)
    }

    /// The token, if this process can present it.
    pub(super) fn adopt(&self, token: Token) -> Option<Token> {
        let token = (self.adopt)(token);
        (!token.is_bound() || token.proof().is_some()).then_some(token)
    }

    /// Runs an operation of the store within a bound, and reports how it ended.
    pub(super) async fn run<T>(
        &self,
        observer: &Observer,
        operation: StoreOperation,
        bound: Duration,
        running: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Unavailable> {
        let started = Instant::now();
        let result = tokio::time::timeout(bound, contained(running)).await;
        let outcome = match &result {
            Ok(Ok(_)) => StoreOutcome::Success,
            Ok(Err(_)) => StoreOutcome::Failure,
            Err(_elapsed) => StoreOutcome::Timeout,
        };
        observer.emit(EventKind::StoreUsed { operation, outcome, took: started.elapsed() });
        match result {
            Ok(result) => result.map_err(Unavailable::Failed),
            Err(_elapsed) => Err(Unavailable::Slow(bound)),
        }
    }

    /// An acquisition read or stored a result.
    pub(super) fn record_shared(&self, context: &AcquireContext) {
        let context = Some(context);
        self.reported.set_unreadable(None);
        let is_change = self.reported.sharing_stopped.set(false);
        if self.store_health.resume(is_change) {
            self.report(context, EventKind::SharingResumed);
        } else if is_change {
            self.record(context, EventKind::SharingResumed);
        }
    }

    /// This process acquires without the store, or could not store a result.
    pub(super) fn record_stopped(&self, context: &AcquireContext, why: Unavailable) {
        match why {
            Unavailable::Unreadable(unreadable) => {
                self.record_unreadable(Some(context), unreadable)
            }
            // The store works.
            Unavailable::NoResult => {}
            why => {
                let is_change = self.reported.sharing_stopped.set(true);
                let is_reported = self.store_health.stop(is_change);
                if is_reported || is_change {
                    let kind = EventKind::SharingStopped { error: why.into_error() };
                    if is_reported {
                        self.report(Some(context), kind);
                    } else {
                        self.record(Some(context), kind);
                    }
                }
            }
        }
    }

    pub(super) fn record_unreadable(
        &self,
        context: Option<&AcquireContext>,
        unreadable: Unreadable,
    ) {
        if self.reported.set_unreadable(Some(unreadable.id)) {
            let (entry, error) = (unreadable.id.to_string(), unreadable.error());
            self.report(context, EventKind::EntryNotUsed { entry, error });
        }
    }

    /// Records whether a token was issued too far in the future, and by how much. Reports only the first of
    /// several such tokens in a row.
    pub(super) fn record_token_from_future(
        &self,
        context: Option<&AcquireContext>,
        by: Option<Duration>,
    ) {
        if self.reported.token_from_future.set(by.is_some())
            && let Some(by) = by
        {
            self.report(context, EventKind::SharedTokenFromFuture { by });
        }
    }

    /// An announcement arrived.
    pub(super) fn record_announcement(&self) {
        self.store_health.announcements_stopped.set(false);
    }

    /// No announcements arrive.
    pub(super) fn record_interruption(&self, cause: BoxError) {
        if self.store_health.announcements_stopped.set(true) {
            self.report(None, EventKind::AnnouncementsStopped { error: interrupted(cause) });
        }
    }

    /// Reports an event to the observer of the acquisition, and to those of the other caches.
    fn report(&self, context: Option<&AcquireContext>, kind: EventKind) {
        let observers = self.observers(context);
        if observers.is_empty() {
            self.observer.emit(kind);
            return;
        }
        observers.iter().for_each(|observer| observer.emit(kind.clone()));
    }

    /// Adds an event to the metrics only, which count each cache. Another source of the store has reported
    /// it.
    fn record(&self, context: Option<&AcquireContext>, kind: EventKind) {
        self.observers(context).iter().for_each(|observer| observer.record(kind.clone()));
    }

    fn observers(&self, context: Option<&AcquireContext>) -> Vec<Observer> {
        // The observer of the acquisition gets the event first, and its own cache does not get it again.
        let client = context.map(|context| &context.client);
        let caches = self.caches();
        let others = caches.iter().filter_map(|cache| cache.observer(client));
        context.map(|context| context.observer.clone()).into_iter().chain(others).collect()
    }
}

/// Turns a panic of the store into an error.
async fn contained<T>(
    running: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut running = pin!(running);
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
        polled.unwrap_or_else(|_| Poll::Ready(Err(StoreError::new("it panicked; fix the store"))))
    })
    .await
}

impl Drop for SharedInner {
    fn drop(&mut self) {
        if self.reported.sharing_stopped.is_set() {
            self.store_health.forget();
        }
    }
}
