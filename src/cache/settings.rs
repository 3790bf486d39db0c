//! The settings of a cache. [`defaults`](crate::docs::defaults) gives the reason for each default.

use std::time::Duration;

use crate::{clock::Clock, event::Observer, timing::Timing};

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) timing: Timing,
    pub(super) acquisition_timeout: Duration,
    pub(super) wait_timeout: Duration,
    pub(super) rejected_token_wait: Duration,
    pub(super) probe_wait: Duration,
    pub(super) keep_warm: bool,
    pub(super) clock: Clock,
    pub(super) observer: Observer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            acquisition_timeout: Duration::from_secs(25),
            wait_timeout: Duration::from_secs(30),
            rejected_token_wait: Duration::from_secs(1),
            probe_wait: Duration::from_secs(1),
            keep_warm: false,
            clock: Clock::default(),
            observer: Observer::default(),
        }
    }
}
