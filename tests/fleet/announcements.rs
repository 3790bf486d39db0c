//! Tokens that other processes announce.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use tower_oauth2_client_credentials::{
    Error, Token, TokenCache, TokenSource,
    source::{AcquireContext, Sharing},
    store::Shared,
};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_announced_token_is_cached_without_an_operation_of_the_store() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let processes = fleet.processes(20);
    all_get(&processes, "t1").await;
    pass(1.0).await;
    processes[7].clear();
    let before = fleet.store.operations();
    all_get(&processes[7..8], "t2").await;
    settle().await;
    // Lease, write and release, of one process.
    assert_eq!(fleet.store.operations(), before + 3);
    assert!(cached(&processes).iter().all(|secret| secret == "t2"), "{:?}", cached(&processes));
}

/// Its only cache has no requests.
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

/// A cache that was never used has not subscribed, so its first request asks the store.
#[tokio::test(start_paused = true)]
async fn a_process_that_was_never_used_takes_the_stored_token() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let processes = fleet.processes(2);
    gets(&processes[0], "t1").await;
    assert_eq!(cached(&processes), ["t1", "-"]);
    gets(&processes[1], "t1").await;
    assert_eq!(fleet.server.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn several_caches_of_one_source_take_each_token() {
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
async fn the_end_of_a_process_does_not_affect_the_others() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let (one, other) = (fleet.process(), fleet.process());
    all_get(&[one.clone(), other.clone()], "t1").await;
    drop(other);
    pass(1.0).await;
    one.clear();
    all_get(&[one], "t2").await;
    assert_eq!(fleet.server.count(), 2);
}

/// By the clock of `behind`, the second token was issued before the first.
#[tokio::test(start_paused = true)]
async fn a_later_token_is_taken_from_a_host_whose_clock_is_behind() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let [ahead, behind] = [2.0, -2.0].map(|by| fleet.cache(fleet.shared_ahead(by), |it| it));
    let process = fleet.process();
    gets(&ahead, "t1").await;
    gets(&process, "t1").await;
    gets(&behind, "t1").await;
    pass(1.0).await;
    assert_eq!(behind.force_refresh().await.unwrap().secret(), "t2");
    assert_eq!(cached(&[ahead, process]), ["t2", "t2"]);
}

/// Each process that takes an announced token refreshes it at its own time. Otherwise all of them
/// would ask the store when a refresh is due.
#[tokio::test(start_paused = true)]
async fn the_refresh_of_a_busy_fleet_costs_few_operations_of_the_store() {
    let fleet = Fleet::new(Server::healthy(500.0, 0.2));
    let processes = fleet.processes(40);
    all_get(&processes, "t1").await;
    for life in 2..=4 {
        pass(300.0).await;
        let before = fleet.store.operations();
        while fleet.server.count() < life {
            traffic(&fleet, &processes, 0.1, 1.0).await;
        }
        traffic(&fleet, &processes, 0.1, 10.0).await;
        let operations = fleet.store.operations() - before;
        assert!(operations < 40, "{operations} in life {life}");
    }
}

/// Its tokens are bound to a certificate that is replaced.
struct Rotating {
    client: Client,
    certificate: Arc<AtomicUsize>,
}

impl TokenSource for Rotating {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        let certificate = self.certificate.load(SeqCst);
        let token = self.client.acquire(context).await?;
        let bound = Token::bearer(format!("{}-of-{certificate}", token.secret()))?;
        Ok(bound.with_lifetime(secs(LIFE)))
    }

    fn sharing(&self) -> Sharing {
        let certificate = self.certificate.load(SeqCst);
        self.client.sharing().with("certificate", certificate.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_does_not_keep_a_source_alive() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.1));
    let certificate = Arc::new(AtomicUsize::new(1));
    let client = Client { server: fleet.server.clone(), process: 1 };
    let source = Rotating { client, certificate: Arc::clone(&certificate) };
    let shared = Shared::builder(source, fleet.store.clone()).sealed_with([key(1)]);
    let process = TokenCache::new(shared.build().unwrap());
    gets(&process, "t1-of-1").await;
    assert_eq!(Arc::strong_count(&certificate), 2);
    drop(process);
    settle().await;
    assert_eq!(Arc::strong_count(&certificate), 1);
}

#[tokio::test(start_paused = true)]
async fn a_token_of_the_previous_certificate_is_not_taken() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.1));
    let process = |process| {
        let certificate = Arc::new(AtomicUsize::new(1));
        let client = Client { server: fleet.server.clone(), process };
        let source = Rotating { client, certificate: Arc::clone(&certificate) };
        let shared = Shared::builder(source, fleet.store.clone()).sealed_with([key(1)]);
        let shared = shared.wall_clock(fleet.wall.clock(0.0)).build().unwrap();
        (TokenCache::new(shared), certificate)
    };
    let ((rotated, certificate), (other, _)) = (process(1), process(2));
    gets(&rotated, "t1-of-1").await;
    gets(&other, "t1-of-1").await;
    certificate.store(2, SeqCst);
    rotated.clear();
    pass(1.0).await;
    other.clear();
    gets(&other, "t2-of-1").await;
    settle().await;
    assert_eq!(cached(std::slice::from_ref(&rotated)), ["-"]);
    gets(&rotated, "t3-of-2").await;
    assert_eq!(cached(&[other]), ["t2-of-1"]);
}
