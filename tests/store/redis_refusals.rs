//! A Redis that answers with errors: each is one error that says what to do.

use std::net::TcpListener;

use tower_oauth2_client_credentials::store::{RedisStore, Store as _, StoreError};

use crate::{
    redis_access::{acl, limited},
    redis_server::RedisServer,
    support::{MINUTE, cause, entry, eventually, granted, held, id, owner},
};

fn says(error: &StoreError, server: &RedisServer, expected: &str) {
    let text = cause(error);
    assert!(text.starts_with(&format!("Redis at 127.0.0.1:{}: ", server.port)), "{text}");
    assert!(text.contains(expected) && !text.contains("s3cret"), "{text}");
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_single_command_that_is_forbidden_leaves_nothing_behind() {
    let server = RedisServer::start([]);
    for (command, failing) in [
        ("+exists", &["read", "lease", "write"][..]),
        ("+hstrlen", &["read", "lease", "write"]),
        ("+hmget", &["read", "lease", "write"]),
        ("+get", &["lease", "renew", "release"]),
        ("+pttl", &["lease"]),
        ("+time", &["lease"]),
        ("+set", &["lease"]),
        ("+pexpire", &["renew", "write"]),
        ("+del", &["release"]),
        ("+hset", &["write"]),
    ] {
        server.command("FLUSHALL");
        server.command(&acl(&[command]));
        let (store, admin) = (limited(&server), server.store());
        for operation in ["read", "lease", "renew", "release", "write"] {
            let id = id();
            if ["renew", "release"].contains(&operation) {
                granted(admin.lease(id, owner(1), MINUTE).await.unwrap());
            }
            let result = match operation {
                "read" => store.read(id).await.map(drop),
                "lease" => store.lease(id, owner(1), MINUTE).await.map(drop),
                "renew" => store.renew(id, owner(1), MINUTE).await.map(drop),
                "release" => store.release(id, owner(1)).await,
                _ => store.write(id, entry(1, "s3cret"), MINUTE).await.map(drop),
            };
            let is_failing = failing.contains(&operation);
            assert_eq!(result.is_err(), is_failing, "{operation} without {command}");
            if let Err(error) = result {
                says(&error, &server, "ACL forbids a command");
                says(&error, &server, "; allow the commands and the prefix");
            }
            // An operation that failed has done nothing.
            if is_failing {
                assert_eq!(admin.read(id).await.unwrap(), None, "{operation} without {command}");
            }
            if is_failing && operation == "lease" {
                granted(admin.lease(id, owner(2), MINUTE).await.unwrap());
            }
        }
        for key in server.admin::<Vec<String>>("KEYS *") {
            assert!(server.admin::<i64>(&format!("PTTL {key}")) > 0, "{key} without {command}");
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_password_that_changes_or_a_user_that_is_deleted_is_an_error_until_it_is_back() {
    let server = RedisServer::start([]);
    for protocol in ["resp2", "resp3"] {
        for change in ["ACL SETUSER tokens resetpass >0ther", "ACL DELUSER tokens"] {
            server.command(&acl(&[]));
            let url = format!("redis://tokens:s3cret@127.0.0.1:{}/", server.port);
            let store = RedisStore::new(format!("{url}?protocol={protocol}")).unwrap();
            let id = id();
            store.write(id, entry(1, "x"), MINUTE).await.unwrap();
            server.command(change);
            server.command("CLIENT KILL TYPE normal SKIPME yes");
            for _ in 0..3 {
                let error = store.read(id).await.unwrap_err();
                says(&error, &server, "user or password are wrong; correct the URL");
            }
            server.command(&acl(&[]));
            let read = eventually("the login", || async { store.read(id).await.ok() }).await;
            assert_eq!(read, Some(entry(1, "x")));
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_redis_that_loads_its_data_is_an_error_until_it_has() {
    let mut server = RedisServer::start([
        // Microseconds for each key.
        "--key-load-delay",
        "1000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    server.command("DEBUG POPULATE 3000");
    server.command("SAVE");
    let (store, id) = (server.store(), id());
    store.read(id).await.unwrap();
    server.kill();
    server.start_again();
    // The first attempts may find that nothing listens.
    let error = eventually("the answer", || async {
        let error = store.read(id).await.unwrap_err();
        (!cause(&error).contains("refused")).then_some(error)
    });
    says(&error.await, &server, "it is loading its data; wait until it has");
    let read = eventually("the data", || async { store.read(id).await.ok() }).await;
    assert_eq!(read, None);
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_replica_without_its_primary_is_an_error_until_it_is_one() {
    let replica = RedisServer::start(["--replica-serve-stale-data", "no"]);
    let (store, id) = (replica.store(), id());
    store.read(id).await.unwrap();
    let nothing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    replica.command(&format!("REPLICAOF 127.0.0.1 {nothing}"));
    for error in [
        store.read(id).await.unwrap_err(),
        store.lease(id, owner(1), MINUTE).await.unwrap_err(),
        store.write(id, entry(1, "s3cret"), MINUTE).await.unwrap_err(),
    ] {
        says(&error, &replica, "a replica without a primary; use the address of the primary");
    }
    replica.command("REPLICAOF NO ONE");
    let read = eventually("the primary", || async { store.read(id).await.ok() }).await;
    assert_eq!(read, None);
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_node_of_a_cluster_is_an_error() {
    let free_port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (bus_a, bus_b) = (free_port().to_string(), free_port().to_string());
    let node = |bus| RedisServer::start(["--cluster-enabled", "yes", "--cluster-port", bus]);
    let (a, b) = (node(&bus_a), node(&bus_b));
    let store = a.store();
    const CLUSTER: &str = "a node of a Redis Cluster, which is not supported; use a single primary";
    // CLUSTERDOWN: no node has the slots of the keys.
    says(&store.read(id()).await.unwrap_err(), &a, CLUSTER);
    a.command("CLUSTER ADDSLOTSRANGE 0 8191");
    b.command("CLUSTER ADDSLOTSRANGE 8192 16383");
    a.command(&format!("CLUSTER MEET 127.0.0.1 {} {bus_b}", b.port));
    eventually("the cluster", || async {
        a.admin::<String>("CLUSTER INFO").contains("cluster_state:ok").then_some(())
    })
    .await;
    // MOVED: the other node has the slots of half of the entries.
    let mut moved = 0;
    for number in 0..64 {
        if let Err(error) = store.lease(id(), owner(number), MINUTE).await {
            says(&error, &a, CLUSTER);
            moved += 1;
        }
    }
    assert!((1..64).contains(&moved), "{moved}");
}

/// As an eviction policy does, which takes keys one by one.
#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn an_entry_that_is_evicted_during_a_lease_is_missing_and_the_lease_stays() {
    let server = RedisServer::start(["--maxmemory-policy", "volatile-ttl"]);
    let (store, id) = (server.store(), id());
    let long: &'static str = "x".repeat(400_000).leak();
    store.write(id, entry(1, long), MINUTE).await.unwrap();
    let (generation, _) = granted(store.lease(id, owner(1), 60 * MINUTE).await.unwrap());
    // The entry ends first, and is most of the data.
    let info = server.admin::<String>("INFO memory");
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let limit = used.trim().parse::<u64>().unwrap() - 200_000;
    server.command(&format!("CONFIG SET maxmemory {limit}"));
    assert_eq!(store.read(id).await.unwrap(), None);
    let (_, found) = held(store.lease(id, owner(2), MINUTE).await.unwrap(), owner(1));
    assert_eq!(found, None);
    assert!(store.renew(id, owner(1), MINUTE).await.unwrap());
    assert!(store.write(id, entry(generation, "new"), MINUTE).await.unwrap());
    assert_eq!(store.read(id).await.unwrap(), Some(entry(generation, "new")));
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_lease_that_is_evicted_is_free_and_its_owner_does_not_replace_a_newer_entry() {
    let server = RedisServer::start([]);
    let (store, id) = (server.store(), id());
    store.write(id, entry(1, "old"), MINUTE).await.unwrap();
    let (first, _) = granted(store.lease(id, owner(1), MINUTE).await.unwrap());
    server.command(&format!("DEL oauth2-tokens:{{{id}}}:lease"));
    assert!(!store.renew(id, owner(1), MINUTE).await.unwrap());
    store.release(id, owner(1)).await.unwrap();
    let (second, found) = eventually("a later millisecond", || async {
        let lease = granted(store.lease(id, owner(2), MINUTE).await.unwrap());
        (lease.0 > first).then_some(lease)
    })
    .await;
    assert_eq!(found, Some(entry(1, "old")));
    assert!(store.write(id, entry(second, "new"), MINUTE).await.unwrap());
    assert!(!store.write(id, entry(first, "late"), MINUTE).await.unwrap());
    assert_eq!(store.read(id).await.unwrap(), Some(entry(second, "new")));
}
