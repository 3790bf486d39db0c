//! Detects that the machine was suspended: the wall clock moved forward and the monotonic clock did
//! not. A paused VM and a frozen function look the same.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Clock, ClockReading, unix_seconds};

/// Smaller differences are clock adjustments (NTP), not suspends.
const TOLERANCE: Duration = Duration::from_secs(5);

/// One reading of all clocks: tokio's clock, which schedules use, and the two clocks whose difference
/// shows a suspend.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockSample {
    at: Instant,
    reading: ClockReading,
}

impl ClockSample {
    pub(super) fn now(clock: &Clock) -> Self {
        Self { at: Instant::now(), reading: clock.read() }
    }
}

/// Compares the wall clock and the monotonic clock with their readings before a token was requested.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SuspendWatch(Option<ClockSample>);

impl SuspendWatch {
    pub(super) fn since(baseline: ClockSample) -> Self {
        Self(Some(baseline))
    }

    /// How far the wall clock has moved ahead of the monotonic clock, if that was a suspend. Each suspend
    /// is reported once. If the wall clock was set back, the comparison starts again from `now`.
    pub(super) fn observe(&mut self, now: ClockSample) -> Option<Duration> {
        let gained = self.0.and_then(|baseline| now.reading.gained_since(&baseline.reading));
        if gained.is_some_and(|gained| gained <= TOLERANCE) {
            return None;
        }
        self.0 = Some(now);
        gained
    }

    /// The earliest second of the wall clock, since 1970, that agrees with the baseline. An earlier one
    /// means that the wall clock was set back.
    pub(super) fn wall_start(&self) -> i64 {
        self.0.map_or(i64::MIN, |baseline| {
            unix_seconds(baseline.reading.wall).saturating_sub(TOLERANCE.as_secs() as i64)
        })
    }

    /// The first second of the wall clock, since 1970, that does not agree with the baseline before
    /// tokio's clock reaches `at`. If the wall clock reaches it earlier, the machine was suspended.
    pub(super) fn wall_limit(&self, at: Instant) -> i64 {
        let limit = self.0.and_then(|baseline| {
            let allowed = at.saturating_duration_since(baseline.at).saturating_add(TOLERANCE);
            baseline.reading.wall.checked_add(allowed)
        });
        limit.map_or(i64::MAX, |limit| unix_seconds(limit).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::SystemTime,
    };

    use super::*;
    use crate::clock::WallClock;

    /// Seconds of the wall clock and of the monotonic one.
    #[derive(Clone)]
    struct Clocks(Instant, Arc<Mutex<(u64, u64)>>);

    impl Clocks {
        fn set(&self, seconds: (u64, u64)) -> ClockSample {
            *self.1.lock().unwrap() = seconds;
            let at = self.0 + Duration::from_secs(seconds.1);
            ClockSample { at, reading: Clock::new(self.clone()).read() }
        }
    }

    impl WallClock for Clocks {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH + Duration::from_secs(self.1.lock().unwrap().0)
        }

        fn monotonic(&self) -> std::time::Instant {
            self.0.into_std() + Duration::from_secs(self.1.lock().unwrap().1)
        }
    }

    /// What is observed at each pair of (wall, monotonic) seconds.
    fn steps(at: &[(u64, u64)]) -> Vec<Option<u64>> {
        let clocks = Clocks(Instant::now(), Arc::default());
        let mut watch = SuspendWatch::since(clocks.set((1000, 0)));
        let observed = at.iter().map(|at| watch.observe(clocks.set(*at)).map(|it| it.as_secs()));
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
    fn the_wall_clock_may_be_the_tolerance_and_a_second_ahead() {
        let clocks = Clocks(Instant::now(), Arc::default());
        let mut watch = SuspendWatch::since(clocks.set((1000, 0)));
        let in_a_minute = clocks.0 + Duration::from_secs(60);
        assert_eq!(watch.wall_limit(in_a_minute), 1066);
        assert_eq!(watch.observe(clocks.set((1012, 10))), None);
        assert_eq!(watch.wall_limit(in_a_minute), 1066);
        assert_eq!(watch.observe(clocks.set((1042, 20))), Some(Duration::from_secs(22)));
        assert_eq!(watch.wall_limit(in_a_minute), 1088);
        assert_eq!(SuspendWatch::default().wall_limit(in_a_minute), i64::MAX);
    }
}
