//! The settings of sharing.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    clock::Clock,
    error::{Error, Problem},
    limits::MAX_SETTING,
    store::sealing::Sealing,
};

/// A shorter lease would end while its owner waits for the store.
const MIN_LEASE: Duration = Duration::from_secs(1);

pub(super) struct Settings {
    pub(super) sealing: Sealing,
    pub(super) namespace: Option<String>,
    /// The bound of each operation of the store.
    pub(super) store_timeout: Duration,
    /// By how much the clocks of hosts may differ.
    pub(super) clock_skew: Duration,
    pub(super) lease: Duration,
    pub(super) clock: Clock,
}

/// A source that has less time than this many bounds of the store gets all of it.
const MIN_BOUNDS: u32 = 10;

impl Settings {
    /// When a source must end, if its cache gives the acquisition up at `deadline`. The time in between is
    /// for a failure: to store it, and to return it in place of the cache's own.
    pub(super) fn source_deadline(&self, deadline: Instant) -> Instant {
        let left = deadline.saturating_duration_since(Instant::now());
        let is_long = left >= self.store_timeout.saturating_mul(MIN_BOUNDS);
        if is_long { deadline - self.store_timeout } else { deadline }
    }

    /// # Errors
    ///
    /// What is wrong with one of them, and what to do.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mistake = if self.store_timeout.is_zero() {
            "store_timeout: it is zero, so the store would never be used; set 250 ms"
        } else if self.lease < MIN_LEASE {
            "lease: it is below 1 s, so a slow store would end it; set 5 s"
        } else if self.store_timeout > MAX_SETTING
            || self.lease > MAX_SETTING
            || self.clock_skew > MAX_SETTING
        {
            "store_timeout, lease, clock_skew: one is above a year; set a smaller one"
        } else if self.namespace.as_ref().is_some_and(|it| it.trim().is_empty()) {
            "namespace: it is empty; set a name, or none"
        } else {
            return Ok(());
        };
        Err(Error::of(Problem::Config).with_detail(mistake))
    }
}
