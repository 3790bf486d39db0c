//! The wall clock, for the few places that need one: HTTP dates and assertions. Schedules run on
//! tokio's clock.

use std::time::SystemTime;

/// What time it is.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_oauth2_client_credentials::WallClock;
///
/// let noon = || SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_521_600);
/// assert_eq!(WallClock::now(&noon), noon());
/// ```
pub trait WallClock: Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> SystemTime;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

impl<F> WallClock for F
where
    F: Fn() -> SystemTime + Send + Sync + 'static,
{
    fn now(&self) -> SystemTime {
        self()
    }
}
