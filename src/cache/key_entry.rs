//! The part of a cache that its keyed cache reads.

#[cfg(feature = "metrics")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use tokio::time::Instant;

#[cfg(feature = "metrics")]
use crate::metrics::ClientMetrics;
use crate::{
    sync::{Arc, Mutex, lock},
    timing::{BackoffSettings, BackoffState},
};

/// The data that a keyed cache needs about each of its caches.
pub(super) struct KeyEntry {
    backoff: Arc<StoredBackoff>,
    /// The tick in which the cache was last used.
    last_used: AtomicU32,
    /// It is its key's cache. If two threads make one at once, the other one is never used.
    is_adopted: AtomicBool,
    /// Set when it is adopted.
    #[cfg(feature = "metrics")]
    pub(super) metrics: Arc<OnceLock<ClientMetrics>>,
}

/// The backoff state of one key, if it has any. It outlives the cache. Boxed, because few keys have one.
#[derive(Default)]
pub(super) struct StoredBackoff(Mutex<Option<Box<Stored>>>);

struct Stored {
    state: BackoffState,
    forget_at: Option<Instant>,
}

impl KeyEntry {
    pub(super) fn new(tick: u32) -> Self {
        Self {
            backoff: Arc::default(),
            last_used: AtomicU32::new(tick),
            is_adopted: AtomicBool::new(false),
            #[cfg(feature = "metrics")]
            metrics: Arc::default(),
        }
    }

    /// Called under the lock of the registry.
    pub(super) fn adopt(&self) {
        self.is_adopted.store(true, Relaxed);
    }

    pub(super) fn is_adopted(&self) -> bool {
        self.is_adopted.load(Relaxed)
    }

    /// Called under the lock of the cache's state, so that the state of the last step is stored.
    pub(super) fn store(&self, state: &BackoffState, settings: &BackoffSettings) {
        let stored = (!state.is_empty())
            .then(|| Stored { state: state.clone(), forget_at: state.forget_at(settings) });
        let mut slot = lock(&self.backoff.0);
        match (&mut *slot, stored) {
            // Reuses the box: a failing key stores its state on each request.
            (Some(previous), Some(stored)) => **previous = stored,
            (slot, stored) => *slot = stored.map(Box::new),
        }
    }

    pub(super) fn backoff(&self) -> &Arc<StoredBackoff> {
        &self.backoff
    }

    /// Records a use in this tick. Reads first, so that only the first use in a tick writes.
    pub(super) fn touch(&self, tick: u32) {
        if self.last_used.load(Relaxed) < tick {
            self.last_used.store(tick, Relaxed);
        }
    }

    pub(super) fn last_used(&self) -> u32 {
        self.last_used.load(Relaxed)
    }
}

impl StoredBackoff {
    pub(super) fn load(&self) -> BackoffState {
        lock(&self.0).as_ref().map(|stored| stored.state.clone()).unwrap_or_default()
    }

    /// When the state can be forgotten; `None` if the key has none.
    pub(super) fn forget_at(&self) -> Option<Instant> {
        lock(&self.0).as_ref().and_then(|stored| stored.forget_at)
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use super::*;
    use crate::{
        error::{Error, Problem},
        timing::FailureBackoff,
    };

    #[test]
    fn a_state_without_a_backoff_takes_no_memory() {
        let (now, settings, entry) = (Instant::now(), BackoffSettings::default(), KeyEntry::new(0));
        let failure =
            FailureBackoff::after(0, Error::of(Problem::ServerError), now, 0.0, &settings);
        let failed = BackoffState { failure: Some(Arc::new(failure)), ..BackoffState::default() };
        entry.store(&failed, &settings);
        assert_eq!(entry.backoff().load().failure.map(|failure| failure.failures), Some(1));
        assert_eq!(entry.backoff().forget_at(), failed.forget_at(&settings));
        entry.store(&BackoffState::default(), &settings);
        assert!(entry.backoff().load().is_empty() && entry.backoff().forget_at().is_none());
        assert!(lock(&entry.backoff.0).is_none(), "takes no memory");
    }
}
