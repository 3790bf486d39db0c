//! What must not be lost when a cache is dropped.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use tokio::time::Instant;

use crate::{
    cache::{
        Shared, TokenCache,
        backoff::{Backoff, Pauses},
    },
    sync::{Arc, Mutex, Weak, lock},
};

/// Below so many entries it is not worth looking for those to forget.
const FEW: usize = 64;

/// What a cache has of being one of many.
pub(in crate::cache) struct Place {
    kept: Arc<Mutex<Kept>>,
    /// The tick in which it was last asked for.
    used: AtomicU32,
}

/// Outlives the cache.
#[derive(Default)]
struct Kept {
    pauses: Pauses,
    forget_at: Option<Instant>,
}

impl Place {
    pub(super) fn new(ticks: u32) -> Self {
        Self { kept: Arc::default(), used: AtomicU32::new(ticks) }
    }

    /// Called under the lock of the cache's state, so that the last step's pauses are those kept.
    pub(in crate::cache) fn keep(&self, pauses: Pauses, settings: &Backoff) {
        let forget_at = pauses.forget_at(settings);
        *lock(&self.kept) = Kept { pauses, forget_at };
    }

    /// Reads first: all but one lookup of a tick write nothing.
    pub(super) fn touch(&self, ticks: u32) {
        if self.used.load(Relaxed) < ticks {
            self.used.store(ticks, Relaxed);
        }
    }

    pub(super) fn used(&self) -> u32 {
        self.used.load(Relaxed)
    }
}

/// The caches that are alive, at hand or not, and the pauses of those that are gone.
///
/// * A cache that is alive is never forgotten. Two of one key would be two acquisitions at once.
/// * A cache that is gone takes no step any more. So whoever finds it gone, and has the lock, finds
///   its last pauses too.
/// * The pauses of at most `most` keys are remembered. To push one out by others, so many
///   other acquisitions must fail: it makes few requests more of many.
pub(super) struct Register<K> {
    known: HashMap<K, Known>,
    most: usize,
    prune_at: usize,
}

struct Known {
    cache: Weak<Shared>,
    kept: Arc<Mutex<Kept>>,
}

impl Known {
    fn is_alive(&self) -> bool {
        self.cache.strong_count() > 0
    }

    fn forget_at(&self) -> Option<Instant> {
        lock(&self.kept).forget_at
    }
}

impl<K: Clone + Eq + Hash> Register<K> {
    pub(super) fn new(most: usize) -> Self {
        Self { known: HashMap::new(), most, prune_at: FEW }
    }

    #[cfg(all(test, not(oauth_loom)))]
    pub(super) fn known(&self) -> usize {
        self.known.len()
    }

    /// The key's cache, if there is one.
    pub(super) fn in_use(&self, key: &K) -> Option<TokenCache> {
        let shared = self.known.get(key)?.cache.upgrade()?;
        Some(TokenCache { shared })
    }

    /// The key's cache: this one, which goes on where the one before left off, unless another is
    /// in use by now.
    pub(super) fn admit(&mut self, key: &K, new: &TokenCache, now: Instant) -> TokenCache {
        if let Some(cache) = self.in_use(key) {
            return cache;
        }
        let Some(place) = &new.shared.place else { return new.clone() };
        if let Some(gone) = self.known.get(key) {
            let pauses = lock(&gone.kept).pauses.clone();
            place.keep(pauses.clone(), &new.shared.settings.backoff);
            lock(&new.shared.state).resume(pauses);
        } else if self.known.len() >= self.prune_at {
            self.prune(now);
        }
        let cache = Arc::downgrade(&new.shared);
        self.known.insert(key.clone(), Known { cache, kept: Arc::clone(&place.kept) });
        new.clone()
    }

    /// Forgets what is over, and then whatever is too much: the pauses that end first.
    pub(super) fn prune(&mut self, now: Instant) {
        let mut ends = Vec::new();
        self.known.retain(|_, known| {
            if known.is_alive() {
                return true;
            }
            let end = known.forget_at().filter(|at| *at > now);
            ends.extend(end);
            end.is_some()
        });
        if let Some(too_many) = ends.len().checked_sub(self.most).filter(|it| *it > 0) {
            let (_, &mut last, _) = ends.select_nth_unstable(too_many - 1);
            self.known.retain(|_, known| known.is_alive() || known.forget_at() > Some(last));
        }
        self.prune_at = FEW.max(2 * self.known.len());
    }
}
