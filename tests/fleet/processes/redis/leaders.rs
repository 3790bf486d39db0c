//! Processes that are killed or stopped while they acquire the token for all.

use std::time::{Duration, Instant};

use super::server::RedisServer;
use crate::fleet::{Fleet, PROCESSES, REQUESTS, Servers};

const LEASE: Duration = Duration::from_secs(1);
/// How long a token request takes.
const DELAY: Duration = Duration::from_secs(1);
/// For scheduling and polls.
const MARGIN: Duration = Duration::from_secs(3);

/// All processes have started at the same time, and one of them has sent a token request.
async fn cold_start(redis: &RedisServer) -> (Servers, Fleet, usize) {
    // The server revokes the stopped process's token when it issues the next one.
    let servers = Servers::start(Duration::from_secs(60), true).await;
    servers.idp.set_delay(DELAY);
    let mut settings = servers.settings(redis.url());
    settings.lease = LEASE;
    let mut fleet = Fleet::start(&settings).await;
    fleet.send(&format!("burst {REQUESTS}")).await;
    servers.token_requests(1).await;
    let leader = servers.sender(0);
    (servers, fleet, leader)
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_leader_that_is_killed_costs_one_lease() {
    let redis = RedisServer::start([]);
    let (servers, mut fleet, leader) = cold_start(&redis).await;
    let start = Instant::now();
    // SIGKILL on Unix.
    drop(fleet.workers.swap_remove(leader));
    for worker in &mut fleet.workers {
        assert_eq!(worker.all_succeed().await, REQUESTS);
    }
    let took = start.elapsed();
    assert!(took < LEASE + DELAY + MARGIN, "{took:?}");
    assert_eq!(servers.idp.token_requests(), 2);
    assert_ne!(servers.sender(1), leader);
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_leader_that_is_stopped_past_its_lease_takes_the_newer_token() {
    let redis = RedisServer::start([]);
    let (servers, mut fleet, leader) = cold_start(&redis).await;
    let start = Instant::now();
    fleet.workers[leader].signal("STOP");
    for number in (0..PROCESSES).filter(|it| *it != leader) {
        assert_eq!(fleet.workers[number].all_succeed().await, REQUESTS);
    }
    let took = start.elapsed();
    assert!(took < LEASE + DELAY + MARGIN, "{took:?}");
    assert_eq!(servers.idp.token_requests(), 2);

    fleet.workers[leader].signal("CONT");
    assert_eq!(fleet.workers[leader].all_succeed().await, REQUESTS);
    // It has not overwritten the entry.
    let mut settings = servers.settings(redis.url());
    settings.lease = LEASE;
    let late = fleet.start_another(&settings).await;
    late.send("burst 1").await;
    assert_eq!(late.all_succeed().await, 1);
    assert!(fleet.tokens().await.iter().all(|token| token.starts_with("tok-2-")));
    assert_eq!(servers.idp.token_requests(), 2);
}
