//! An entry has a token that a process knows, or an older one.

use tokio::time::Instant;
use tower_oauth2_client_credentials::{
    Token, TokenCache,
    store::{EntryId, MemoryFault, Store, StoredEntry},
};

use crate::support::*;

/// A process with a replacement for a rejected token, and the entry of the rejected one.
async fn replaced(fleet: &Fleet) -> (TokenCache, EntryId, StoredEntry) {
    let process = fleet.process();
    gets(&process, "t1").await;
    let id = fleet.store.entry_ids()[0];
    let entry = fleet.store.read(id).await.unwrap().unwrap();
    let first = process.peek().unwrap();
    fleet.server.revoke(&first);
    assert_eq!(process.replacement(&first).await.unwrap().secret(), "t2");
    pass(10.0).await;
    (process, id, entry)
}

/// The store loses its last writes.
async fn restore(fleet: &Fleet, id: EntryId, entry: StoredEntry) {
    fleet.store.clear();
    fleet.store.set_silent(true);
    fleet.store.write(id, entry, secs(4000.0)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_of_a_restored_entry_is_not_a_replacement() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let (process, id, entry) = replaced(&fleet).await;
    restore(&fleet, id, entry).await;
    let second = process.peek().unwrap();
    fleet.server.revoke(&second);
    assert_eq!(process.replacement(&second).await.unwrap().secret(), "t3");
}

/// The process has never seen the older token.
#[tokio::test(start_paused = true)]
async fn an_older_token_of_a_restored_entry_is_not_a_replacement() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let (_other, id, entry) = replaced(&fleet).await;
    let process = fleet.process();
    gets(&process, "t2").await;
    restore(&fleet, id, entry).await;
    let second = process.peek().unwrap();
    fleet.server.revoke(&second);
    assert_eq!(process.replacement(&second).await.unwrap().secret(), "t3");
}

/// A process without the store has acquired a later token, which is revoked too.
#[tokio::test(start_paused = true)]
async fn an_older_token_of_the_store_is_not_a_replacement_for_a_token_of_this_process() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let first = fleet.process();
    gets(&first, "t1").await;
    pass(100.0).await;
    let old = first.peek().unwrap();
    fleet.store.set_fault(MemoryFault::Down);
    let process = fleet.process();
    gets(&process, "t2").await;
    fleet.store.set_fault(MemoryFault::None);
    pass(10.0).await;
    fleet.server.revoke(&old);
    fleet.server.revoke(&process.peek().unwrap());
    assert!(request(&process, &fleet.server).await);
    assert_eq!(cached(&[first, process]), ["t3", "t3"]);
}

/// The stored token is not due, and the later one of this process is.
#[tokio::test(start_paused = true)]
async fn an_older_token_of_the_store_is_not_used_at_a_refresh() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let other = fleet.process();
    gets(&other, "t1").await;
    fleet.store.set_fault(MemoryFault::Down);
    fleet.server.set(|asked| (secs(0.3), Ok(token(asked.nth, 600.0))));
    let process = fleet.process();
    gets(&process, "t2").await;
    fleet.store.set_fault(MemoryFault::None);
    fleet.server.revoke(&other.peek().unwrap());
    assert_eq!(traffic(&fleet, &[process], 5.0, 500.0).await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_restored_entry_does_not_replace_a_later_one_at_its_refresh() {
    // The refresh is drawn.
    for _ in 0..20 {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
        let (process, id, entry) = replaced(&fleet).await;
        restore(&fleet, id, entry).await;
        assert_eq!(traffic(&fleet, &[process], 10.0, LIFE).await, 0);
        assert!((3..=4).contains(&fleet.server.count()));
    }
}

/// It was acquired while the store was down.
#[tokio::test(start_paused = true)]
async fn a_rejected_token_of_the_store_does_not_replace_a_token_of_this_process() {
    for _ in 0..20 {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
        let process = fleet.process();
        gets(&process, "t1").await;
        pass(100.0).await;
        fleet.store.set_fault(MemoryFault::Down);
        let first = process.peek().unwrap();
        fleet.server.revoke(&first);
        assert_eq!(process.replacement(&first).await.unwrap().secret(), "t2");
        fleet.store.set_fault(MemoryFault::None);
        for _ in 0..260 {
            pass(10.0).await;
            assert!(fleet.server.accepts(&process.get().await.unwrap()));
        }
    }
}

/// The server hands out one token until it ends.
#[tokio::test(start_paused = true)]
async fn a_server_that_returns_its_token_again_gets_one_request_for_each_refresh() {
    let begun = Instant::now();
    let fleet = Fleet::new(Server::new(move |_| {
        let left = LIFE - begun.elapsed().as_secs_f64();
        (secs(0.3), Ok(Token::bearer("same").unwrap().with_lifetime(secs(left))))
    }));
    let processes = fleet.processes(50);
    all_get(&processes, "same").await;
    assert_eq!(traffic(&fleet, &processes, 1.0, LIFE * 0.95).await, 0);
    // The last refreshes are at half of the remaining lifetime each.
    assert!((2..=6).contains(&fleet.server.count()), "{}", fleet.server.count());
}
