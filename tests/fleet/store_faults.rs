//! A store that is down, slow, full, read-only, evicting or serving garbage.

use std::collections::BTreeMap;

use tokio::time::Instant;
use tower_oauth2_client_credentials::store::MemoryFault;

use crate::support::*;

/// How long until all processes have a token.
async fn cold_start(fleet: &Fleet, processes: usize) -> f64 {
    let start = Instant::now();
    for got in get_all(&fleet.processes(processes)).await {
        got.unwrap();
    }
    start.elapsed().as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn without_a_store_each_process_acquires_after_a_bounded_wait() {
    for (fault, longest) in
        [(MemoryFault::Down, 0.3), (MemoryFault::Hanging, 0.55), (MemoryFault::Full, 0.3)]
    {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
        fleet.store.set_fault(fault);
        let took = cold_start(&fleet, 20).await;
        assert!(took <= longest + 0.01, "{fault:?}: {took}");
        assert_eq!(fleet.server.count(), 20, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_the_store_is_a_setting() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_fault(MemoryFault::Hanging);
    let start = Instant::now();
    let shared = fleet.shared().store_timeout(secs(0.05));
    fleet.cache(shared, |builder| builder).get().await.unwrap();
    assert_eq!(start.elapsed(), secs(0.35));
}

#[tokio::test(start_paused = true)]
async fn without_a_store_a_process_still_has_one_acquisition_in_flight() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_fault(MemoryFault::Down);
    let process = fleet.process();
    let requests = vec![process; 100];
    all_get(&requests, "t1").await;
    assert_eq!(fleet.server.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_store_a_process_has_its_own_cooldown() {
    let fleet = Fleet::new(Server::new(|_| (secs(0.1), Err(server_error()))));
    fleet.store.set_fault(MemoryFault::Down);
    traffic(&fleet, &fleet.processes(1), 1.0, 600.0).await;
    assert!((12..=16).contains(&fleet.server.count()), "{}", fleet.server.count());
}

#[tokio::test(start_paused = true)]
async fn a_slow_store_within_the_bound_is_used() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_latency(secs(0.2));
    cold_start(&fleet, 20).await;
    assert_eq!(fleet.server.count(), 1);
}

/// No request waits longer than it would without a store, and none fails.
#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_entries_fails_no_request() {
    for is_silent in [false, true] {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.5));
        fleet.store.set_silent(is_silent);
        fleet.store.set_fault(MemoryFault::EntriesRefused);
        let took = cold_start(&fleet, 100).await;
        // One after the other, and then all, spread over the rest of a lease.
        assert!(took < 7.0, "{took}");
        assert!(fleet.server.count() <= 100);
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_evicts_entries_still_announces_them() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_fault(MemoryFault::Evicting);
    let processes = fleet.processes(50);
    all_get(&processes, "t1").await;
    assert_eq!(traffic(&fleet, &processes, 5.0, 1.3 * LIFE).await, 0);
    assert_eq!(fleet.server.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_read_only_store_is_read() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    cold_start(&fleet, 1).await;
    fleet.store.set_fault(MemoryFault::ReadOnly);
    all_get(&fleet.processes(20), "t1").await;
    assert_eq!(fleet.server.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn garbage_is_not_used_and_not_overwritten() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    cold_start(&fleet, 1).await;
    fleet.store.set_fault(MemoryFault::Garbage);
    all_get(&[fleet.process()], "t2").await;
    fleet.store.set_fault(MemoryFault::None);
    all_get(&[fleet.process()], "t1").await;
}

/// All processes have the same token, whose refresh is due when the store is down.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_down_at_the_refresh_spreads_the_token_requests() {
    const PROCESSES: usize = 300;
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let processes = fleet.processes(PROCESSES);
    all_get(&processes, "t1").await;
    let start = Instant::now();
    pass(1000.0).await;
    fleet.store.set_fault(MemoryFault::Hanging);
    assert_eq!(traffic(&fleet, &processes, 5.0, LIFE - 1000.0).await, 0);
    let (mut minutes, mut count) = (BTreeMap::new(), 0);
    for asked in &fleet.server.asked()[1..] {
        *minutes.entry((asked.at - start).as_secs() / 60).or_insert(0) += 1;
        count += 1;
    }
    assert_eq!(count, PROCESSES, "each process acquired one token");
    // The lead is at least 540 s. The refreshes are spread over 70 % of it, so the mean is below 48.
    let peak = minutes.values().max().unwrap();
    assert!(*peak < 75, "{minutes:?}");
    // Their next refreshes are spread as those of first tokens.
    let before = fleet.server.count();
    assert_eq!(traffic(&fleet, &processes, 5.0, LIFE).await, 0);
    let mut minutes = BTreeMap::new();
    for asked in &fleet.server.asked()[before..] {
        *minutes.entry((asked.at - start).as_secs() / 60).or_insert(0) += 1;
    }
    let (peak, sum) = (minutes.values().max().unwrap(), minutes.values().sum::<i32>());
    assert!(sum as usize <= 2 * PROCESSES && *peak < 25, "{minutes:?}");
}

#[tokio::test(start_paused = true)]
async fn sharing_resumes_by_itself() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_fault(MemoryFault::Down);
    let processes = fleet.processes(20);
    let (_, lines) = logged(async {
        get_all(&processes[..1]).await;
        pass(100.0).await;
        get_all(&processes[..1]).await;
    })
    .await;
    assert!(lines.len() == 1 && lines[0].contains("WARN"), "{lines:?}");
    assert!(lines[0].contains("connection refused"), "{lines:?}");
    get_all(&processes[1..]).await;
    assert_eq!(fleet.server.count(), 20);
    fleet.store.set_fault(MemoryFault::None);
    // The first process whose refresh is due acquires for all.
    let ((), lines) = logged(async {
        while fleet.server.count() == 20 {
            assert_eq!(traffic(&fleet, &processes, 5.0, 20.0).await, 0);
        }
        pass(1.0).await;
    })
    .await;
    assert!(lines.iter().any(|line| line.contains("INFO")), "{lines:?}");
    assert!(cached(&processes).iter().all(|secret| secret == "t21"), "{:?}", cached(&processes));
    assert_eq!(traffic(&fleet, &processes, 5.0, 2440.0).await, 0);
    assert_eq!(fleet.server.count(), 21);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_while_processes_wait_delays_them_briefly() {
    let fleet = Fleet::new(Server::healthy(LIFE, 2.0));
    let processes = fleet.processes(20);
    let start = Instant::now();
    let getting = tokio::spawn(async move { get_all(&processes).await });
    pass(1.0).await;
    fleet.store.set_fault(MemoryFault::Down);
    for got in getting.await.unwrap() {
        got.unwrap();
    }
    // They ask until the lease that they have seen ends, plus one poll.
    assert!(start.elapsed() <= secs(5.0 + 1.7 + 1.0 + 2.0), "{:?}", start.elapsed());
}

/// One line for each process, however often it asks.
#[tokio::test(start_paused = true)]
async fn a_fault_is_reported_once() {
    for fault in [MemoryFault::Down, MemoryFault::Hanging, MemoryFault::Full, MemoryFault::ReadOnly]
    {
        let fleet = Fleet::new(Server::healthy(60.0, 0.3));
        fleet.store.set_fault(fault);
        let processes = fleet.processes(1);
        let (_, lines) = logged(traffic(&fleet, &processes, 1.0, 600.0)).await;
        assert_eq!(lines.len(), 1, "{fault:?}: {lines:?}");
        assert!(fleet.server.count() > 10);
    }
}

/// While others wait for a process that acquires. An error says nothing about its result.
#[tokio::test(start_paused = true)]
async fn a_short_fault_during_a_cold_start_costs_no_token_request() {
    for fault in [MemoryFault::Down, MemoryFault::Hanging] {
        let fleet = Fleet::new(Server::healthy(LIFE, 2.0));
        let processes = fleet.processes(100);
        let getting = tokio::spawn(async move { all_get(&processes, "t1").await });
        pass(1.0).await;
        fleet.store.set_fault(fault);
        pass(0.3).await;
        fleet.store.set_fault(MemoryFault::None);
        getting.await.unwrap();
        assert_eq!(fleet.server.count(), 1, "{fault:?}");
    }
}
