//! Processes that die, stop or are slow while they acquire the token for all.

use tokio::time::Instant;
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Token, TokenCache, TokenSource,
    source::{AcquireContext, Sharing},
    store::Shared,
};

use crate::support::*;

/// A process that acquires. It has begun, and has no token yet.
async fn leader(fleet: &Fleet) -> Process {
    let leader = Process::start(fleet.shared().build().unwrap());
    pass(0.1).await;
    assert_eq!(fleet.server.count(), 1);
    leader
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_dies_costs_one_lease() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let dead = leader(&fleet).await;
    dead.stop();
    let start = Instant::now();
    all_get(&fleet.processes(20), "t2").await;
    let took = start.elapsed().as_secs_f64();
    assert!((4.9..5.6).contains(&took), "{took}");
    assert_eq!(fleet.server.count(), 2);
}

/// Its runtime aborts the task.
#[tokio::test(start_paused = true)]
async fn an_acquisition_that_is_dropped_releases_its_lease() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let dropped = leader(&fleet).await;
    let processes = fleet.processes(20);
    let waiting = tokio::spawn(async move { all_get(&processes, "t2").await });
    pass(0.01).await;
    dropped.acquired.abort();
    let start = Instant::now();
    waiting.await.unwrap();
    let took = start.elapsed().as_secs_f64();
    assert!(took < 0.3 + 0.25 + 0.1, "{took}");
    assert_eq!(fleet.server.count(), 2);
}

/// The lease lapses, since nothing can be spawned.
#[test]
fn a_runtime_that_ends_costs_one_lease() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    let first = runtime();
    let fleet = first.block_on(async { Fleet::new(Server::healthy(LIFE, 0.3)) });
    let process = first.block_on(async {
        let process = fleet.process();
        drop(tokio::spawn(process.get()));
        pass(0.1).await;
        process
    });
    drop(first);
    let second = runtime();
    second.block_on(async {
        let start = Instant::now();
        all_get(&[process, fleet.process()], "t2").await;
        assert!(start.elapsed() < secs(6.0), "{:?}", start.elapsed());
        assert_eq!(fleet.server.count(), 2);
    });
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_continues_after_its_lease_does_not_overwrite_a_newer_token() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let stopped = leader(&fleet).await;
    stopped.stop();
    let processes = fleet.processes(5);
    all_get(&processes, "t2").await;
    pass(10.0).await;
    stopped.resume();
    // It has a token, and uses the newer one.
    assert_eq!(stopped.acquired.await.unwrap().unwrap().secret(), "t2");
    all_get(&[fleet.process()], "t2").await;
    assert!(cached(&processes).iter().all(|secret| secret == "t2"));
    assert_eq!(fleet.server.count(), 2);
}

/// The first leader resumes after its lease, while the second one acquires. It stores its token first.
#[tokio::test(start_paused = true)]
async fn two_leaders_agree_on_the_token_of_the_later_lease() {
    let fleet = Fleet::new(Server::healthy(LIFE, 2.0));
    let stopped = leader(&fleet).await;
    stopped.stop();
    let process = fleet.process();
    let second = tokio::spawn(process.get());
    pass(5.5).await;
    assert_eq!(fleet.server.count(), 2, "the second has the lease");
    // The first writes its token before the second one does.
    stopped.resume();
    assert_eq!(stopped.acquired.await.unwrap().unwrap().secret(), "t1");
    let got = second.await.unwrap().unwrap();
    assert!(["t1", "t2"].contains(&got.secret()));
    pass(2.0).await;
    all_get(&[process, fleet.process()], "t2").await;
    assert_eq!(fleet.server.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_leader_renews_its_lease() {
    let fleet = Fleet::new(Server::healthy(LIFE, 9.5));
    let start = Instant::now();
    all_get(&fleet.processes(20), "t1").await;
    assert_eq!(fleet.server.count(), 1);
    assert!(start.elapsed() < secs(10.0));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_the_store_lost_costs_one_more_token_request() {
    let fleet = Fleet::new(Server::healthy(LIFE, 2.0));
    let processes = fleet.processes(10);
    let getting = tokio::spawn(async move {
        for got in get_all(&processes).await {
            got.unwrap();
        }
        processes
    });
    pass(1.0).await;
    fleet.store.clear();
    let processes = getting.await.unwrap();
    pass(3.0).await;
    assert_eq!(fleet.server.count(), 2);
    assert!(cached(&processes).iter().all(|secret| secret == "t2"), "{:?}", cached(&processes));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_waits_keeps_its_own_deadline() {
    let fleet = Fleet::new(Server::healthy(LIFE, 10.0));
    let _leader = leader(&fleet).await;
    let process = fleet.process_with(|builder| builder.acquisition_timeout(secs(2.0)));
    let start = Instant::now();
    let error = process.get().await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed()), (ErrorKind::AcquisitionTimeout, secs(2.0)));
    // The announcement arrives without a request. The process tried for itself in the meantime.
    pass(9.0).await;
    assert_eq!(cached(&[process]), ["t1"]);
    assert_eq!(fleet.server.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_costs_few_token_requests() {
    let fleet = Fleet::new(Server::healthy(LIFE, 1e6));
    let processes = fleet.processes(10);
    let start = Instant::now();
    for error in get_all(&processes).await {
        assert_eq!(error.unwrap_err().kind(), ErrorKind::AcquisitionTimeout);
    }
    assert!(start.elapsed() <= secs(25.0));
    let asked = fleet.server.asked();
    // After 10 s another process takes over, and so on with the rest of the time.
    assert!((3..=6).contains(&asked.len()), "{}", asked.len());
    assert!(asked[1].at - asked[0].at >= secs(9.0));
}

/// Leases that lapse do not count as leases that were released without an entry.
#[tokio::test(start_paused = true)]
async fn leaders_that_die_one_after_the_other_cost_one_token_request_each() {
    for dead in 1..=3 {
        let fleet = Fleet::new(Server::healthy(LIFE, 0.5));
        let start = || Process::start(fleet.shared().build().unwrap());
        let processes: Vec<_> = (0..50).map(|_| start()).collect();
        for killed in 1..=dead {
            while fleet.server.count() < killed {
                pass(0.05).await;
            }
            processes[fleet.server.asked()[killed - 1].process - 1].stop();
        }
        pass(10.0).await;
        assert_eq!(fleet.server.count(), dead + 1);
        let done = processes.iter().filter(|it| it.acquired.is_finished()).count();
        assert_eq!(done, 50 - dead);
    }
}

/// The leader returns the stored token instead of its error.
#[tokio::test(start_paused = true)]
async fn a_leader_that_fails_after_another_succeeded_uses_its_token() {
    let unreadable: fn() -> Error = || Error::new(ErrorKind::Credentials);
    for error in [server_error, unreadable] {
        let fleet = Fleet::new(Server::new(move |asked| match asked.nth {
            1 => (secs(8.0), Err(error())),
            nth => (secs(0.1), Ok(token(nth, LIFE))),
        }));
        fleet.store.set_silent(true);
        let (slow, other) = (fleet.process(), fleet.process());
        let getting = tokio::spawn(slow.get());
        pass(0.5).await;
        fleet.store.clear();
        gets(&other, "t2").await;
        assert_eq!(getting.await.unwrap().unwrap().secret(), "t2");
        assert_eq!(cached(&[slow, other]), ["t2", "t2"]);
        assert_eq!(fleet.server.count(), 2);
    }
}

/// Requests its token a second after the acquisition began, as a source does whose first attempt failed.
struct LateRequest(Client);

impl TokenSource for LateRequest {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        pass(1.0).await;
        let requested_at = Instant::now();
        Ok(self.0.acquire(context).await?.with_issued_at(requested_at))
    }

    fn sharing(&self) -> Sharing {
        self.0.sharing()
    }
}

/// The server accepts the last token only.
#[tokio::test(start_paused = true)]
async fn a_token_that_was_requested_last_is_stored_although_its_lease_was_lost() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.1));
    let slow = LateRequest(Client { server: fleet.server.clone(), process: 99 });
    let slow = Shared::builder(slow, fleet.store.clone()).sealed_with([key(1)]);
    let slow = slow.wall_clock(fleet.wall.clock(0.0)).build().unwrap();
    let slow = TokenCache::new(slow);
    let getting = tokio::spawn(slow.get());
    pass(0.5).await;
    fleet.store.clear();
    let other = fleet.process();
    gets(&other, "t1").await;
    // The request takes the announced token. The acquisition continues.
    assert_eq!(getting.await.unwrap().unwrap().secret(), "t1");
    pass(1.0).await;
    assert_eq!(cached(&[slow, other]), ["t2", "t2"]);
    all_get(&[fleet.process()], "t2").await;
    assert_eq!(fleet.server.count(), 2);
}

/// A source whose packets are dropped. It ends with its deadline.
struct Unreachable(Client);

impl TokenSource for Unreachable {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        match context.deadline {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
        Err(Error::new(ErrorKind::Transport))
    }

    fn sharing(&self) -> Sharing {
        self.0.sharing()
    }
}

/// It begins to acquire, and has no result.
async fn unreachable_leader(fleet: &Fleet) -> TokenCache {
    let source = Unreachable(Client { server: fleet.server.clone(), process: 99 });
    let shared = Shared::builder(source, fleet.store.clone()).sealed_with([key(1)]);
    let cache = TokenCache::new(shared.wall_clock(fleet.wall.clock(0.0)).build().unwrap());
    drop(tokio::spawn(cache.get()));
    pass(0.05).await;
    cache
}

#[tokio::test(start_paused = true)]
async fn another_process_takes_over_from_a_leader_without_network() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    let leader = unreachable_leader(&fleet).await;
    let start = Instant::now();
    all_get(&fleet.processes(20), "t1").await;
    assert!(start.elapsed() < secs(10.0 + 0.3 + 0.3), "{:?}", start.elapsed());
    assert_eq!(fleet.server.count(), 1);
    // It has the announced token too.
    assert_eq!(cached(&[leader]), ["t1"]);
}

/// Its source has no deadline.
#[tokio::test(start_paused = true)]
async fn a_leader_without_a_deadline_does_not_keep_its_lease() {
    let fleet = Fleet::new(Server::new(|asked| match asked.nth {
        1 => (secs(1e6), Err(server_error())),
        nth => (secs(0.3), Ok(token(nth, LIFE))),
    }));
    let _stuck = leader(&fleet).await;
    all_get(&fleet.processes(20), "t2").await;
    assert_eq!(fleet.server.count(), 2);
}

/// The leader died, and its lease lasts longer than they may take.
#[tokio::test(start_paused = true)]
async fn processes_with_less_time_than_a_lease_acquire_for_themselves() {
    let fleet = Fleet::new(Server::healthy(LIFE, 0.3));
    leader(&fleet).await.stop();
    let process = || fleet.process_with(|builder| builder.acquisition_timeout(secs(3.0)));
    let processes: Vec<_> = (0..10).map(|_| process()).collect();
    let (got, lines) = logged(get_all(&processes)).await;
    for got in got {
        got.unwrap();
    }
    assert_eq!(lines, [""; 0], "the store works");
}
