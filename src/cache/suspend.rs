//! Notices that the machine was suspended: the wall clock moved forward and the monotonic clock
//! did not. A VM that was paused and a function that was frozen look the same.

use std::time::Duration;

use crate::clock::{ClockReading, unix_seconds};

/// Smaller differences are clock adjustments (NTP) and not suspends.
const TOLERANCE: Duration = Duration::from_secs(5);

/// Compares both clocks from the moment before a token was requested.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SuspendWatch {
    baseline: Option<ClockReading>,
    /// By how much the wall clock gained since the baseline; less than the tolerance.
    gained: Duration,
    latest: Option<ClockReading>,
}

impl SuspendWatch {
    /// Starts at the moment before a token was requested.
    pub(super) fn since(baseline: ClockReading) -> Self {
        Self { baseline: Some(baseline), gained: Duration::ZERO, latest: Some(baseline) }
    }

    /// By how much the wall clock stepped forward, if that was a suspend. Each step is reported
    /// once. A wall clock that was set back starts a new comparison.
    pub(super) fn observe(&mut self, reading: ClockReading) -> Option<Duration> {
        self.latest = Some(reading);
        let gained = self.baseline.and_then(|baseline| reading.gained_since(&baseline));
        match gained {
            Some(gained) if gained <= TOLERANCE => {
                self.gained = gained;
                None
            }
            gained => {
                self.baseline = Some(reading);
                self.gained = Duration::ZERO;
                gained
            }
        }
    }

    /// The second of the wall clock from which on there was a suspend, if the monotonic clock has
    /// not advanced by `remaining` until then.
    pub(super) fn wall_limit(&self, remaining: Duration) -> i64 {
        let allowed = remaining.saturating_add(TOLERANCE - self.gained);
        let limit = self.latest.and_then(|latest| latest.wall.checked_add(allowed));
        limit.map_or(i64::MAX, |limit| unix_seconds(limit).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::{Instant, SystemTime},
    };

    use super::*;
    use crate::clock::{Clock, WallClock};

    /// Seconds of the wall clock and of the monotonic one.
    #[derive(Clone)]
    struct Clocks(Instant, Arc<Mutex<(u64, u64)>>);

    impl WallClock for Clocks {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(self.1.lock().unwrap().0)
        }

        fn monotonic(&self) -> Instant {
            self.0 + Duration::from_secs(self.1.lock().unwrap().1)
        }
    }

    /// What is observed at each pair of (wall, monotonic) seconds.
    fn steps(at: &[(u64, u64)]) -> Vec<Option<u64>> {
        let clocks = Clocks(Instant::now(), Arc::new(Mutex::new((1000, 0))));
        let clock = Clock::new(clocks.clone());
        let mut watch = SuspendWatch::since(clock.read());
        let observed = at.iter().map(|at| {
            *clocks.1.lock().unwrap() = *at;
            watch.observe(clock.read()).map(|step| step.as_secs())
        });
        observed.collect()
    }

    #[test]
    fn a_step_beyond_the_tolerance_is_reported_once() {
        assert_eq!(steps(&[(1005, 0), (1006, 0), (1007, 0)]), [None, Some(6), None]);
    }

    #[test]
    fn small_steps_add_up() {
        assert_eq!(steps(&[(1003, 0), (1106, 100), (1200, 194)]), [None, Some(6), None]);
    }

    #[test]
    fn after_the_wall_clock_was_set_back_a_suspend_is_still_noticed() {
        assert_eq!(steps(&[(10, 0), (110, 100), (3710, 100)]), [None, None, Some(3600)]);
    }

    #[test]
    fn a_frozen_wall_clock_is_not_a_suspend() {
        assert_eq!(steps(&[(1000, 10), (1000, 1000), (1000, 100_000)]), [None; 3]);
    }

    #[test]
    fn the_limit_of_the_wall_clock_is_at_most_a_second_after_the_tolerance() {
        let clocks = Clocks(Instant::now(), Arc::new(Mutex::new((1000, 0))));
        let clock = Clock::new(clocks.clone());
        let mut watch = SuspendWatch::since(clock.read());
        assert_eq!(watch.wall_limit(Duration::from_secs(60)), 1066);
        *clocks.1.lock().unwrap() = (1012, 10);
        assert_eq!(watch.observe(clock.read()), None);
        assert_eq!(watch.wall_limit(Duration::from_secs(50)), 1066);
        assert_eq!(watch.wall_limit(Duration::MAX), i64::MAX);
    }
}
