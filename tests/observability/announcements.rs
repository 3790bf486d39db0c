//! Announcements of a store, which arrive while no acquisition runs: their events reach the observers of
//! the caches.

use std::sync::{Arc, Mutex};

use tower_oauth2_client_credentials::{
    TokenSource,
    event::AcquisitionReason,
    source::AcquireContext,
    store::{
        Announcer, EntryId, Lease, LeaseOwner, MemoryStore, Shared, Store, StoreError, StoredEntry,
    },
};

use super::{
    sharing::{Process, key, shared},
    *,
};

const MINUTE: Duration = Duration::from_secs(60);

/// The announcement of an entry that this process cannot use, while it does not ask.
#[tokio::test(start_paused = true)]
async fn an_announcement_reports_to_the_observers_of_the_caches() {
    let (idp, store) = (server(), MemoryStore::new());
    let one_source = Arc::new(shared(&idp, &store, 1));
    let caches = ["a", "b"].map(|name| Process::new(Arc::clone(&one_source), name));
    caches[0].tokens.get().await.unwrap();
    caches.iter().for_each(|cache| drop(cache.seen()));
    let id = store.entry_ids()[0];
    let number = store.read(id).await.unwrap().unwrap().generation + 1;
    let garbage = |number| StoredEntry::new(number, "garbage".into());
    store.write(id, garbage(number), MINUTE).await.unwrap();
    store.write(id, garbage(number + 1), MINUTE).await.unwrap();
    for cache in &caches {
        assert_eq!(cache.names(), ["entry_not_used"], "once for each cache");
    }
}

/// A source that nobody caches has no observer. Its name is in the log.
#[tokio::test(start_paused = true)]
async fn without_a_cache_an_announcement_is_logged_with_the_name_of_the_source() {
    let (idp, store) = (server(), MemoryStore::new());
    let shared = shared(&idp, &store, 1);
    shared.acquire(AcquireContext::new(AcquisitionReason::Missing)).await.unwrap();
    let id = store.entry_ids()[0];
    let (log, _log) = logged(tracing::Level::INFO);
    store.write(id, StoredEntry::new(u64::MAX >> 12, "garbage".into()), MINUTE).await.unwrap();
    let text = log.take();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("client=\"orders@idp.test\"") && text.contains("WARN"), "{text}");
    drop(shared);
}

/// A store whose announcements are interrupted by the test.
pub(crate) struct Interrupted(pub(crate) MemoryStore, pub(crate) Arc<Mutex<Vec<Announcer>>>);

impl Store for Interrupted {
    async fn read(&self, id: EntryId) -> Result<Option<StoredEntry>, StoreError> {
        self.0.read(id).await
    }

    async fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<Lease, StoreError> {
        self.0.lease(id, owner, duration).await
    }

    async fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        self.0.renew(id, owner, duration).await
    }

    async fn release(&self, id: EntryId, owner: LeaseOwner) -> Result<(), StoreError> {
        self.0.release(id, owner).await
    }

    async fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.0.write(id, entry, ttl).await
    }

    fn subscribe(&self, announcements: Announcer) {
        self.1.lock().unwrap().push(announcements.clone());
        self.0.subscribe(announcements);
    }
}

#[tokio::test(start_paused = true)]
async fn interrupted_announcements_are_reported_until_one_arrives() {
    let (log, _log) = logged(tracing::Level::INFO);
    let (idp, handles) = (server(), Arc::new(Mutex::new(Vec::new())));
    let store = Interrupted(MemoryStore::new(), Arc::clone(&handles));
    let shared = Shared::builder(source(&idp).build().unwrap(), store);
    let process = Process::new(shared.sealed_with([key(1)]).build().unwrap(), "deaf");
    process.tokens.get().await.unwrap();
    process.seen();
    let handle = handles.lock().unwrap()[0].clone();
    let interrupt = || handle.interrupted("PUBLISH is forbidden");
    interrupt();
    interrupt();
    assert_eq!(process.names(), ["announcements_stopped"]);
    let text = log.take();
    for part in ["WARN", "client=\"deaf\"", "polling instead", "PUBLISH is forbidden"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // One that arrives, such as the next token.
    process.tokens.clear();
    process.tokens.get().await.unwrap();
    process.seen();
    interrupt();
    assert_eq!(process.names(), ["announcements_stopped"]);
}
