//! The attempts of a process that loses its lease while it acquires.

use tower_oauth2_client_credentials::{
    ClientCredentials, ErrorKind, TokenCache,
    store::{MemoryStore, Shared},
    testing::{AuthorizationServer, MockResponse, RegisteredClient},
};

use crate::support::*;

fn server() -> AuthorizationServer {
    let client = RegisteredClient::new("billing").secret("s3cret");
    AuthorizationServer::builder().client(client).build()
}

fn shared(
    server: &AuthorizationServer,
    store: &MemoryStore,
    wall: Wall,
) -> Shared<ClientCredentials> {
    let source = ClientCredentials::builder(server.token_url())
        .client_secret_basic("billing", "s3cret")
        .transport(server.service());
    let shared = Shared::builder(source.build().unwrap(), store.clone()).sealed_with([key(1)]);
    shared.wall_clock(wall.clock(0.0)).build().unwrap()
}

fn process(server: &AuthorizationServer, store: &MemoryStore) -> TokenCache {
    TokenCache::new(shared(server, store, Wall::new()))
}

const UNAVAILABLE: MockResponse = MockResponse::Status(503);

/// The store loses the lease while the first attempt runs. Another process has acquired by the time
/// that the attempt fails.
#[tokio::test(start_paused = true)]
async fn a_leader_that_lost_its_lease_starts_no_further_attempt() {
    let (server, store) = (server(), MemoryStore::new());
    server.script([UNAVAILABLE.after(secs(3.0))]);
    let slow = process(&server, &store);
    let getting = tokio::spawn(slow.get());
    pass(0.5).await;
    store.clear();
    // It notices the loss after a third of the lease.
    pass(1.5).await;
    let other = process(&server, &store);
    let token = other.get().await.unwrap();
    pass(60.0).await;
    assert_eq!(getting.await.unwrap().unwrap().secret(), token.secret());
    assert_eq!(server.token_requests(), 2);
}

/// The store loses the lease between two attempts, and no other process acquires.
#[tokio::test(start_paused = true)]
async fn a_leader_that_lost_its_lease_in_a_pause_shares_its_failure() {
    let (server, store) = (server(), MemoryStore::new());
    // The next attempt is in four seconds.
    server.always(MockResponse::StatusRetryAfter(503, 4));
    let one = process(&server, &store);
    let getting = tokio::spawn(one.get());
    pass(0.5).await;
    store.clear();
    let error = getting.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), server.token_requests()), (ErrorKind::HttpStatus, 1));
    let error = process(&server, &store).get().await.unwrap_err();
    assert_eq!((error.kind(), server.token_requests()), (ErrorKind::HttpStatus, 1));
}

/// It would have answered in time without a store.
#[tokio::test(start_paused = true)]
async fn a_short_acquisition_has_all_of_its_time() {
    for delay in [0.9, 1.9] {
        let (server, store, wall) = (server(), MemoryStore::new(), Wall::new());
        server.script([MockResponse::Issue.after(secs(delay))]);
        let builder = TokenCache::builder(shared(&server, &store, wall));
        let process = builder.acquisition_timeout(secs(delay + 0.05)).build();
        process.get().await.unwrap();
    }
}

/// A timeout that leaves time for the store says nothing about the server. Two that ran for as long as
/// they may say that it is down.
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_cut_short_fails_for_its_process_only() {
    for (attempts, expected) in [(1, 2), (3, 3)] {
        let (server, store, wall) = (server(), MemoryStore::new(), Wall::new());
        server.always(MockResponse::Hang);
        let bound = if attempts == 1 { 9.0 } else { 25.0 };
        let builder = TokenCache::builder(shared(&server, &store, wall));
        let process = builder.acquisition_timeout(secs(bound)).build();
        let error = process.get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AcquisitionTimeout);
        assert_eq!(server.token_requests(), attempts);
        server.always(MockResponse::Issue);
        let other = TokenCache::new(shared(&server, &store, wall)).get().await;
        assert_eq!((other.is_ok(), server.token_requests()), (attempts == 1, expected));
    }
}
