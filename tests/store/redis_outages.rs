//! A Redis that is killed, stopped, full, or becomes a replica.

use std::time::{Duration, Instant};

use tower_oauth2_client_credentials::store::{Announcer, Lease, RedisStore, Store as _};

use crate::{
    redis_access::received_eventually,
    redis_server::RedisServer,
    support::{MINUTE, cause, entry, eventually, granted, id, owner},
};

/// The bound that `Shared` has by default.
const BOUND: Duration = Duration::from_millis(250);

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn after_a_restart_commands_and_announcements_resume() {
    let mut server = RedisServer::start([]);
    let (store, id) = (server.store(), id());
    let (announcements, mut received) = Announcer::channel(id);
    store.subscribe(announcements);
    received_eventually(&store, id, &mut received).await;

    server.kill();
    let start = Instant::now();
    for _ in 0..20 {
        let text = cause(&store.read(id).await.unwrap_err());
        assert!(text.contains("refused") && text.contains("; "), "{text}");
        let error = store.write(id, entry(2, "y"), MINUTE).await.unwrap_err();
        assert!(cause(&error).contains("refused"), "{error:?}");
    }
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());

    server.start_again();
    // Its memory is empty.
    let read = eventually("the connection", || async { store.read(id).await.ok() }).await;
    assert_eq!(read, None);
    received_eventually(&store, id, &mut received).await;
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_connection_that_redis_closed_is_replaced_without_an_error() {
    let server = RedisServer::start([]);
    let (store, id) = (server.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    for _ in 0..5 {
        server.command("CLIENT KILL TYPE normal SKIPME yes");
        assert_eq!(store.read(id).await.unwrap(), Some(entry(1, "x")));
    }
    // A restart forgets the scripts too.
    server.command("SCRIPT FLUSH");
    granted(store.lease(id, owner(1), MINUTE).await.unwrap());
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_stopped_redis_costs_each_operation_its_bound() {
    let server = RedisServer::start([]);
    let store = server.builder().response_timeout(Duration::from_millis(500)).build().unwrap();
    let id = id();
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    server.signal("STOP");
    let start = Instant::now();
    let text = cause(&store.read(id).await.unwrap_err());
    assert!(text.contains("did not answer in time"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    for _ in 0..5 {
        let start = Instant::now();
        // Either the caller times out, or the remembered failure is returned.
        let read = tokio::time::timeout(BOUND, store.read(id)).await;
        assert!(!matches!(read, Ok(Ok(_))), "{read:?}");
        assert!(start.elapsed() < BOUND + Duration::from_secs(1), "{:?}", start.elapsed());
    }
    server.signal("CONT");
    let read = eventually("the answer", || async {
        tokio::time::timeout(BOUND, store.read(id)).await.ok()?.ok()
    });
    assert_eq!(read.await, Some(entry(1, "x")));
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_full_redis_refuses_writes_and_answers_reads() {
    let server = RedisServer::start(["--maxmemory-policy", "noeviction"]);
    let (store, id) = (server.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    granted(store.lease(id, owner(1), MINUTE).await.unwrap());
    server.command("CONFIG SET maxmemory 1");
    assert_eq!(store.read(id).await.unwrap(), Some(entry(1, "x")));
    for error in [
        store.write(id, entry(2, "y"), MINUTE).await.unwrap_err(),
        store.lease(id, owner(1), MINUTE).await.unwrap_err(),
    ] {
        let text = cause(&error);
        assert!(text.contains("memory is full; raise maxmemory"), "{text}");
    }
    // These need no memory.
    assert!(store.renew(id, owner(1), MINUTE).await.unwrap());
    store.release(id, owner(1)).await.unwrap();
    assert_eq!(store.read(id).await.unwrap(), Some(entry(1, "x")));
    server.command("CONFIG SET maxmemory 0");
    assert!(store.write(id, entry(2, "y"), MINUTE).await.unwrap());
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn an_evicted_entry_is_missing() {
    let server = RedisServer::start(["--maxmemory-policy", "allkeys-lru"]);
    let (store, id) = (server.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    granted(store.lease(id, owner(1), MINUTE).await.unwrap());
    // Less than the server needs for itself, so all keys go with the next write.
    server.command("CONFIG SET maxmemory 1");
    let _ = store.write(crate::support::id(), entry(1, "other"), MINUTE).await;
    assert_eq!(store.read(id).await.unwrap(), None);
    server.command("CONFIG SET maxmemory 0");
    // Two leaders are possible then. The generations of their entries decide.
    let (generation, found) = granted(store.lease(id, owner(2), MINUTE).await.unwrap());
    assert_eq!(found, None);
    assert!(store.write(id, entry(generation, "y"), MINUTE).await.unwrap());
    assert!(!store.write(id, entry(generation - 1, "x"), MINUTE).await.unwrap());
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_replica_answers_reads_and_refuses_writes_until_it_is_the_primary() {
    let primary = RedisServer::start([]);
    let replica = RedisServer::start([]);
    let (at_primary, at_replica, id) = (primary.store(), replica.store(), id());
    assert!(at_replica.write(id, entry(1, "old"), MINUTE).await.unwrap());
    replica.command(&format!("REPLICAOF 127.0.0.1 {}", primary.port));
    at_primary.write(id, entry(2, "new"), MINUTE).await.unwrap();
    eventually("replication", || async {
        let read = at_replica.read(id).await.ok().flatten();
        read.filter(|read| *read == entry(2, "new"))
    })
    .await;
    for error in [
        at_replica.lease(id, owner(1), MINUTE).await.unwrap_err(),
        at_replica.write(id, entry(3, "newer"), MINUTE).await.unwrap_err(),
    ] {
        let text = cause(&error);
        assert!(text.contains("read-only replica; use the address of the primary"), "{text}");
    }
    replica.command("REPLICAOF NO ONE");
    assert!(at_replica.write(id, entry(3, "newer"), MINUTE).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_hundred_cold_operations_share_one_connection() {
    let server = RedisServer::start([]);
    let connections = || {
        let info = server.admin::<String>("INFO stats");
        let line = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        line.unwrap().parse::<u32>().unwrap()
    };
    let (before, store, id) = (connections(), server.store(), id());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100 {
        let store = store.clone();
        tasks.spawn(async move { store.lease(id, owner(number), MINUTE).await.unwrap() });
    }
    let leases = tasks.join_all().await;
    let granted = leases.iter().filter(|lease| matches!(lease, Lease::Granted { .. })).count();
    // `connections` itself opens one of the two.
    assert_eq!((granted, connections() - before), (1, 2));
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_costs_the_bound() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let store = RedisStore::builder(format!("redis://{}", listener.local_addr().unwrap()))
        .connect_timeout(Duration::from_millis(200))
        .build()
        .unwrap();
    let start = Instant::now();
    let text = cause(&store.read(id()).await.unwrap_err());
    assert!(text.contains("took longer than 200ms"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_redis_that_cannot_be_reached_is_not_asked_again_at_once() {
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let store = RedisStore::new(format!("redis://:s3cret@{address}")).unwrap();
    let text = cause(&store.read(id()).await.unwrap_err());
    assert!(text.contains(&address.to_string()) && !text.contains("s3cret"), "{text}");
    // During the pause, the remembered failure is returned without an attempt.
    let listener = std::net::TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    assert_eq!(cause(&store.read(id()).await.unwrap_err()), text);
    assert!(listener.accept().is_err());
}
