//! The clocks of hosts differ.

use tokio::time::Instant;

use crate::support::*;

/// The lifetime is not longer than the difference of clocks that is allowed for.
#[tokio::test(start_paused = true)]
async fn tokens_of_a_few_seconds_are_shared() {
    for life in [2.0, 5.0, 8.0] {
        let fleet = Fleet::new(Server::healthy(life, 0.3));
        let start = Instant::now();
        all_get(&fleet.processes(100), "t1").await;
        assert!(start.elapsed() < secs(1.0), "{life} s: {:?}", start.elapsed());
        assert_eq!(fleet.server.count(), 1, "{life} s");
    }
}

/// It takes the third acquisition from the budget, and its clock says when.
#[tokio::test(start_paused = true)]
async fn a_host_whose_clock_is_ahead_does_not_delay_the_replacement_of_a_rejected_token() {
    for ahead in [0.0, 60.0, 300.0, 1200.0] {
        let fleet = Fleet::new(Server::healthy(4.0 * LIFE, 0.3));
        let process = fleet.process();
        let mut token = process.get().await.unwrap();
        for _ in 0..2 {
            fleet.server.revoke(&token);
            token = process.replacement(&token).await.unwrap();
        }
        pass(6.0).await;
        let other = fleet.cache(fleet.shared_ahead(ahead), |builder| builder);
        let seen = other.get().await.unwrap();
        fleet.server.revoke(&seen);
        let seen = other.replacement(&seen).await.unwrap();
        fleet.server.revoke(&seen);
        drop(other);
        let start = Instant::now();
        while !request(&process, &fleet.server).await {
            pass(1.0).await;
            assert!(start.elapsed() < secs(75.0), "ahead by {ahead} s");
        }
        assert!(start.elapsed() > secs(59.0), "ahead by {ahead} s: the budget is used up");
        assert_eq!(fleet.server.count(), 5, "ahead by {ahead} s");
    }
}
