//! Limits the events that requests can cause: one per minute for each cause.

use std::{
    hash::{BuildHasher, Hash, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How many causes are remembered. Further causes are not reported for up to a minute.
const SLOTS: usize = 64;

const INTERVAL: Duration = Duration::from_secs(60);

/// The causes that were reported within the last minute.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// A hash of each cause, and when it was reported.
    reported: Mutex<Vec<(u64, Instant)>>,
    // Keyed at random, so that an attacker cannot choose an origin that hides another.
    hasher: RandomState,
}

impl Throttle {
    /// Whether an event with this cause may be reported now. It then counts as reported.
    pub(super) fn admits(&self, cause: impl Hash) -> bool {
        let cause = self.hasher.hash_one(cause);
        let now = Instant::now();
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.retain(|(_, at)| now.duration_since(*at) < INTERVAL);
        if reported.len() >= SLOTS || reported.iter().any(|(known, _)| *known == cause) {
            return false;
        }
        reported.push((cause, now));
        true
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_cause_is_reported_once_a_minute() {
        let throttle = Throttle::default();
        assert!(throttle.admits((1, "a")));
        assert!(throttle.admits((2, "a")) && throttle.admits((1, "b")));
        advance(INTERVAL - Duration::from_nanos(1)).await;
        assert!(!throttle.admits((1, "a")) && !throttle.admits((2, "a")));
        advance(Duration::from_nanos(1)).await;
        assert!(throttle.admits((1, "a")));
        assert!(!throttle.admits((1, "a")), "and counts from then on");
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded_and_makes_room_with_time() {
        let throttle = Throttle::default();
        let admitted = |from: usize| (from..from + 1000).filter(|n| throttle.admits(n)).count();
        assert_eq!(admitted(0), SLOTS);
        assert_eq!(admitted(1000), 0);
        advance(INTERVAL).await;
        assert_eq!(admitted(2000), SLOTS);
        assert!(throttle.reported.lock().unwrap().capacity() <= 2 * SLOTS);
    }
}
