//! Waiting for a change of a cache's readiness.

use tokio::{sync::watch, time::timeout_at};

use super::{
    inner::CacheInner,
    readiness::{Readiness, ReadinessUntil},
};
use crate::sync::{Arc, Weak};

/// Watches a cache's [`Readiness`]. From [`TokenCache::subscribe`](crate::TokenCache::subscribe).
///
/// It has no task. [`current`](Self::current) computes an expiry when it is called, and
/// [`changed`](Self::changed) waits for it with its own timer.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::TokenCache;
///
/// async fn log_changes(tokens: TokenCache) {
///     let mut watch = tokens.subscribe();
///     drop(tokens);
///     while let Some(readiness) = watch.changed().await {
///         println!("tokens: {readiness:?}");
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ReadinessWatch {
    inner: Weak<CacheInner>,
    /// Notifies only that the readiness must be computed again, so its value cannot be outdated.
    changed: watch::Receiver<()>,
    seen: Readiness,
}

impl ReadinessWatch {
    pub(super) fn new(inner: &Arc<CacheInner>) -> Self {
        Self {
            changed: inner.readiness_changed.subscribe(),
            seen: inner.readiness().readiness,
            inner: Arc::downgrade(inner),
        }
    }

    /// The readiness now, as [`TokenCache::readiness`](crate::TokenCache::readiness). `None` if the
    /// cache was dropped.
    pub fn current(&self) -> Option<Readiness> {
        Some(self.inner.upgrade()?.readiness().readiness)
    }

    /// Waits until the readiness differs from the one that this method returned last, or from the
    /// one at subscription. `None` when the cache was dropped.
    ///
    /// A change that is reversed in the meantime may go unnoticed. Dropping the future loses nothing.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub async fn changed(&mut self) -> Option<Readiness> {
        loop {
            // Before the readiness is read, so that no later change is missed.
            self.changed.mark_unchanged();
            let ReadinessUntil { readiness, until } = self.inner.upgrade()?.readiness();
            if readiness != self.seen {
                self.seen = readiness;
                return Some(readiness);
            }
            let changed = self.changed.changed();
            let closed = match until {
                Some(until) => matches!(timeout_at(until, changed).await, Ok(Err(_))),
                None => changed.await.is_err(),
            };
            if closed {
                return None;
            }
        }
    }
}
