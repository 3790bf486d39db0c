//! Keys and messages that are not ours, and servers that are not a Redis.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use tower_oauth2_client_credentials::store::{Announcer, EntryId, RedisStore, Store as _};

use crate::{
    redis_access::received_eventually,
    redis_server::RedisServer,
    support::{MINUTE, cause, entry, granted, held, id, owner},
};

fn key(id: EntryId) -> String {
    format!("oauth2-tokens:{{{id}}}")
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_key_that_is_not_an_entry_is_an_error_and_stays() {
    let server = RedisServer::start([]);
    let store = server.store();
    let long = format!("HSET KEY g 1 v {}", "x".repeat(512 * 1024 + 1));
    for command in [
        "SET KEY x",
        "RPUSH KEY x",
        "HSET KEY other x",
        "HSET KEY g 1",
        "HSET KEY v x",
        "HSET KEY g x v x",
        "HSET KEY g -1 v x",
        "HSET KEY g 0x10 v x",
        "HSET KEY g 1e5 v x",
        "HSET KEY g 9007199254740991 v x",
        "HSET KEY g 18446744073709551615 v x",
        &long,
    ] {
        let id = id();
        server.command(&command.replace("KEY", &key(id)));
        let before = server.admin::<redis::Value>(&format!("DUMP {}", key(id)));
        for error in [
            store.read(id).await.unwrap_err(),
            store.lease(id, owner(1), MINUTE).await.unwrap_err(),
            store.write(id, entry(2, "y"), MINUTE).await.unwrap_err(),
        ] {
            let text = cause(&error);
            assert!(text.contains("is not an entry of this crate; delete it"), "{text}");
        }
        assert_eq!(server.admin::<redis::Value>(&format!("DUMP {}", key(id))), before);
    }
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_lease_that_never_ends_is_replaced_and_another_type_is_an_error() {
    let server = RedisServer::start([]);
    let store = server.store();
    let (forever, list, text) = (id(), id(), id());
    server.command(&format!("SET {}:lease x", key(forever)));
    granted(store.lease(forever, owner(1), MINUTE).await.unwrap());
    held(store.lease(forever, owner(2), MINUTE).await.unwrap(), owner(1));
    server.command(&format!("RPUSH {}:lease x", key(list)));
    server.command(&format!("SET {}:lease x PX 60000", key(text)));
    for id in [list, text] {
        let text = cause(&store.lease(id, owner(1), MINUTE).await.unwrap_err());
        assert!(text.contains("is not an entry of this crate"), "{text}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn messages_of_others_are_ignored() {
    let server = RedisServer::start([]);
    let store = server.store();
    let id = id();
    let (announcements, mut received) = Announcer::channel(id);
    store.subscribe(announcements);
    let last = received_eventually(&store, id, &mut received).await;
    for message in ["x", &"x".repeat(39), &"x".repeat(600_000)] {
        let heard =
            server.admin::<u32>(&format!("PUBLISH oauth2-tokens:announcements:0 {message}"));
        assert_eq!(heard, 1);
    }
    // A write that is refused is not announced.
    assert!(store.write(id, entry(last + 2, "first"), MINUTE).await.unwrap());
    assert!(!store.write(id, entry(last + 1, "refused"), MINUTE).await.unwrap());
    // Another entry is announced to its receivers only.
    assert!(store.write(crate::support::id(), entry(last + 3, "other"), MINUTE).await.unwrap());
    assert!(store.write(id, entry(last + 3, "second"), MINUTE).await.unwrap());
    let both = (received.recv().await, received.recv().await);
    assert_eq!(both, (entry(last + 2, "first"), entry(last + 3, "second")));
}

#[tokio::test]
#[ignore = "needs redis-server (run .ci/real-servers)"]
async fn a_redis_that_repeats_arguments_in_errors_reveals_nothing() {
    for (command, successes) in [("EVAL", 0), ("EVALSHA", 1)] {
        let server = RedisServer::start(["--rename-command", command, ""]);
        let store = server.store();
        for _ in 0..successes {
            store.write(id(), entry(1, "s3cret"), MINUTE).await.unwrap();
        }
        let error = store.write(id(), entry(1, "s3cret"), MINUTE).await.unwrap_err();
        let text = cause(&error);
        assert!(text.contains("unknown command") && !text.contains("s3cret"), "{text}");
    }
    let server = RedisServer::start(["--rename-command", "AUTH", ""]);
    let url = format!("redis://me:s3cret@127.0.0.1:{}", server.port);
    let text = cause(&RedisStore::new(url).unwrap().read(id()).await.unwrap_err());
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_a_redis_is_an_error() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"-ERR \x1b[31mred\r\n-ERR\r\n-ERR\r\n",
        b"$99999999999\r\n",
        b"*2\r\n$-1\r\n",
        b"\x16\x03\x01\x00\x00",
        b"",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            // The second one is for the repetition of the operation.
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(answer);
            }
        });
        let store = RedisStore::new(format!("redis://:s3cret@{address}")).unwrap();
        let text = cause(&store.read(id()).await.unwrap_err());
        assert!(text.starts_with(&format!("Redis at {address}: ")), "{text}");
        assert!(!text.contains("s3cret") && !text.contains('\x1b'), "{text}");
        drop(store);
        // Frees the server if it waits for a second connection.
        let _ = std::net::TcpStream::connect(address);
        server.join().unwrap();
    }
}
