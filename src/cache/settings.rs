//! The settings of a cache. [`defaults`](crate::docs::defaults) gives the reason for each default.

use std::time::Duration;

#[cfg(feature = "keyed")]
use crate::sync::{Arc, Mutex, Weak, lock};
use crate::{clock::Clock, timing::Timing};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) timing: Timing,
    pub(super) acquisition_timeout: Duration,
    pub(super) wait_timeout: Duration,
    pub(super) rejected_token_wait: Duration,
    pub(super) probe_wait: Duration,
    pub(super) keep_warm: bool,
    pub(super) clock: Clock,
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
        }
    }
}

/// Lets the caches of a keyed cache share their settings, since most keys have the same ones.
#[cfg(feature = "keyed")]
#[derive(Default)]
pub(super) struct SharedSettings(Mutex<Weak<Settings>>);

#[cfg(feature = "keyed")]
impl SharedSettings {
    /// These settings, shared with the cache that was built last if its settings are equal.
    pub(super) fn share(&self, settings: Settings) -> Arc<Settings> {
        // The lock is released first: dropping `last` may drop a custom clock, which is user code.
        let last = lock(&self.0).upgrade();
        if let Some(last) = last.filter(|last| **last == settings) {
            return last;
        }
        let settings = Arc::new(settings);
        *lock(&self.0) = Arc::downgrade(&settings);
        settings
    }
}

#[cfg(all(test, feature = "keyed", not(oauth_loom)))]
mod tests {
    use super::*;

    #[test]
    fn equal_settings_are_shared_as_long_as_a_cache_has_them() {
        let shared = SharedSettings::default();
        let with = |seconds| Settings {
            wait_timeout: Duration::from_secs(seconds),
            ..Settings::default()
        };
        let [first, equal, other] = [30, 30, 31].map(|seconds| shared.share(with(seconds)));
        assert!(Arc::ptr_eq(&first, &equal) && *first == with(30));
        assert!(!Arc::ptr_eq(&first, &other) && *other == with(31));
        let weak = Arc::downgrade(&other);
        drop(other);
        assert!(weak.upgrade().is_none(), "no cache has them any more");
        assert_eq!(*shared.share(with(31)), with(31));
    }

    #[test]
    fn settings_with_different_clocks_are_not_equal() {
        let clock = Clock::new(|| std::time::SystemTime::UNIX_EPOCH);
        let with = |clock: &Clock| Settings { clock: clock.clone(), ..Settings::default() };
        assert_eq!(with(&clock), with(&clock));
        assert_ne!(with(&clock), Settings::default());
        assert_ne!(with(&clock), with(&Clock::new(|| std::time::SystemTime::UNIX_EPOCH)));
    }
}
