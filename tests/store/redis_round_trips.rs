//! How many round trips operations take, and connections that no longer answer.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::runtime::Runtime;
use tower_oauth2_client_credentials::store::{RedisStore, Store as _};

use crate::{
    redis_peer::{NO_ENTRY, Peer, working},
    support::{MINUTE, eventually, id, owner},
};

const NO_SCRIPT: &str = "-NOSCRIPT No matching script. Please use EVAL.\r\n";

/// A store that was built without a runtime, so that it connects with its first operation.
fn unconnected(url: String) -> RedisStore {
    std::thread::spawn(|| RedisStore::new(url).unwrap()).join().unwrap()
}

#[tokio::test]
async fn a_first_operation_takes_two_round_trips_and_the_next_ones_one() {
    for (login, parameters, first) in [
        ("", "", "PING"),
        ("", "/3", "SELECT"),
        (":s3cret@", "", "AUTH"),
        ("me:s3cret@", "/3", "AUTH SELECT"),
        ("me:s3cret@", "/3?protocol=resp3", "HELLO SELECT"),
    ] {
        let peer = Peer::empty(NO_ENTRY);
        let store = unconnected(format!("redis://{login}{}{parameters}", peer.address));
        assert_eq!(store.read(id()).await.unwrap(), None);
        assert_eq!(peer.take_flights(), [first, "EVAL"]);
        for _ in 0..3 {
            store.read(id()).await.unwrap();
        }
        assert_eq!(peer.take_flights(), ["EVALSHA"; 3]);
    }
}

#[tokio::test]
async fn the_text_of_each_script_is_sent_once_for_a_connection() {
    let peer = Peer::start(|_, command| {
        Some(if command.starts_with("EVAL") { ":0\r\n".to_owned() } else { working(command, "") })
    });
    let store = unconnected(format!("redis://{}", peer.address));
    for _ in 0..2 {
        assert!(!store.renew(id(), owner(1), MINUTE).await.unwrap());
        store.release(id(), owner(1)).await.unwrap();
    }
    assert_eq!(peer.take_flights(), ["PING", "EVAL", "EVAL", "EVALSHA", "EVALSHA"]);
}

#[tokio::test]
async fn a_script_that_was_removed_is_sent_again() {
    let peer = Peer::empty(NO_SCRIPT);
    let store = unconnected(format!("redis://{}", peer.address));
    store.read(id()).await.unwrap();
    peer.take_flights();
    assert_eq!(store.read(id()).await.unwrap(), None);
    assert_eq!(peer.take_flights(), ["EVALSHA", "EVAL"]);
}

#[tokio::test]
async fn a_store_that_is_built_in_a_runtime_connects_before_its_first_operation() {
    let peer = Peer::empty(NO_ENTRY);
    let store = peer.builder().build().unwrap();
    let flights = async || Some(peer.take_flights()).filter(|flights| !flights.is_empty());
    assert_eq!(eventually("the connection", flights).await, ["PING"]);
    store.read(id()).await.unwrap();
    assert_eq!(peer.take_flights(), ["EVAL"]);
}

#[test]
fn a_store_that_was_built_in_a_runtime_that_ended_connects_again() {
    let peer = Peer::empty(NO_ENTRY);
    let runtime = || -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    };
    let store = runtime().block_on(async { peer.builder().build().unwrap() });
    assert_eq!(runtime().block_on(store.read(id())).unwrap(), None);
}

/// Operations that their callers give up early: with a short `store_timeout`, or with their requests.
#[tokio::test]
async fn three_operations_without_an_answer_replace_the_connection() {
    let answered = AtomicUsize::new(0);
    let peer = Peer::start(move |connection, command| {
        let is_first = answered.fetch_add(1, Ordering::Relaxed) < 2;
        (connection > 1 || is_first).then(|| working(command, NO_ENTRY))
    });
    let store = unconnected(format!("redis://{}", peer.address));
    store.read(id()).await.unwrap();
    for _ in 0..3 {
        let early = Duration::from_millis(1);
        tokio::time::timeout(early, store.read(id())).await.unwrap_err();
    }
    assert_eq!(store.read(id()).await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_resets_the_count() {
    static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);
    let peer = Peer::start(|connection, command| {
        CONNECTIONS.fetch_max(connection, Ordering::Relaxed);
        Some(working(command, NO_ENTRY))
    });
    let store = unconnected(format!("redis://{}", peer.address));
    store.read(id()).await.unwrap();
    for _ in 0..5 {
        for _ in 0..2 {
            // Dropped when it waits for its answer for the first time.
            let mut read = std::pin::pin!(store.read(id()));
            let polled = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(Future::poll(read.as_mut(), cx).is_pending())
            });
            assert!(polled.await);
        }
        store.read(id()).await.unwrap();
    }
    assert_eq!(CONNECTIONS.load(Ordering::Relaxed), 1);
}
