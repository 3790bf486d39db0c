//! Failed acquisitions.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use tokio::time::Instant;
use tower_oauth2_client_credentials::{Error, ErrorKind};

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn an_outage_costs_as_many_token_requests_as_one_process_would_send() {
    let mut counts = [0, 0];
    for (index, processes) in [1, 50].into_iter().enumerate() {
        let fleet = Fleet::new(Server::new(|_| (secs(0.1), Err(server_error()))));
        traffic(&fleet, &fleet.processes(processes), 1.0, 600.0).await;
        counts[index] = fleet.server.count();
    }
    // 1, 2, 4, … 60 s, each up to a quarter longer.
    let [one, fifty] = counts;
    assert!((12..=16).contains(&one), "{one}");
    assert!((12..=17).contains(&fifty), "{fifty}");
}

#[tokio::test(start_paused = true)]
async fn all_processes_get_the_token_soon_after_an_outage() {
    let fleet = Fleet::new(Server::new(|_| (secs(0.1), Err(server_error()))));
    let processes = fleet.processes(50);
    traffic(&fleet, &processes, 1.0, 300.0).await;
    let failed = fleet.server.count();
    fleet.server.set(|asked| (secs(0.1), Ok(token(asked.nth, LIFE))));
    let start = Instant::now();
    while cached(&processes).iter().any(|secret| secret == "-") {
        traffic(&fleet, &processes, 1.0, 1.0).await;
        assert!(start.elapsed() < secs(80.0));
    }
    assert_eq!(fleet.server.count(), failed + 1);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_holds_for_all_processes() {
    let fleet = Fleet::new(Server::new(|_| {
        let error = Error::new(ErrorKind::RateLimited).with_retry_after(Some(secs(120.0)));
        (secs(0.1), Err(error))
    }));
    fleet.process().get().await.unwrap_err();
    pass(20.0).await;
    let other = fleet.process();
    let error = other.get().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::RateLimited, "rate_limited"));
    let next = error.next_attempt_in().unwrap().as_secs_f64();
    assert!((99.0..106.0).contains(&next), "{next}");
    traffic(&fleet, &fleet.processes(20), 1.0, 98.0).await;
    assert_eq!(fleet.server.count(), 1);
    traffic(&fleet, &fleet.processes(20), 1.0, 5.0).await;
    assert_eq!(fleet.server.count(), 2);
}

/// With a valid token a longer one holds, and no request fails.
#[tokio::test(start_paused = true)]
async fn a_long_retry_after_holds_while_a_token_is_valid() {
    let fleet = Fleet::new(Server::healthy(4.0 * LIFE, 0.1));
    let processes = fleet.processes(20);
    all_get(&processes, "t1").await;
    fleet.server.set(|_| {
        let error = Error::new(ErrorKind::RateLimited).with_retry_after(Some(secs(1000.0)));
        (secs(0.1), Err(error))
    });
    assert_eq!(traffic(&fleet, &processes, 10.0, 0.85 * 4.0 * LIFE).await, 0);
    let asked = fleet.server.asked();
    for pair in asked[1..].windows(2) {
        assert!(pair[1].at - pair[0].at >= secs(1000.0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_one_process_does_not_stop_the_others() {
    let fleet = Fleet::new(Server::new(|asked| {
        let result = match asked.process {
            1 => Err(Error::new(ErrorKind::Credentials)),
            _ => Ok(token(asked.nth, LIFE)),
        };
        (secs(0.1), result)
    }));
    let (broken, other) = (fleet.process(), fleet.process());
    assert_eq!(broken.get().await.unwrap_err().kind(), ErrorKind::Credentials);
    all_get(&[other], "t2").await;
    // It takes the token that the other has acquired.
    all_get(&[broken], "t2").await;
}

#[tokio::test(start_paused = true)]
async fn an_error_crosses_processes_without_text_of_the_server() {
    let fleet = Fleet::new(Server::new(|_| {
        let error = Error::new(ErrorKind::OAuth)
            .with_oauth_code("invalid_client", Some("wrong s3cr3t"))
            .with_server_text("wrong s3cr3t");
        (secs(0.1), Err(error))
    }));
    fleet.process().get().await.unwrap_err();
    let error = fleet.process().get().await.unwrap_err();
    assert_eq!((error.code(), error.oauth_code()), ("invalid_client", Some("invalid_client")));
    assert!(error.is_permanent());
    let text = format!("{error:#?}");
    assert!(text.contains("another process of the fleet got this error"), "{text}");
    assert!(!text.contains("s3cr3t"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_that_is_ended_by_hand_ends_for_that_process() {
    let fleet = Fleet::new(Server::new(|_| {
        (secs(0.1), Err(Error::new(ErrorKind::OAuth).with_oauth_code("invalid_client", None)))
    }));
    let process = fleet.process();
    process.get().await.unwrap_err();
    fleet.server.set(|asked| (secs(0.1), Ok(token(asked.nth, LIFE))));
    assert!(process.end_cooldown());
    all_get(&[process], "t2").await;
    all_get(&[fleet.process()], "t2").await;
}

/// The cache of the process does not double its own pauses on top.
#[tokio::test(start_paused = true)]
async fn the_pauses_of_a_single_process_are_those_of_the_fleet() {
    let fleet = Fleet::new(Server::new(|_| (secs(0.1), Err(server_error()))));
    traffic(&fleet, &fleet.processes(1), 0.1, 100.0).await;
    let asked = fleet.server.asked();
    assert!(asked.len() >= 6);
    for (number, pair) in asked.windows(2).enumerate() {
        let (pause, expected) = (pair[1].at - pair[0].at, secs(0.1 + 2_f64.powi(number as i32)));
        // Up to a quarter longer, behind the others, and until the next request.
        let latest = expected.mul_f64(1.25);
        let latest = latest + (latest / 4 + secs(0.25)).min(secs(5.0)) + secs(0.2);
        assert!(pause >= expected && pause <= latest, "{pause:?}");
    }
}

/// Some processes have a wrong secret, or no way to the server.
fn with_broken_processes(broken: usize, error: fn() -> Error) -> Fleet {
    Fleet::new(Server::new(move |asked| {
        let is_broken = asked.process <= broken;
        let result = if is_broken { Err(error()) } else { Ok(token(asked.nth, LIFE)) };
        (secs(0.1), result)
    }))
}

const FAILURES: [fn() -> Error; 4] = [
    || Error::new(ErrorKind::OAuth).with_oauth_code("invalid_client", None),
    || Error::new(ErrorKind::Transport),
    server_error,
    || Error::new(ErrorKind::RateLimited).with_retry_after(Some(secs(3.0))),
];

#[tokio::test(start_paused = true)]
async fn broken_processes_delay_the_cold_start_of_the_others_by_a_moment() {
    for error in FAILURES {
        for (count, broken) in [(3, 1), (10, 1), (10, 3)] {
            let fleet = with_broken_processes(broken, error);
            let processes = fleet.processes(count);
            let (broken, healthy) = processes.split_at(broken);
            // They ask first.
            broken[0].get().await.unwrap_err();
            let start = Instant::now();
            while cached(healthy).iter().any(|secret| secret == "-") {
                traffic(&fleet, &processes, 0.5, 0.5).await;
                assert!(start.elapsed() < secs(40.0), "{count} {:?}", fleet.server.count());
            }
        }
    }
}

/// The broken process has more traffic than the others.
#[tokio::test(start_paused = true)]
async fn a_broken_process_with_much_traffic_delays_a_cold_start_by_seconds() {
    for error in FAILURES {
        let fleet = with_broken_processes(1, error);
        let processes = fleet.processes(3);
        processes[0].get().await.unwrap_err();
        let start = Instant::now();
        while cached(&processes[1..]).iter().any(|secret| secret == "-") {
            traffic(&fleet, &processes[..1], 0.1, 0.5).await;
            traffic(&fleet, &processes[1..], 0.5, 0.5).await;
            assert!(start.elapsed() < secs(40.0), "{}", fleet.server.count());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_process_does_not_stop_the_refreshes_of_the_others() {
    for error in FAILURES {
        for count in [3, 10] {
            let fleet = with_broken_processes(1, error);
            let processes = fleet.processes(count);
            processes[1].get().await.unwrap();
            assert_eq!(traffic(&fleet, &processes, 0.5, 5.0 * LIFE).await, 0);
            // The broken process asks a few times for each life.
            assert!((5..=20).contains(&fleet.server.count()), "{}", fleet.server.count());
        }
    }
}

/// It ends after its failure, and is started again each half second, with another id.
#[tokio::test(start_paused = true)]
async fn a_broken_process_that_is_started_again_delays_the_others_by_the_cooldown() {
    let broken_ids = Arc::new(Mutex::new(HashSet::from([1])));
    let fleet = Fleet::new(Server::new({
        let broken = Arc::clone(&broken_ids);
        move |asked| {
            let result = if broken.lock().unwrap().contains(&asked.process) {
                Err(Error::new(ErrorKind::OAuth).with_oauth_code("invalid_client", None))
            } else {
                Ok(token(asked.nth, LIFE))
            };
            (secs(0.1), result)
        }
    }));
    for number in 1..=4 {
        broken_ids.lock().unwrap().insert(number);
        fleet.process().get().await.unwrap_err();
        pass(0.5).await;
    }
    let healthy = fleet.processes(1);
    let start = Instant::now();
    while cached(&healthy).iter().any(|secret| secret == "-") {
        traffic(&fleet, &healthy, 0.5, 0.5).await;
        assert!(start.elapsed() < secs(12.0));
    }
}

/// All processes end after a failure, and are started again.
#[tokio::test(start_paused = true)]
async fn processes_that_all_end_after_a_failure_pause_too() {
    let fleet = Fleet::new(Server::new(|_| {
        (secs(0.1), Err(Error::new(ErrorKind::OAuth).with_oauth_code("invalid_client", None)))
    }));
    for _ in 0..600 {
        fleet.process().get().await.unwrap_err();
        pass(0.9).await;
    }
    // After 1, 2, 4, … 60 s.
    let count = fleet.server.count();
    assert!((12..=16).contains(&count), "{count}");
}
