//! Many tenants with one store: its faults are reported once, and counted for each cache.

use std::sync::Arc;

use tower_oauth2_client_credentials::store::{MemoryFault, MemoryStore, Shared, SharedStore};

use super::{
    announcements::Interrupted,
    sharing::{Process, key, recorder, sum},
    *,
};

const TENANTS: usize = 20;

/// The tenants of one process.
fn tenants(idp: &AuthorizationServer, store: &SharedStore) -> Vec<Process> {
    let tenant = |number: usize| {
        let shared = Shared::builder(source(idp).build().unwrap(), store.clone());
        let shared = shared.sealed_with([key(1)]).namespace(format!("tenant {number}"));
        Process::new(shared.build().unwrap(), &format!("t{number}"))
    };
    (0..TENANTS).map(tenant).collect()
}

/// Each of them acquires a token.
async fn acquire(tenants: &[Process]) {
    for tenant in tenants {
        tenant.tokens.clear();
        tenant.tokens.get().await.unwrap();
    }
}

/// How many events with this name all of them have seen. The other events are lost.
fn seen(tenants: &[Process], name: &str) -> usize {
    let names = tenants.iter().flat_map(Process::names);
    names.filter(|seen| *seen == name).count()
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_one_event_and_one_line_for_all_tenants() {
    for fault in [MemoryFault::Down, MemoryFault::Hanging, MemoryFault::Full] {
        let (recorder, scrape) = recorder();
        let _metrics = ::metrics::set_default_local_recorder(&recorder);
        let (log, _log) = logged(tracing::Level::INFO);
        let (idp, memory) = (server(), MemoryStore::new());
        let tenants = tenants(&idp, &SharedStore::from(memory.clone()));
        let without = || sum(&scrape, "caches_without_store", &[]);
        acquire(&tenants).await;
        assert_eq!(log.take(), "");

        memory.set_fault(fault);
        acquire(&tenants).await;
        acquire(&tenants).await;
        assert_eq!(seen(&tenants, "sharing_stopped"), 1, "{fault:?}");
        let text = log.take();
        assert!(text.lines().count() == 1 && text.contains("WARN"), "{text}");
        assert_eq!(without(), TENANTS as f64, "{fault:?}");

        memory.set_fault(MemoryFault::None);
        acquire(&tenants[..TENANTS / 2]).await;
        assert_eq!(without(), (TENANTS / 2) as f64, "{fault:?}");
        acquire(&tenants).await;
        assert_eq!(seen(&tenants, "sharing_resumed"), 1, "{fault:?}");
        let text = log.take();
        assert!(text.lines().count() == 1 && text.contains("INFO"), "{text}");
        assert_eq!(without(), 0.0);

        // The next outage is another one.
        memory.set_fault(fault);
        acquire(&tenants).await;
        assert_eq!(seen(&tenants, "sharing_stopped"), 1, "{fault:?}");
    }
}

/// Its entries can be read, so some tenants get tokens from it while others cannot store theirs.
#[tokio::test(start_paused = true)]
async fn a_store_that_works_for_some_tenants_does_not_report_each_change() {
    let (log, _log) = logged(tracing::Level::INFO);
    let (idp, memory) = (server(), MemoryStore::new());
    let store = SharedStore::from(memory.clone());
    let stored = tenants(&idp, &store);
    acquire(&stored[..10]).await;
    memory.set_fault(MemoryFault::Full);
    // Restarted, so that none of them has a token.
    let tenants = tenants(&idp, &store);
    for number in 0..10 {
        tenants[10 + number].tokens.get().await.unwrap();
        tenants[number].tokens.get().await.unwrap();
    }
    assert_eq!(idp.token_requests(), 20);
    let text = log.take();
    assert!(text.lines().count() == 1 && text.contains("WARN"), "{text}");
    // Those without the store are gone.
    memory.set_fault(MemoryFault::None);
    let mut tenants = tenants;
    tenants.truncate(10);
    acquire(&tenants).await;
    let text = log.take();
    assert!(text.lines().count() == 1 && text.contains("INFO"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn announcements_that_stop_are_one_event_for_all_tenants() {
    let (idp, handles) = (server(), Arc::default());
    let store = Interrupted(MemoryStore::new(), Arc::clone(&handles));
    let tenants = tenants(&idp, &store.into());
    acquire(&tenants).await;
    for _ in 0..2 {
        let handles = handles.lock().unwrap().clone();
        assert_eq!(handles.len(), TENANTS);
        handles.iter().for_each(|it| it.interrupted("connection lost"));
    }
    assert_eq!(seen(&tenants, "announcements_stopped"), 1);
}
