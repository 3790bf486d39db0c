//! Stores with mistakes, or with permissions that are incomplete.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tower_oauth2_client_credentials::{
    TokenCache,
    store::{
        Announcer, EntryId, Lease, LeaseOwner, MemoryStore, Shared, Store, StoreError, StoredEntry,
    },
};

use crate::support::*;

#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    /// `read` and `subscribe` panic before they return a future.
    Panics,
    /// The lease of another process never ends.
    EndlessLeases,
    /// Announcements arrive. Each operation is refused.
    Refuses,
    /// Handles of subscriptions are dropped.
    Drops,
}

#[derive(Clone)]
struct Odd {
    inner: MemoryStore,
    mistake: Mistake,
    subscribed: Arc<AtomicUsize>,
}

impl Odd {
    fn new(inner: &MemoryStore, mistake: Mistake) -> Self {
        Self { inner: inner.clone(), mistake, subscribed: Arc::default() }
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.mistake {
            Mistake::Panics => panic!("a mistake of the store"),
            Mistake::Refuses => Err(StoreError::new("NOPERM")),
            Mistake::EndlessLeases | Mistake::Drops => Ok(()),
        }
    }

    fn process(&self, fleet: &Fleet) -> TokenCache {
        let client = Client { server: fleet.server.clone(), process: 99 };
        let shared = Shared::builder(client, self.clone()).sealed_with([key(1)]);
        TokenCache::new(shared.wall_clock(fleet.wall.clock(0.0)).build().unwrap())
    }
}

impl Store for Odd {
    fn read(
        &self,
        id: EntryId,
    ) -> impl Future<Output = Result<Option<StoredEntry>, StoreError>> + Send {
        let checked = self.check();
        async move {
            checked?;
            self.inner.read(id).await
        }
    }

    async fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<Lease, StoreError> {
        self.check()?;
        Ok(match self.inner.lease(id, owner, duration).await? {
            Lease::Held { owner, entry, .. } if self.mistake == Mistake::EndlessLeases => {
                Lease::Held { owner, remaining: Duration::MAX, entry }
            }
            lease => lease,
        })
    }

    async fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.renew(id, owner, duration).await
    }

    async fn release(&self, id: EntryId, owner: LeaseOwner) -> Result<(), StoreError> {
        self.check()?;
        self.inner.release(id, owner).await
    }

    async fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.check()?;
        self.inner.write(id, entry, ttl).await
    }

    fn subscribe(&self, announcements: Announcer) {
        self.subscribed.fetch_add(1, SeqCst);
        match self.mistake {
            Mistake::Panics => panic!("a mistake of the store"),
            Mistake::Drops => {}
            Mistake::EndlessLeases | Mistake::Refuses => self.inner.subscribe(announcements),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_is_a_store_that_fails() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let process = Odd::new(&fleet.store, Mistake::Panics).process(&fleet);
    let (got, lines) = logged(process.get()).await;
    assert_eq!(got.unwrap().secret(), "t1");
    assert!(lines.iter().any(|line| line.contains("it panicked")), "{lines:?}");
    // The refresh reads.
    assert_eq!(traffic(&fleet, &[process], 1.0, 1.5 * LIFE).await, 0);
    assert!(fleet.server.count() >= 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_without_an_end_is_waited_for_as_any_other() {
    let fleet = Fleet::new(Server::healthy(LIFE, 1.0));
    let store = Odd::new(&fleet.store, Mistake::EndlessLeases);
    all_get(&[store.process(&fleet), store.process(&fleet)], "t1").await;
    assert_eq!(fleet.server.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn announcements_do_not_hide_that_operations_are_refused() {
    let fleet = Fleet::new(Server::healthy(60.0, 0.3));
    let refused = Odd::new(&fleet.store, Mistake::Refuses).process(&fleet);
    let processes = [refused, fleet.process()];
    let (failed, lines) = logged(traffic(&fleet, &processes, 1.0, 3600.0)).await;
    assert_eq!(failed, 0);
    assert!(lines.len() == 1 && lines[0].contains("WARN"), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_is_subscribed_to_once() {
    let fleet = Fleet::new(Server::healthy(60.0, 0.3));
    for mistake in [Mistake::Drops, Mistake::EndlessLeases] {
        let store = Odd::new(&fleet.store, mistake);
        assert_eq!(traffic(&fleet, &[store.process(&fleet)], 1.0, 600.0).await, 0);
        assert_eq!(store.subscribed.load(SeqCst), 1);
    }
    assert!(fleet.server.count() > 10);
}
