//! How long one acquisition waits for a slow store.

use std::future::Future;

use tokio::time::Instant;
use tower_oauth2_client_credentials::{Error, ErrorKind, TokenCache, store::MemoryFault};

use crate::support::*;

/// The default of `store_timeout`.
const BOUND: f64 = 0.25;
/// How long the server takes.
const SERVER: f64 = 0.3;

/// A fleet whose store takes this long for each operation. Its processes have a token.
async fn fleet(latency: f64) -> (Fleet, TokenCache) {
    let fleet = Fleet::new(Server::healthy(LIFE, SERVER));
    let process = fleet.process();
    gets(&process, "t1").await;
    fleet.store.set_latency(secs(latency));
    (fleet, process)
}

/// How many bounds an acquisition takes in addition to the server.
async fn bounds<T>(acquiring: impl Future<Output = T>) -> (T, f64) {
    let start = Instant::now();
    let acquired = acquiring.await;
    (acquired, (start.elapsed().as_secs_f64() - SERVER) / BOUND)
}

/// Just below the bound, and just above it.
const LATENCIES: [(f64, f64); 2] = [(0.99 * BOUND, 2.0), (1.01 * BOUND, 1.0)];

#[tokio::test(start_paused = true)]
async fn a_slow_store_delays_a_cold_start_by_two_bounds_at_most() {
    for (latency, expected) in LATENCIES {
        let fleet = Fleet::new(Server::healthy(LIFE, SERVER));
        fleet.store.set_latency(secs(latency));
        let (_, waited) = bounds(fleet.process().get()).await;
        assert!(waited <= expected + 0.01, "{latency}: {waited}");
        assert_eq!(fleet.server.count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_delays_a_replacement_by_two_bounds_at_most() {
    for (latency, expected) in LATENCIES {
        let (fleet, process) = fleet(latency).await;
        let rejected = process.peek().unwrap();
        let (replacement, waited) = bounds(process.replacement(&rejected)).await;
        assert_eq!(replacement.unwrap().secret(), "t2");
        assert!(waited <= expected + 0.01, "{latency}: {waited}");
        let (forced, waited) = bounds(async {
            pass(BOUND).await;
            process.force_refresh().await
        })
        .await;
        assert_eq!(forced.unwrap().secret(), "t3");
        assert!(waited <= 1.0 + expected + 0.01, "{latency}: {waited}");
        assert_eq!(fleet.server.count(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_delays_a_failure_by_two_bounds_at_most() {
    for kind in [ErrorKind::Transport, ErrorKind::Credentials] {
        for (latency, expected) in LATENCIES {
            let fleet = Fleet::new(Server::new(move |_| (secs(SERVER), Err(Error::new(kind)))));
            fleet.store.set_latency(secs(latency));
            let (failed, waited) = bounds(fleet.process().get()).await;
            assert_eq!(failed.unwrap_err().kind(), kind);
            assert!(waited <= expected + 0.01, "{kind:?}, {latency}: {waited}");
        }
    }
}

/// No request waits for a refresh.
#[tokio::test(start_paused = true)]
async fn a_slow_store_delays_no_request_while_a_token_is_valid() {
    for (latency, _) in LATENCIES {
        let (fleet, process) = fleet(latency).await;
        let start = Instant::now();
        while start.elapsed() < secs(1.5 * LIFE) {
            let before = Instant::now();
            process.get().await.unwrap();
            assert_eq!(before.elapsed(), secs(0.0), "{latency}");
            pass(5.0).await;
        }
        assert!((2..=3).contains(&fleet.server.count()), "{latency}: {}", fleet.server.count());
    }
}

/// A process that starts takes the token that is stored.
#[tokio::test(start_paused = true)]
async fn a_slow_store_delays_a_process_that_finds_a_token_by_one_bound() {
    let (fleet, _process) = fleet(0.99 * BOUND).await;
    let start = Instant::now();
    gets(&fleet.process(), "t1").await;
    assert!(start.elapsed() <= secs(BOUND), "{:?}", start.elapsed());
    // The lease that it did not need is released in the background.
    pass(BOUND).await;
    fleet.store.set_latency(secs(0.0));
    let start = Instant::now();
    let other = fleet.process();
    gets(&other, "t1").await;
    other.clear();
    gets(&other, "t2").await;
    assert!(start.elapsed() <= secs(SERVER + 0.01), "{:?}", start.elapsed());
}

/// A full store, and one that is a replica, are read after the lease was refused.
#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_leases_is_read() {
    for fault in [MemoryFault::Full, MemoryFault::ReadOnly] {
        let (fleet, _process) = fleet(0.99 * BOUND).await;
        fleet.store.set_fault(fault);
        let start = Instant::now();
        gets(&fleet.process(), "t1").await;
        assert!(start.elapsed() <= secs(2.0 * BOUND), "{:?}", start.elapsed());
        assert_eq!(fleet.server.count(), 1);
    }
}
