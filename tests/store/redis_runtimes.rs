//! A store in a static, on several runtimes.

use std::time::Duration;

use tokio::runtime::Runtime;
use tower_oauth2_client_credentials::store::{Announcer, Store as _};

use crate::{
    redis_access::received_eventually,
    redis_server::RedisServer,
    support::{MINUTE, cause, entry, eventually, id},
};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
fn the_end_of_a_runtime_is_not_noticed_on_the_next_one() {
    let server = RedisServer::start([]);
    let (store, id) = (server.store(), id());
    // There is no runtime yet, so the subscription starts with the first operation.
    let (announcements, mut received) = Announcer::channel(id);
    store.subscribe(announcements);
    for _ in 1..5 {
        let runtime = runtime();
        runtime.block_on(async {
            received_eventually(&store, id, &mut received).await;
        });
        drop(runtime);
    }
}

#[test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
fn a_runtime_that_is_not_driven_costs_the_others_one_bound() {
    let server = RedisServer::start([]);
    let (store, id) = (server.store(), id());
    let (idle, active) = (runtime(), runtime());
    idle.block_on(store.write(id, entry(1, "x"), MINUTE)).unwrap();
    active.block_on(async {
        let bound = Duration::from_millis(250);
        tokio::time::timeout(bound, store.read(id)).await.unwrap_err();
        let read = tokio::time::timeout(bound, store.read(id)).await.unwrap().unwrap();
        assert_eq!(read, Some(entry(1, "x")));
    });
    drop(idle);
    active.block_on(store.read(id)).unwrap();
}

#[test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
fn an_attempt_to_connect_on_a_runtime_that_ended_is_repeated() {
    let server = RedisServer::start([]);
    let (store, id) = (server.store(), id());
    server.signal("STOP");
    let first = runtime();
    first.block_on(async {
        let bound = Duration::from_millis(100);
        tokio::time::timeout(bound, store.read(id)).await.unwrap_err();
    });
    drop(first);
    server.signal("CONT");
    assert_eq!(runtime().block_on(store.read(id)).unwrap(), None);
}

#[test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
fn an_attempt_to_connect_on_a_runtime_that_is_not_driven_is_replaced() {
    let server = RedisServer::start([]);
    let store = server.builder().connect_timeout(Duration::from_secs(1)).build().unwrap();
    let (id, bound) = (id(), Duration::from_millis(100));
    let (idle, active) = (runtime(), runtime());
    server.signal("STOP");
    idle.block_on(async {
        tokio::time::timeout(bound, store.read(id)).await.unwrap_err();
    });
    server.signal("CONT");
    let start = std::time::Instant::now();
    let read = active.block_on(eventually("the other runtime", || async {
        tokio::time::timeout(bound, store.read(id)).await.ok()?.ok()
    }));
    assert_eq!(read, None);
    assert!(start.elapsed() > Duration::from_secs(1), "{:?}", start.elapsed());
}

#[test]
fn a_runtime_without_io_is_an_error_and_not_a_panic() {
    let store =
        tower_oauth2_client_credentials::store::RedisStore::new("redis://127.0.0.1:1").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let text = cause(&runtime.block_on(store.read(id())).unwrap_err());
    assert!(text.contains("IO driver"), "{text}");
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn the_subscription_ends_with_its_receivers_and_its_store() {
    let server = RedisServer::start([]);
    let subscribers = || {
        let answer = server.admin::<(String, u32)>("PUBSUB NUMSUB oauth2-tokens:announcements:0");
        answer.1
    };
    let (store, id) = (server.store(), id());
    let (first, mut receiver) = Announcer::channel(id);
    let (second, mut other) = Announcer::channel(id);
    store.subscribe(first);
    store.subscribe(second);
    received_eventually(&store, id, &mut receiver).await;
    received_eventually(&store, id, &mut other).await;
    assert_eq!(subscribers(), 1);
    drop(receiver);
    received_eventually(&store, id, &mut other).await;
    drop(store);
    eventually("the end", || async { (subscribers() == 0).then_some(()) }).await;
}
