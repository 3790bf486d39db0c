//! What the events of an acquisition say.

use std::sync::{Arc, Mutex};

use tower_oauth2_client_credentials::{
    Error, ErrorKind, TokenCache,
    event::{EventKind, ResultOrigin},
};

use crate::support::*;

type Seen = Arc<Mutex<Vec<EventKind>>>;

fn observed(
    fleet: &Fleet,
    source: impl tower_oauth2_client_credentials::TokenSource,
) -> (TokenCache, Seen) {
    let seen = Seen::default();
    let observer = {
        let seen = Arc::clone(&seen);
        move |event: &tower_oauth2_client_credentials::event::Event| {
            let kind = event.kind();
            if matches!(kind, EventKind::Acquired { .. } | EventKind::Offered { .. }) {
                seen.lock().unwrap().push(kind.clone());
            }
        }
    };
    let builder = TokenCache::builder(source).wall_clock(fleet.wall.clock(0.0));
    (builder.observer(observer).build(), seen)
}

/// The wait for a dead leader is not a part of it.
#[tokio::test(start_paused = true)]
async fn the_duration_of_an_acquisition_is_that_of_its_token_request() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let dead = Process::start(fleet.shared().build().unwrap());
    pass(0.1).await;
    dead.stop();
    let (process, seen) = observed(&fleet, fleet.shared().build().unwrap());
    gets(&process, "t2").await;
    let [EventKind::Acquired { from, took, .. }] = seen.lock().unwrap()[..] else {
        panic!("{seen:?}")
    };
    assert_eq!((from, took), (ResultOrigin::Source, secs(0.3)));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_an_offer_to_the_other_caches_of_its_process_only() {
    for is_silent in [false, true] {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
        fleet.store.set_silent(is_silent);
        let shared = Arc::new(fleet.shared().build().unwrap());
        let (one, seen) = observed(&fleet, Arc::clone(&shared));
        let (other, offered) = observed(&fleet, shared);
        gets(&one, "t1").await;
        gets(&other, "t1").await;
        settle().await;
        let (seen, offered) = (seen.lock().unwrap(), offered.lock().unwrap());
        let of_source = ResultOrigin::Source;
        assert!(
            matches!(seen[..], [EventKind::Acquired { from, .. }] if from == of_source),
            "{seen:?}"
        );
        assert!(
            matches!(offered[..], [EventKind::Offered { from, .. }] if from == of_source),
            "{offered:?}"
        );
    }
}

/// They release their leases without a new entry, and the store works.
#[tokio::test(start_paused = true)]
async fn leaders_with_failures_of_their_own_are_not_a_full_store() {
    for is_silent in [false, true] {
        let fleet = Fleet::new(Server::new(|asked| match asked.process {
            1..=25 => (secs(1.0), Err(Error::new(ErrorKind::Credentials))),
            _ => (secs(0.3), Ok(token(asked.nth, LIFE))),
        }));
        fleet.store.set_silent(is_silent);
        let processes = fleet.processes(50);
        let ((), lines) = logged(async {
            let broken: Vec<_> = processes[..25].iter().map(|it| tokio::spawn(it.get())).collect();
            pass(0.01).await;
            for got in get_all(&processes[25..]).await {
                got.unwrap();
            }
            for broken in broken {
                drop(broken.await.unwrap());
            }
        })
        .await;
        let healthy = fleet.server.asked().iter().filter(|asked| asked.process > 25).count();
        assert_eq!((healthy, lines), (1, Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn tokens_that_arrive_expired_are_not_a_full_store() {
    let fleet = Fleet::new(Server::healthy(0.0, 0.3));
    let (got, lines) = logged(get_all(&fleet.processes(10))).await;
    assert!(got.iter().all(Result::is_ok), "{got:?}");
    assert_eq!(lines, [""; 0]);
}
