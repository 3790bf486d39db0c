//! Tokens that other processes announce.

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_announced_token_is_taken_at_once_and_without_a_question() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let processes = fleet.processes(20);
    all_get(&processes, "t1").await;
    pass(1.0).await;
    processes[7].clear();
    let before = fleet.store.operations();
    all_get(&processes[7..8], "t2").await;
    // Read, lease, write and release, of one process.
    assert_eq!(fleet.store.operations(), before + 4);
    assert!(cached(&processes).iter().all(|secret| secret == "t2"), "{:?}", cached(&processes));
}

/// Its only cache was never used, or is idle.
#[tokio::test(start_paused = true)]
async fn an_idle_process_takes_announced_tokens() {
    let fleet = Fleet::new(Server::healthy(100.0, 0.3));
    let processes = fleet.processes(2);
    all_get(&processes, "t1").await;
    traffic(&fleet, &processes[..1], 1.0, 1000.0).await;
    let [busy, idle] = cached(&processes).try_into().unwrap();
    assert_eq!(busy, idle);
    assert!(fleet.server.count() > 10);
}

#[tokio::test(start_paused = true)]
async fn several_caches_of_one_source_take_each_token() {
    use std::sync::Arc;
    use tower_oauth2_client_credentials::TokenCache;
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_silent(true);
    let shared = Arc::new(fleet.shared().build().unwrap());
    let caches = [(); 3].map(|()| TokenCache::new(Arc::clone(&shared)));
    all_get(&caches, "t1").await;
    pass(1.0).await;
    caches[0].clear();
    all_get(&caches[..1], "t2").await;
    assert_eq!(cached(&caches), ["t2", "t2", "t2"]);
    assert_eq!(fleet.server.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_ended_is_not_announced_to() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let (one, other) = (fleet.process(), fleet.process());
    all_get(&[one.clone(), other.clone()], "t1").await;
    drop(other);
    pass(1.0).await;
    one.clear();
    all_get(&[one], "t2").await;
    assert_eq!(fleet.server.count(), 2);
}
