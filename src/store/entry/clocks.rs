//! The time now, on both clocks.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::clock::Clock;

/// One moment on tokio's clock, which schedules use, and on the wall clock, which processes share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BothClocks {
    pub(crate) instant: Instant,
    /// Milliseconds since 1970.
    pub(crate) wall: u64,
}

impl BothClocks {
    pub(crate) fn now(clock: &Clock) -> Self {
        let wall = clock.read().wall.duration_since(SystemTime::UNIX_EPOCH);
        Self { instant: Instant::now(), wall: wall.map_or(0, millis) }
    }

    /// The instant of a time on the wall clock. `None` if it is too far away for this platform.
    pub(crate) fn instant_of(&self, wall: u64) -> Option<Instant> {
        match wall.checked_sub(self.wall) {
            Some(ahead) => self.instant.checked_add(Duration::from_millis(ahead)),
            None => self.instant.checked_sub(Duration::from_millis(self.wall - wall)),
        }
    }

    /// The time on the wall clock of an instant.
    pub(crate) fn wall_of(&self, instant: Instant) -> u64 {
        match instant.checked_duration_since(self.instant) {
            Some(ahead) => self.wall.saturating_add(millis(ahead)),
            None => self.wall.saturating_sub(millis(self.instant - instant)),
        }
    }

    /// How long until a time on the wall clock. Zero if it has passed.
    pub(crate) fn time_until(&self, wall: u64) -> Duration {
        Duration::from_millis(wall.saturating_sub(self.wall))
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
