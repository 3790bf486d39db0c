//! One token request for each life of a token.

use std::collections::HashSet;

use crate::support::*;

#[tokio::test(start_paused = true)]
async fn a_cold_start_of_a_hundred_processes_costs_one_token_request() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    all_get(&fleet.processes(100), "t1").await;
    assert_eq!(fleet.server.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn five_lives_cost_five_token_requests() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let processes = fleet.processes(20);
    let mut lives = 0;
    while lives < 5 {
        assert_eq!(traffic(&fleet, &processes, 5.0, 100.0).await, 0);
        let tokens: HashSet<_> = cached(&processes).into_iter().collect();
        assert!(tokens.len() == 1, "{tokens:?}");
        lives = fleet.server.count();
    }
    let asked = fleet.server.asked();
    for pair in asked.windows(2) {
        let life = (pair[1].at - pair[0].at).as_secs_f64();
        // The lead is 15 % to 30 % of the lifetime before the expiry, which is 30 s early. Processes
        // that did not acquire the token refresh it up to 5 s later.
        assert!((2490.0..3037.0).contains(&life), "{life}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_without_announcements_costs_one_token_request_too() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_silent(true);
    let processes = fleet.processes(50);
    all_get(&processes, "t1").await;
    assert_eq!(traffic(&fleet, &processes, 5.0, 1.3 * LIFE).await, 0);
    assert_eq!(fleet.server.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_process_that_starts_later_uses_the_token_of_the_others() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    all_get(&fleet.processes(1), "t1").await;
    pass(0.9 * LIFE).await;
    // Its refresh is overdue, and in the background.
    let late = fleet.process();
    gets(&late, "t1").await;
    pass(2.0).await;
    gets(&late, "t1").await;
    pass(1.0).await;
    all_get(&[late], "t2").await;
    assert_eq!(fleet.server.count(), 2);
}

/// The draw of the process that acquired the token holds for all.
#[tokio::test(start_paused = true)]
async fn all_processes_refresh_at_the_same_time() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let processes = fleet.processes(30);
    all_get(&processes, "t1").await;
    // With a draw for each process, the earliest of 30 would be near 2,490 s.
    let mut before = 0.0;
    while fleet.server.count() == 1 {
        all_get(&processes, "t1").await;
        pass(1.0).await;
        before += 1.0;
    }
    assert!((2490.0..3032.0).contains(&before), "{before}");
    pass(1.0).await;
    assert!(cached(&processes).iter().all(|secret| secret == "t2"));
    assert_eq!(fleet.server.count(), 2);
}

/// A process refreshes a few seconds later than the one that acquired the token.
#[tokio::test(start_paused = true)]
async fn the_refresh_does_not_depend_on_the_process_that_acquired_the_token() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let mut processes = fleet.processes(5);
    all_get(&processes, "t1").await;
    let leader = fleet.server.asked()[0].process;
    processes.remove(leader - 1);
    assert_eq!(traffic(&fleet, &processes, 0.5, LIFE).await, 0);
    assert_eq!(fleet.server.count(), 2);
}

/// Requests with a cached token cost the store nothing.
#[tokio::test(start_paused = true)]
async fn the_store_is_asked_only_when_a_token_is_due() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let process = fleet.process();
    gets(&process, "t1").await;
    settle().await;
    let before = fleet.store.operations();
    for _ in 0..1000 {
        process.get().await.unwrap();
        pass(1.0).await;
    }
    assert_eq!(fleet.store.operations(), before);
}

/// Another process has the lease, and died.
#[tokio::test(start_paused = true)]
async fn a_wait_for_another_process_does_not_move_the_refresh() {
    let fleet = Fleet::new(Server::healthy(200.0, 0.1));
    let dead = Process::start(fleet.shared().lease(secs(60.0)).build().unwrap());
    pass(0.05).await;
    dead.stop();
    let process = fleet
        .process_with(|builder| builder.acquisition_timeout(secs(150.0)).wait_timeout(secs(150.0)));
    gets(&process, "t2").await;
    // The lead is at least three times the duration of the acquisition. If the 60 s of waiting counted,
    // the refresh would be due after 60 s. Without them it is due after 120 s to 150 s.
    pass(118.0).await;
    gets(&process, "t2").await;
    settle().await;
    assert_eq!(fleet.server.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_cleared_token_is_not_taken_from_the_store_again() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let processes = fleet.processes(2);
    all_get(&processes, "t1").await;
    pass(10.0).await;
    processes[0].clear();
    all_get(&processes[..1], "t2").await;
    assert_eq!(cached(&processes), ["t2", "t2"]);
    assert_eq!(fleet.server.count(), 2);
}

/// Another process acquired it before the clear, and this one has not seen it.
#[tokio::test(start_paused = true)]
async fn a_token_from_before_a_clear_is_not_taken_from_the_store() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_silent(true);
    fleet.store.set_latency(secs(0.001));
    let (one, other) = (fleet.process(), fleet.process());
    gets(&one, "t1").await;
    gets(&other, "t1").await;
    pass(10.0).await;
    assert_eq!(other.force_refresh().await.unwrap().secret(), "t2");
    pass(10.0).await;
    one.clear();
    gets(&one, "t3").await;
}

/// It was issued by a host whose clock is ahead, and seems to be later than the clear.
#[tokio::test(start_paused = true)]
async fn a_cleared_token_from_a_host_whose_clock_is_ahead_is_not_taken_again() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    gets(&fleet.cache(fleet.shared_ahead(4.0), |it| it), "t1").await;
    let process = fleet.process();
    gets(&process, "t1").await;
    process.clear();
    gets(&process, "t2").await;
}

#[tokio::test(start_paused = true)]
async fn a_forced_refresh_takes_a_token_that_another_process_has_acquired() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    fleet.store.set_silent(true);
    let processes = fleet.processes(2);
    all_get(&processes, "t1").await;
    pass(10.0).await;
    assert_eq!(processes[0].force_refresh().await.unwrap().secret(), "t2");
    assert_eq!(processes[1].force_refresh().await.unwrap().secret(), "t2");
    assert_eq!(fleet.server.count(), 2);
    assert_eq!(processes[1].force_refresh().await.unwrap().secret(), "t3");
}
