//! The wall clock: for HTTP dates, assertions, and to detect a suspend. Schedules run on tokio's
//! clock.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// A source of the current time.
///
/// A closure that returns a [`SystemTime`] is one. A cache reads it under a lock: it must not use the
/// cache, nor block.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_oauth2_client_credentials::clock::WallClock;
///
/// let noon = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_521_600);
/// assert_eq!(WallClock::now(&noon), noon());
/// ```
pub trait WallClock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> SystemTime;

    /// A cheap reading that may lag by up to 10 ms.
    ///
    /// It is read for each request that is sent with a cached token. Default: [`now`](Self::now).
    fn now_coarse(&self) -> SystemTime {
        self.now()
    }

    /// A clock that does not advance while the machine is suspended.
    ///
    /// If [`now`](Self::now) moves forward more than this clock does, a cache assumes that the
    /// machine was suspended, and that its token aged in the meantime. Default: tokio's clock, so
    /// that tests can move both clocks apart. [`SystemClock`] uses [`Instant::now`], since a test
    /// that pauses tokio's clock does not suspend the machine.
    fn monotonic(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    #[cfg(target_os = "linux")]
    fn now_coarse(&self) -> SystemTime {
        let now = coarse();
        let nanos = Duration::from_nanos(now.tv_nsec.unsigned_abs());
        SystemTime::UNIX_EPOCH + Duration::from_secs(now.tv_sec.unsigned_abs()) + nanos
    }

    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(target_os = "linux")]
#[inline]
fn coarse() -> rustix::time::Timespec {
    rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse)
}

impl<F> WallClock for F
where
    F: Fn() -> SystemTime + Send + Sync + 'static,
{
    fn now(&self) -> SystemTime {
        self()
    }
}

/// The pair of clocks that a cache compares to detect a suspend. The system's is read without a
/// virtual call.
#[derive(Clone, Default)]
pub(crate) enum Clock {
    #[default]
    System,
    Custom(Arc<dyn WallClock>),
}

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClockReading {
    pub(crate) wall: SystemTime,
    monotonic: Instant,
}

impl Clock {
    pub(crate) fn new(clock: impl WallClock) -> Self {
        if (&clock as &dyn Any).is::<SystemClock>() {
            return Self::System;
        }
        Self::Custom(Arc::new(clock))
    }

    pub(crate) fn read(&self) -> ClockReading {
        let system =
            || ClockReading { wall: SystemClock.now(), monotonic: SystemClock.monotonic() };
        match self {
            Self::System => system(),
            // A panic must not end the acquisition that reads the clock.
            Self::Custom(clock) => catch_unwind(AssertUnwindSafe(|| ClockReading {
                wall: clock.now(),
                monotonic: clock.monotonic(),
            }))
            .unwrap_or_else(|_panic| system()),
        }
    }

    /// The wall clock in whole seconds since 1970.
    #[inline]
    pub(crate) fn coarse_seconds(&self) -> i64 {
        match self {
            #[cfg(target_os = "linux")]
            Self::System => coarse().tv_sec,
            #[cfg(not(target_os = "linux"))]
            Self::System => unix_seconds(SystemTime::now()),
            Self::Custom(clock) => custom_coarse_seconds(&**clock),
        }
    }
}

/// Out of line, so that the system's clock is read in place.
#[cold]
#[inline(never)]
fn custom_coarse_seconds(clock: &dyn WallClock) -> i64 {
    let coarse = catch_unwind(AssertUnwindSafe(|| unix_seconds(clock.now_coarse())));
    coarse.unwrap_or_else(|_panic| Clock::System.coarse_seconds())
}

impl ClockReading {
    /// Returns by how much the wall clock moved forward more than the monotonic clock since an
    /// earlier reading. `None` if it moved forward less.
    pub(crate) fn gained_since(&self, earlier: &Self) -> Option<Duration> {
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        self.wall.duration_since(earlier.wall).ok()?.checked_sub(monotonic)
    }
}

/// Whole seconds since 1970, rounded down; negative before.
pub(crate) fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let whole = before.as_secs() + u64::from(before.subsec_nanos() > 0);
            i64::try_from(whole).map_or(i64::MIN, |seconds| -seconds)
        }
    }
}

/// Two custom clocks are equal if they are the same instance.
impl PartialEq for Clock {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::System, Self::System) => true,
            (Self::Custom(one), Self::Custom(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Custom(_) => "Custom",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coarse_clock_is_the_wall_clock() {
        for _ in 0..1000 {
            let before = SystemTime::now() - Duration::from_millis(50);
            let coarse = SystemClock.now_coarse();
            let seconds = Clock::System.coarse_seconds();
            let after = SystemTime::now();
            assert!(before <= coarse && coarse <= after, "{before:?} {coarse:?} {after:?}");
            assert!(unix_seconds(before) <= seconds && seconds <= unix_seconds(after));
        }
    }

    #[test]
    fn seconds_before_1970_are_negative_and_rounded_down() {
        let at = |millis| SystemTime::UNIX_EPOCH - Duration::from_millis(millis);
        assert_eq!([0, 1, 1000, 1001].map(|millis| unix_seconds(at(millis))), [0, -1, -1, -2]);
    }

    #[test]
    fn the_system_clock_needs_no_virtual_call() {
        assert!(matches!(Clock::new(SystemClock), Clock::System));
        assert!(matches!(Clock::new(|| SystemTime::UNIX_EPOCH), Clock::Custom(_)));
    }

    #[test]
    fn a_wall_clock_that_stands_still_or_steps_back_gains_nothing() {
        let reading = |wall: u64, monotonic: u64| ClockReading {
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
            monotonic: base() + Duration::from_secs(monotonic),
        };
        fn base() -> Instant {
            static BASE: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
            *BASE.get_or_init(Instant::now)
        }
        let earlier = reading(1000, 0);
        assert_eq!(reading(1000, 10).gained_since(&earlier), None);
        assert_eq!(reading(900, 0).gained_since(&earlier), None);
        assert_eq!(reading(1010, 10).gained_since(&earlier), Some(Duration::ZERO));
        assert_eq!(reading(1100, 10).gained_since(&earlier), Some(Duration::from_secs(90)));
    }
}
