//! The caches that are in use, and the backoff state of keys whose cache was dropped.

use std::{collections::HashMap, hash::Hash};

use tokio::time::Instant;

use crate::{
    cache::{TokenCache, inner::CacheInner, key_entry::StoredBackoff},
    sync::{Arc, Weak, lock},
};

/// With fewer entries, a search for outdated ones is not worth its time.
const MIN_PRUNE_LEN: usize = 64;

/// All keys that must not be forgotten.
///
/// * A cache in use is never forgotten. Two caches of one key would be two acquisitions at once.
/// * A dropped cache runs no further step. So the registry, under its lock, finds the state of the
///   last step.
/// * The backoff state of at most `max_dropped` keys without a cache is remembered. To push one out,
///   that many acquisitions of other keys must fail, so the extra token request is one of many.
pub(super) struct KeyRegistry<K> {
    entries: HashMap<K, Entry>,
    max_dropped: usize,
    prune_at: usize,
}

struct Entry {
    cache: Weak<CacheInner>,
    backoff: Arc<StoredBackoff>,
}

/// Entries that were removed. The caller drops them after it has unlocked the registry: the error of a
/// token source may own a value whose destructor uses the keyed cache.
#[must_use = "drop it without the lock of the registry"]
pub(super) struct Forgotten<K>(#[expect(dead_code, reason = "only dropped")] Vec<(K, Entry)>);

impl Entry {
    fn is_in_use(&self) -> bool {
        self.cache.strong_count() > 0
    }
}

impl<K: Clone + Eq + Hash> KeyRegistry<K> {
    pub(super) fn new(max_dropped: usize) -> Self {
        Self { entries: HashMap::new(), max_dropped, prune_at: MIN_PRUNE_LEN }
    }

    #[cfg(all(test, not(oauth_loom)))]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(all(test, not(oauth_loom)))]
    pub(super) fn forget_at(&self, key: &K) -> Option<Instant> {
        self.entries.get(key)?.backoff.forget_at()
    }

    /// The key's cache, if it is in use.
    pub(super) fn get(&self, key: &K) -> Option<TokenCache> {
        let inner = self.entries.get(key)?.cache.upgrade()?;
        Some(TokenCache { inner })
    }

    /// The key's cache: the one in use, or otherwise the new one. The new one continues with the backoff
    /// state of the key's last cache.
    pub(super) fn get_or_insert(
        &mut self,
        key: &K,
        new: &TokenCache,
        now: Instant,
    ) -> (TokenCache, Forgotten<K>) {
        let mut forgotten = Forgotten(Vec::new());
        if let Some(cache) = self.get(key) {
            return (cache, forgotten);
        }
        let Some(key_entry) = &new.inner.key_entry else { return (new.clone(), forgotten) };
        if let Some(dropped) = self.entries.get(key) {
            let backoff = dropped.backoff.load();
            key_entry.store(&backoff, &new.inner.settings.timing.backoff);
            lock(&new.inner.state).set_backoff(backoff);
        } else if self.entries.len() >= self.prune_at {
            forgotten = self.prune(now);
        }
        // The entry that this replaces owns nothing that the new cache does not own too.
        let entry =
            Entry { cache: Arc::downgrade(&new.inner), backoff: Arc::clone(key_entry.backoff()) };
        self.entries.insert(key.clone(), entry);
        (new.clone(), forgotten)
    }

    /// Forgets outdated entries, and then those beyond `max_dropped` whose state ends first.
    pub(super) fn prune(&mut self, now: Instant) -> Forgotten<K> {
        let mut ends = Vec::new();
        let outdated = self.entries.extract_if(|_, entry| {
            if entry.is_in_use() {
                return false;
            }
            let end = entry.backoff.forget_at().filter(|at| *at > now);
            ends.extend(end);
            end.is_none()
        });
        let mut forgotten: Vec<_> = outdated.collect();
        if let Some(excess) = ends.len().checked_sub(self.max_dropped).filter(|it| *it > 0) {
            let (_, &mut last, _) = ends.select_nth_unstable(excess - 1);
            forgotten.extend(self.entries.extract_if(|_, entry| {
                !entry.is_in_use() && entry.backoff.forget_at() <= Some(last)
            }));
        }
        self.prune_at = MIN_PRUNE_LEN.max(2 * self.entries.len());
        Forgotten(forgotten)
    }
}
