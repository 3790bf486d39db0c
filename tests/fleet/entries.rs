//! Entries that a process must not use.

use std::time::Duration;

use tower_oauth2_client_credentials::{
    Error, Token, TokenCache, TokenSource,
    source::{AcquireContext, Sharing},
    store::{EntryId, LeaseOwner, MemoryStore, Shared, Store, StoredEntry},
};

use crate::support::*;

async fn entry(store: &MemoryStore, id: EntryId) -> StoredEntry {
    Store::read(store, id).await.unwrap().expect("there is no entry")
}

async fn write(store: &MemoryStore, id: EntryId, entry: StoredEntry) {
    assert!(Store::write(store, id, entry, Duration::from_secs(3600)).await.unwrap());
}

fn only_id(fleet: &Fleet) -> EntryId {
    let [id] = fleet.store.entry_ids().try_into().unwrap();
    id
}

#[tokio::test(start_paused = true)]
async fn an_entry_of_another_key_is_not_overwritten_and_reported_once() {
    let fleet = Fleet::new(Server::healthy(600.0, 0.3));
    all_get(&[fleet.process()], "t1").await;
    let id = only_id(&fleet);
    let before = entry(&fleet.store, id).await;
    let other = fleet.cache(fleet.shared().sealed_with([key(2)]), |builder| builder);
    let (_, lines) = logged(async {
        // While the entry exists.
        for _ in 0..5 {
            other.clear();
            other.get().await.unwrap();
            pass(100.0).await;
        }
    })
    .await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    let expected = ["WARN", "entry sealed by another key: set a namespace"];
    assert!(expected.iter().all(|it| lines[0].contains(it)), "{lines:?}");
    assert_eq!(entry(&fleet.store, id).await, before);
    assert_eq!(fleet.server.count(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_namespace_separates_fleets() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    all_get(&[fleet.process()], "t1").await;
    let other = || fleet.shared().sealed_with([key(2)]).namespace("staging");
    all_get(&[fleet.cache(other(), |it| it), fleet.cache(other(), |it| it)], "t2").await;
    assert_eq!(fleet.store.entry_ids().len(), 2);
}

/// A source with another scope, and so with another entry.
struct Scoped(Client);

impl TokenSource for Scoped {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        self.0.acquire(context).await
    }

    fn sharing(&self) -> Sharing {
        self.0.sharing().with("scope", "admin")
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_copied_to_another_entry_is_refused() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let scoped = || {
        let client = Scoped(Client { server: fleet.server.clone(), process: 99 });
        let shared = Shared::builder(client, fleet.store.clone()).sealed_with([key(1)]);
        TokenCache::new(shared.wall_clock(fleet.wall.clock(0.0)).build().unwrap())
    };
    all_get(&[scoped()], "t1").await;
    let admin = only_id(&fleet);
    let stolen = entry(&fleet.store, admin).await;
    let (process, idle) = (fleet.process(), fleet.process());
    gets(&process, "t2").await;
    gets(&idle, "t2").await;
    let ids = fleet.store.entry_ids();
    let own = ids.into_iter().find(|id| *id != admin).unwrap();
    let newer = StoredEntry::new(stolen.generation + 1_000_000, stolen.value);
    write(&fleet.store, own, newer).await;
    // The announcement of `newer` was refused too.
    assert_eq!(cached(&[process, idle]), ["t2", "t2"]);
    all_get(&[fleet.process()], "t3").await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_changed_is_refused() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    all_get(&[fleet.process()], "t1").await;
    let id = only_id(&fleet);
    let stored = entry(&fleet.store, id).await;
    let last = stored.value.len() - 1;
    for at in [0, 1, 20, last] {
        let mut value = stored.value.to_vec();
        value[at] ^= 1;
        write(&fleet.store, id, StoredEntry::new(stored.generation, value.into())).await;
        let before = fleet.server.count();
        fleet.process().get().await.unwrap();
        assert_eq!(fleet.server.count(), before + 1, "byte {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_entry_costs_one_token_request() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let processes = fleet.processes(20);
    all_get(&processes, "t1").await;
    fleet.store.clear();
    assert_eq!(traffic(&fleet, &processes, 5.0, 1.3 * LIFE).await, 0);
    assert_eq!(fleet.server.count(), 2);
    fleet.store.clear();
    all_get(&fleet.processes(20), "t3").await;
}

#[tokio::test(start_paused = true)]
async fn clocks_may_differ_by_the_skew() {
    for ahead in [-4.0, 4.0] {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
        all_get(&[fleet.process()], "t1").await;
        all_get(&[fleet.cache(fleet.shared_ahead(ahead), |it| it)], "t1").await;
    }
}

/// A fleet whose clocks differ by an hour shares no token, and fails no request.
#[tokio::test(start_paused = true)]
async fn a_token_from_the_future_is_not_used() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    all_get(&[fleet.cache(fleet.shared_ahead(3600.0), |it| it)], "t1").await;
    let process = fleet.process();
    let (_, lines) = logged(all_get(&[process], "t2")).await;
    assert!(lines.len() == 1 && lines[0].contains("synchronize"), "{lines:?}");
    // The others share the second.
    all_get(&fleet.processes(5), "t2").await;
}

/// Its lifetime may have ended on the server.
#[tokio::test(start_paused = true)]
async fn a_token_is_not_used_in_the_last_seconds_of_its_lifetime() {
    for (skew, at, expected) in [(5.0, 14.0, "t1"), (5.0, 15.5, "t2"), (1.0, 15.5, "t1")] {
        let fleet = Fleet::new(Server::healthy(20.0, 0.3));
        let shared = || fleet.shared().clock_skew(secs(skew));
        all_get(&[fleet.cache(shared(), |it| it)], "t1").await;
        pass(at - 0.3).await;
        all_get(&[fleet.cache(shared(), |it| it)], expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_sealed_entry_shows_no_token_and_plain_text_does() {
    let fleet = Fleet::new(Server::new(|_| (secs(0.1), Token::bearer("s3cr3t-token"))));
    let contains = |value: &[u8]| value.windows(12).any(|part| part == b"s3cr3t-token");
    all_get(&[fleet.process()], "s3cr3t-token").await;
    assert!(!contains(&entry(&fleet.store, only_id(&fleet)).await.value));
    fleet.store.clear();
    let plain = || fleet.cache(fleet.shared().plain_text(), |it| it);
    all_get(&[plain(), plain()], "s3cr3t-token").await;
    let id = only_id(&fleet);
    let stored = entry(&fleet.store, id).await;
    assert!(contains(&stored.value));
    let lease = fleet.store.lease(id, LeaseOwner(1), secs(1.0)).await.unwrap();
    // As text, and as a list of numbers.
    for secret in ["s3cr3t", "115, 51, 99"] {
        let shown = format!("{stored:?} {stored:#?} {lease:?} {lease:#?}");
        assert!(!shown.contains(secret), "{shown}");
    }
    assert_eq!(fleet.server.count(), 2);
}
