//! What every store does. `a` and `b` are two handles, as two processes have them.

use std::{collections::HashSet, time::Duration};

use bytes::Bytes;
use tokio::task::JoinSet;
use tower_oauth2_client_credentials::store::{Lease, Store, StoredEntry};

use crate::support::{MINUTE, entry, eventually, granted, held, id, owner};

pub(crate) async fn conforms<S: Store + Clone>(a: S, b: S) {
    let (a, b) = (&a, &b);
    an_entry_is_read_until_it_expires(a, b).await;
    values_are_bytes(a, b).await;
    a_lease_excludes_others_until_it_is_released(a, b).await;
    a_lease_ends(a, b).await;
    a_lease_is_renewed_by_its_owner_only(a, b).await;
    generations_follow_the_clock_and_the_entry(a, b).await;
    an_older_generation_is_refused(a, b).await;
    one_of_many_gets_the_lease(a, b).await;
    generations_of_successive_leases_differ(a, b).await;
}

async fn an_entry_is_read_until_it_expires<S: Store + Clone>(a: &S, b: &S) {
    let (id, other) = (id(), id());
    assert_eq!(b.read(id).await.unwrap(), None);
    assert!(a.write(id, entry(1, "first"), MINUTE).await.unwrap());
    assert_eq!(b.read(id).await.unwrap(), Some(entry(1, "first")));
    assert_eq!(b.read(other).await.unwrap(), None);
    let start = std::time::Instant::now();
    let keep = Duration::from_millis(300);
    assert!(a.write(id, entry(2, "second"), keep).await.unwrap());
    if let Some(read) = b.read(id).await.unwrap() {
        assert_eq!(read, entry(2, "second"));
    }
    eventually("expiry", || async { b.read(id).await.unwrap().is_none().then_some(()) }).await;
    assert!(start.elapsed() > keep - Duration::from_millis(2), "{:?}", start.elapsed());
    // Its generation is forgotten too.
    assert!(a.write(id, entry(1, "third"), MINUTE).await.unwrap());
    assert_eq!(b.read(id).await.unwrap(), Some(entry(1, "third")));
}

async fn values_are_bytes<S: Store + Clone>(a: &S, b: &S) {
    let all: Vec<u8> = (0..=255).collect();
    for (generation, value) in [(1, Vec::new()), (2, all.clone()), (3, all.repeat(1025))] {
        let (id, entry) = (id(), StoredEntry::new(generation, Bytes::from(value)));
        assert!(a.write(id, entry.clone(), MINUTE).await.unwrap());
        assert_eq!(b.read(id).await.unwrap(), Some(entry));
    }
}

async fn a_lease_excludes_others_until_it_is_released<S: Store + Clone>(a: &S, b: &S) {
    let id = id();
    let (generation, found) = granted(a.lease(id, owner(1), MINUTE).await.unwrap());
    assert_eq!(found, None);
    let (remaining, found) = held(b.lease(id, owner(2), MINUTE).await.unwrap(), owner(1));
    assert!(remaining > MINUTE / 2 && remaining <= MINUTE, "{remaining:?}");
    assert_eq!(found, None);
    assert!(a.write(id, entry(generation, "new"), MINUTE).await.unwrap());
    // The entry comes with both answers.
    let (_, found) = held(b.lease(id, owner(2), MINUTE).await.unwrap(), owner(1));
    assert_eq!(found, Some(entry(generation, "new")));
    // A release by another owner has no effect.
    b.release(id, owner(2)).await.unwrap();
    held(b.lease(id, owner(2), MINUTE).await.unwrap(), owner(1));
    // Another entry has another lease.
    granted(b.lease(crate::support::id(), owner(2), MINUTE).await.unwrap());
    a.release(id, owner(1)).await.unwrap();
    let (_, found) = granted(b.lease(id, owner(2), MINUTE).await.unwrap());
    assert_eq!(found, Some(entry(generation, "new")));
    // A late release by the previous owner has none either.
    a.release(id, owner(1)).await.unwrap();
    held(a.lease(id, owner(1), MINUTE).await.unwrap(), owner(2));
    // The command is repeated if its answer was lost.
    granted(b.lease(id, owner(2), MINUTE).await.unwrap());
}

async fn a_lease_ends<S: Store + Clone>(a: &S, b: &S) {
    let (id, duration) = (id(), Duration::from_millis(300));
    let start = std::time::Instant::now();
    granted(a.lease(id, owner(1), duration).await.unwrap());
    eventually("the end of the lease", || async {
        match b.lease(id, owner(2), MINUTE).await.unwrap() {
            Lease::Held { remaining, .. } => {
                assert!(remaining <= duration, "{remaining:?}");
                None
            }
            Lease::Granted { .. } => Some(()),
        }
    })
    .await;
    assert!(start.elapsed() > duration - Duration::from_millis(2), "{:?}", start.elapsed());
    assert!(!a.renew(id, owner(1), MINUTE).await.unwrap());
}

async fn a_lease_is_renewed_by_its_owner_only<S: Store + Clone>(a: &S, b: &S) {
    let id = id();
    assert!(!a.renew(id, owner(1), MINUTE).await.unwrap());
    granted(a.lease(id, owner(1), MINUTE).await.unwrap());
    assert!(a.renew(id, owner(1), 10 * MINUTE).await.unwrap());
    let (remaining, _) = held(b.lease(id, owner(2), MINUTE).await.unwrap(), owner(1));
    assert!(remaining > 9 * MINUTE && remaining <= 10 * MINUTE, "{remaining:?}");
    assert!(!b.renew(id, owner(2), 20 * MINUTE).await.unwrap());
    assert!(a.renew(id, owner(1), MINUTE).await.unwrap());
    let (remaining, _) = held(b.lease(id, owner(2), MINUTE).await.unwrap(), owner(1));
    assert!(remaining <= MINUTE, "{remaining:?}");
    a.release(id, owner(1)).await.unwrap();
    assert!(!a.renew(id, owner(1), MINUTE).await.unwrap());
}

async fn generations_follow_the_clock_and_the_entry<S: Store + Clone>(a: &S, b: &S) {
    // Store and test run on one machine.
    let now = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let (id, before) = (id(), now());
    let (generation, _) = granted(a.lease(id, owner(1), MINUTE).await.unwrap());
    assert!((before - 1..=now() + 1).contains(&generation), "{before} {generation}");
    let future = generation + 1_000_000;
    assert!(a.write(id, entry(future, "of a clock that is ahead"), MINUTE).await.unwrap());
    a.release(id, owner(1)).await.unwrap();
    let (generation, found) = granted(b.lease(id, owner(2), MINUTE).await.unwrap());
    assert_eq!(generation, future + 1);
    assert_eq!(found.unwrap().generation, future);
}

async fn an_older_generation_is_refused<S: Store + Clone>(a: &S, b: &S) {
    let id = id();
    assert!(a.write(id, entry(9, "nine"), MINUTE).await.unwrap());
    assert!(!b.write(id, entry(8, "eight"), MINUTE).await.unwrap());
    assert_eq!(a.read(id).await.unwrap(), Some(entry(9, "nine")));
    // A second write under one lease.
    assert!(a.write(id, entry(9, "nine again"), MINUTE).await.unwrap());
    // As numbers, and not as text.
    assert!(b.write(id, entry(10, "ten"), MINUTE).await.unwrap());
    assert_eq!(a.read(id).await.unwrap(), Some(entry(10, "ten")));
}

async fn one_of_many_gets_the_lease<S: Store + Clone>(a: &S, b: &S) {
    let id = id();
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let store = if number % 2 == 0 { a } else { b }.clone();
        tasks.spawn(async move { store.lease(id, owner(number), MINUTE).await.unwrap() });
    }
    let leases = tasks.join_all().await;
    let granted = leases.iter().filter(|lease| matches!(lease, Lease::Granted { .. }));
    assert_eq!((granted.count(), leases.len()), (1, 32));
}

async fn generations_of_successive_leases_differ<S: Store + Clone>(a: &S, b: &S) {
    let id = id();
    let mut generations = HashSet::new();
    for number in 0..20 {
        let store = if number % 2 == 0 { a } else { b };
        let (generation, found) = granted(store.lease(id, owner(number), MINUTE).await.unwrap());
        assert!(found.is_none_or(|found| found.generation < generation));
        assert!(store.write(id, entry(generation, "x"), MINUTE).await.unwrap());
        store.release(id, owner(number)).await.unwrap();
        assert!(generations.insert(generation));
    }
}
