//! A Redis that is killed, stopped, full, evicting or read-only. No request fails, and sharing resumes.

use std::time::Duration;

use super::server::RedisServer;
use crate::fleet::{Fleet, PAUSE, PROCESSES, Servers, number};

const LIFETIME: Duration = Duration::from_secs(3);
/// The default.
const STORE_TIMEOUT: Duration = Duration::from_millis(250);

/// Runs a fleet with traffic, breaks its store for the life of a token, and repairs it.
async fn survives(
    mut redis: RedisServer,
    damage: impl FnOnce(&mut RedisServer),
    repair: impl FnOnce(&mut RedisServer),
) {
    let servers = Servers::start(LIFETIME, false).await;
    let mut settings = servers.settings(redis.url());
    settings.store_timeout = STORE_TIMEOUT;
    let mut fleet = Fleet::start(&settings).await;
    fleet.start_traffic(PAUSE).await;
    let before = fleet.common_number_after(0).await;

    damage(&mut redis);
    let replaced = |tokens: &[String]| tokens.iter().all(|token| number(token) > before);
    fleet.tokens_until("tokens without the store", replaced).await;
    // The first processes may have replaced their tokens twice.
    let requests = servers.idp.token_requests() - before;
    assert!(requests <= 2 * PROCESSES as u64, "{requests} token requests without the store");

    repair(&mut redis);
    let mut last = fleet.common_number_after(before).await;
    // The first lives may have more: processes still wait before they connect again.
    for life in 1.. {
        let next = fleet.common_number_after(last).await;
        let is_shared = next == last + 1;
        last = next;
        if is_shared {
            break;
        }
        assert!(life < 4, "sharing does not resume");
    }
    assert_eq!(fleet.common_number_after(last).await, last + 1, "one token request for each life");
    assert_eq!(servers.idp.token_requests(), last + 1);
    fleet.stop_traffic().await;
}

/// Its memory is limited with this policy, until the limit is removed.
async fn survives_full(policy: &str, fill: impl FnOnce(&mut RedisServer)) {
    let redis = RedisServer::start(["--maxmemory-policy", policy]);
    survives(redis, fill, |it| it.command("CONFIG SET maxmemory 0")).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_killed_redis_fails_no_request() {
    survives(RedisServer::start([]), RedisServer::kill, RedisServer::start_again).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_stopped_redis_fails_no_request() {
    survives(RedisServer::start([]), |it| it.signal("STOP"), |it| it.signal("CONT")).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_full_redis_that_refuses_writes_fails_no_request() {
    survives_full("noeviction", |it| it.command("CONFIG SET maxmemory 1")).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_full_redis_that_evicts_the_entries_fails_no_request() {
    let fill = |it: &mut RedisServer| {
        let number = |it: &mut RedisServer, section: &str, name: &str| -> u64 {
            let info = it.admin::<String>(&format!("INFO {section}"));
            info.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap()
        };
        let limit = number(it, "memory", "used_memory:") + 100_000;
        it.command(&format!("CONFIG SET maxmemory {limit}"));
        let mut others = 0;
        while !it.admin::<Vec<String>>("KEYS oauth2-tokens:*").is_empty() {
            others += 1;
            it.command(&format!("SETRANGE other:{others} 10000 x"));
        }
        // The buffers of connections may have filled it without other entries.
        assert!(number(it, "stats", "evicted_keys:") > 0);
    };
    survives_full("allkeys-lru", fill).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_redis_without_memory_for_an_entry_fails_no_request() {
    survives_full("allkeys-lru", |it| it.command("CONFIG SET maxmemory 1")).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_redis_that_is_a_replica_for_a_while_fails_no_request() {
    // Its primary does not exist, and it answers reads with its old entries.
    let damage = |it: &mut RedisServer| it.command("REPLICAOF 127.0.0.1 1");
    survives(RedisServer::start([]), damage, |it| it.command("REPLICAOF NO ONE")).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_redis_that_loses_its_entries_fails_no_request() {
    survives(RedisServer::start([]), |it| it.command("FLUSHALL"), |_| ()).await;
}
