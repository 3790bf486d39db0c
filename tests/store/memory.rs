//! The store in memory, which tests of users take for a real one.

use std::time::Duration;

use tower_oauth2_client_credentials::store::{
    EntryId, Lease, LeaseOwner, MemoryFault, MemoryStore, Store as _, StoredEntry,
};

use crate::conformance::conforms;

#[tokio::test]
async fn it_conforms() {
    let store = MemoryStore::new();
    conforms(store.clone(), store).await;
}

#[tokio::test]
async fn a_store_that_refuses_entries_grants_leases_and_keeps_what_it_has() {
    let (store, id) = (MemoryStore::new(), EntryId::new([7; 32]));
    let minute = Duration::from_secs(60);
    let entry = |generation| StoredEntry::new(generation, "sealed".into());
    let lease = async |owner| match store.lease(id, LeaseOwner(owner), minute).await.unwrap() {
        Lease::Granted { generation, .. } => generation,
        other => panic!("{other:?}"),
    };
    let first = lease(1).await;
    assert!(store.write(id, entry(first), minute).await.unwrap());
    store.set_fault(MemoryFault::EntriesRefused);
    store.release(id, LeaseOwner(1)).await.unwrap();
    let second = lease(2).await;
    store.write(id, entry(second), minute).await.unwrap_err();
    assert_eq!(store.read(id).await.unwrap(), Some(entry(first)));
}
