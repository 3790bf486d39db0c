//! A healthy Redis.

use std::time::Duration;

use super::server::RedisServer;
use crate::fleet::{Fleet, PAUSE, REQUESTS, Servers, cold_start_lives_and_revocations};

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn each_life_costs_one_token_request() {
    let redis = RedisServer::start([]);
    cold_start_lives_and_revocations(redis.url()).await;
}

/// Without announcements, processes poll.
#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn each_life_costs_one_token_request_without_the_permission_for_announcements() {
    let redis = RedisServer::start([]);
    redis.command("ACL SETUSER tokens reset on >s3cret +@all -@pubsub ~* resetchannels");
    let url = format!("redis://tokens:s3cret@127.0.0.1:{}/", redis.port);
    cold_start_lives_and_revocations(url).await;
}

/// The server revokes the previous token when it issues another one.
#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn no_request_fails_with_one_valid_token_at_a_time() {
    let redis = RedisServer::start([]);
    let servers = Servers::start(Duration::from_secs(2), true).await;
    let mut fleet = Fleet::start(&servers.settings(redis.url())).await;
    fleet.burst(REQUESTS).await;
    fleet.start_traffic(PAUSE).await;
    let mut last = 1;
    while last < 5 {
        let next = fleet.common_number_after(last).await;
        assert_eq!((next, servers.idp.token_requests()), (last + 1, next));
        last = next;
    }
    fleet.stop_traffic().await;
}
