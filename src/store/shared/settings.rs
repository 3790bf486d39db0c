//! The settings of sharing.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    clock::Clock,
    error::{Error, Problem},
    limits::MAX_SETTING,
    store::sealing::Sealing,
};

/// With the default `store_timeout`, a renewal that times out is repeated before this lease ends.
const MIN_LEASE: Duration = Duration::from_secs(1);

pub(super) struct Settings {
    pub(super) sealing: Sealing,
    pub(super) namespace: Option<String>,
    /// The bound of each operation of the store.
    pub(super) store_timeout: Duration,
    /// The maximum difference between the clocks of two hosts.
    pub(super) clock_skew: Duration,
    pub(super) lease: Duration,
    pub(super) clock: Clock,
}

/// A source gets all of the remaining time if that is less than this many times `store_timeout`.
const MIN_STORE_TIMEOUTS: u32 = 10;

impl Settings {
    /// The deadline of the source, if that of the acquisition is `deadline`. It leaves time to store a
    /// failure, and to return it before the cache reports a timeout.
    pub(super) fn source_deadline(&self, deadline: Instant) -> Instant {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let is_long = remaining >= self.store_timeout.saturating_mul(MIN_STORE_TIMEOUTS);
        if is_long { deadline - self.store_timeout } else { deadline }
    }

    /// # Errors
    ///
    /// Kind `Config`, with the setting and what to do: `store_timeout` is zero, `lease` is below 1 s, a
    /// duration is above a year, or the namespace is empty.
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
