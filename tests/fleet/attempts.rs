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

fn process(server: &AuthorizationServer, store: &MemoryStore) -> TokenCache {
    let source = ClientCredentials::builder(server.token_url())
        .client_secret_basic("billing", "s3cret")
        .transport(server.service());
    let shared = Shared::builder(source.build().unwrap(), store.clone()).sealed_with([key(1)]);
    TokenCache::new(shared.wall_clock(Wall::new().clock(0.0)).build().unwrap())
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
