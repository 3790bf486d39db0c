//! The public keyed cache.

use std::{
    cell::RefCell,
    fmt,
    hash::{Hash, RandomState},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use quick_cache::{UnitWeighter, sync::Cache};
use tokio::time::Instant;

#[cfg(feature = "metrics")]
use super::metrics::KeyedMetrics;
use super::{
    registry::KeyRegistry,
    source::{KeyedSource, Sources},
};
use crate::{
    cache::{
        Get, TokenCache, TokenCacheBuilder, key_entry::KeyEntry, names::ClientName,
        settings::SharedSettings,
    },
    error::sanitise,
    event::Observer,
    sync::{Arc, Mutex, lock},
    token::Token,
};

/// The idle time is measured in ticks, and a cache notes its use once a tick. So lookups of one key
/// by many threads rarely write to shared memory.
pub(super) const TICKS_PER_IDLE_TIME: u32 = 8;

/// Changes the settings of one key's cache.
pub(super) type Configure<K> = dyn Fn(&K, TokenCacheBuilder) -> TokenCacheBuilder + Send + Sync;

/// Caches many tokens: a [`TokenCache`] for each key, made when the key is first used.
///
/// It is for clients that call on behalf of many tenants, or with many scopes, audiences or
/// resources. Clones are cheap and share the caches.
///
/// The key is the only input of a source. It must contain *everything that changes the token*, such
/// as the tenant and the scope. A token of one key is never used for another.
///
/// * A key has one cache at any time, and so one acquisition at a time.
/// * It is bounded. Above the capacity the least used caches are dropped, and so are those without a
///   request in the idle time. A cache that is still in use elsewhere remains that key's cache.
/// * Cooldowns after failures, and the rejection budget, outlive a dropped cache, so load on other
///   keys rarely resets them. They are remembered for up to `capacity` keys without a cache.
/// * At most 16 unfinished acquisitions may have started in the last 250 ms. Keys whose last
///   acquisition failed have a separate limit of 16. Others wait for at most half of
///   `acquisition_timeout`, so that those that start have enough time. Then they fail as
///   [`Overloaded`](crate::ErrorKind::Overloaded). If more wait than the capacity, they fail at
///   once.
///
/// `K`'s `Hash`, `Eq`, `Clone` and `Drop` run under locks of this cache. They must not use it, and
/// must not panic. A source must not use its own keyed cache for another key: it would hold a permit
/// while it waits for one. Give it a separate cache.
///
/// There is no background task. Idle caches are dropped when any key is used.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{KeyedTokenCache, Token, source::AcquireContext};
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct Tenant(String);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
/// let tokens = KeyedTokenCache::new(|tenant: &Tenant| {
///     // Most often this builds `ClientCredentials`, with this tenant's parameters.
///     let token = format!("token-of-{}", tenant.0);
///     Ok(move |_: AcquireContext| std::future::ready(Token::bearer(token.as_str())))
/// });
/// let [a, b] = ["a", "b"].map(|name| Tenant(name.into()));
/// assert_eq!(tokens.get(&a).await?.secret(), "token-of-a");
/// assert!(tokens.current(&b).is_none());
/// # Ok(())
/// # }
/// ```
pub struct KeyedTokenCache<K> {
    pub(super) inner: Arc<KeyedInner<K>>,
}

/// The name of a key.
pub(super) type NameKeys<K> = dyn Fn(&K) -> String + Send + Sync;

pub(super) struct KeyedInner<K> {
    // SipHash, since the sender of a request may choose the key.
    pub(super) recent: Cache<K, TokenCache, UnitWeighter, RandomState>,
    pub(super) registry: Mutex<KeyRegistry<K>>,
    pub(super) sources: Arc<Sources<K>>,
    pub(super) configure: Box<Configure<K>>,
    pub(super) settings: SharedSettings,
    pub(super) name: Arc<ClientName>,
    /// Has the name without a key.
    pub(super) observer: Observer,
    #[cfg(feature = "metrics")]
    pub(super) metrics: KeyedMetrics,
    pub(super) name_keys: Option<Box<NameKeys<K>>>,
    pub(super) created_at: Instant,
    pub(super) tick_millis: u64,
    /// The tick in which idle caches were last dropped.
    pub(super) swept: AtomicU32,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> KeyedTokenCache<K> {
    /// The name of the client, without a key. Default: `oauth`.
    pub fn name(&self) -> &str {
        self.inner.name.get()
    }

    /// This key's cache. The call requests no token.
    ///
    /// While the returned cache is kept, it remains this key's cache.
    pub fn cache(&self, key: &K) -> TokenCache {
        let now = Instant::now();
        let tick = self.inner.current_tick(now);
        let recent = self.inner.recent.get(key);
        let cache = recent.unwrap_or_else(|| self.inner.get_or_insert(key, tick, now));
        if let Some(entry) = &cache.inner.key_entry {
            entry.touch(tick);
        }
        if self.inner.swept.load(Relaxed) < tick {
            self.inner.sweep(tick, now);
        }
        cache
    }

    /// Returns the cached token of this key, or waits for one.
    ///
    /// # Errors
    ///
    /// Same errors as [`TokenCache::get`]. Also the failure of the closure that makes the source,
    /// and kind [`Overloaded`](crate::ErrorKind::Overloaded) if too many acquisitions of other keys
    /// were ahead.
    pub fn get(&self, key: &K) -> Get {
        self.cache(key).get()
    }

    /// Returns the cached token of this key. Has no effects. See [`TokenCache::peek`].
    pub fn peek(&self, key: &K) -> Option<Token> {
        self.inner.get(key)?.peek()
    }

    /// Returns the cached token of this key. Never waits. See [`TokenCache::current`].
    pub fn current(&self, key: &K) -> Option<Token> {
        let cache = self.inner.get(key)?;
        let now = Instant::now();
        // This counts as a use.
        if let Some(entry) = &cache.inner.key_entry {
            entry.touch(self.inner.current_tick(now));
        }
        cache.current_at(now)
    }

    /// Reports to the key's cache that an API rejected this token. See [`TokenCache::invalidate`].
    pub fn invalidate(&self, key: &K, rejected: &Token) {
        if let Some(cache) = self.inner.get(key) {
            cache.invalidate(rejected);
        }
    }

    /// Discards a key's token and drops its cache, for instance of a tenant that left. Cooldowns after
    /// failures remain.
    ///
    /// A cache that is still in use elsewhere, such as by a request in flight, remains this key's cache
    /// with its source. One that is kept warm acquires another token.
    pub fn remove(&self, key: &K) {
        let cache = self.inner.get(key);
        self.inner.recent.remove(key);
        if let Some(cache) = cache {
            cache.clear();
        }
    }

    /// The name, to share.
    pub(crate) fn client(&self) -> &Arc<str> {
        self.inner.name.get()
    }

    /// The observer of events about requests for which no key was picked.
    pub(crate) fn observer(&self) -> &Observer {
        &self.inner.observer
    }

    /// The keys whose caches are kept, with their caches, in no order. Not a use of the caches, and
    /// requests no token.
    ///
    /// It clones each key, so it is for metrics and readiness probes. Drop the caches soon: one that
    /// is still in use is not dropped after its idle time.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{KeyedTokenCache, Token, source::AcquireContext};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
    /// # let tokens = KeyedTokenCache::new(|_: &&str| {
    /// #     Ok(|_: AcquireContext| std::future::ready(Token::bearer("abc")))
    /// # });
    /// tokens.get(&"tenant-a").await?;
    /// for (tenant, cache) in tokens.caches() {
    ///     let expires_at = cache.peek().and_then(|token| token.expires_at());
    ///     println!("{tenant}: {:?}, expires at {expires_at:?}", cache.readiness());
    /// }
    /// # assert_eq!(tokens.caches().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn caches(&self) -> Vec<(K, TokenCache)> {
        self.inner.recent.iter().collect()
    }

    /// How many caches are kept.
    pub fn len(&self) -> usize {
        self.inner.recent.len()
    }

    /// Whether no cache is kept.
    pub fn is_empty(&self) -> bool {
        self.inner.recent.is_empty()
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> KeyedInner<K> {
    fn current_tick(&self, now: Instant) -> u32 {
        let elapsed = whole_millis(now.saturating_duration_since(self.created_at));
        u32::try_from(elapsed / self.tick_millis).unwrap_or(u32::MAX)
    }

    /// The key's cache, if it has one.
    pub(super) fn get(&self, key: &K) -> Option<TokenCache> {
        self.recent.get(key).or_else(|| lock(&self.registry).get(key))
    }

    /// The cache of a key that is not in `recent`: one that is still in use, or a new one.
    #[cold]
    fn get_or_insert(&self, key: &K, tick: u32, now: Instant) -> TokenCache {
        let in_use = lock(&self.registry).get(key);
        let cache = in_use.unwrap_or_else(|| {
            // Built without the lock, as it runs the caller's code. Another thread may be first.
            let source = KeyedSource::new(key.clone(), Arc::clone(&self.sources));
            let name = self.name_of(key);
            let builder = TokenCache::builder(source)
                .shared_observer(self.observer.clone())
                .unnumbered_name(name);
            let builder = (self.configure)(key, builder);
            let new = builder.build_keyed(KeyEntry::new(tick), &self.name, &self.settings);
            self.adopt(key, new, now)
        });
        self.recent.insert(key.clone(), cache.clone());
        cache
    }

    /// The key's cache: the new one, or the one of another thread that was first. Events and metrics
    /// have the used one only.
    fn adopt(&self, key: &K, new: TokenCache, now: Instant) -> TokenCache {
        let mut registry = lock(&self.registry);
        let (cache, forgotten) = registry.get_or_insert(key, &new, now);
        let adopted =
            new.inner.key_entry.as_ref().filter(|_| Arc::ptr_eq(&cache.inner, &new.inner));
        if let Some(entry) = adopted {
            entry.adopt();
            #[cfg(feature = "metrics")]
            let _ = entry.metrics.set(self.metrics.of_key(&cache.inner));
        }
        drop(registry);
        drop(forgotten);
        #[cfg(feature = "metrics")]
        if let Some(metrics) = adopted.and_then(|entry| entry.metrics.get()) {
            metrics.open();
        }
        cache
    }

    /// The name of a key's cache.
    fn name_of(&self, key: &K) -> Arc<str> {
        let name = self.name.get();
        match &self.name_keys {
            Some(name_keys) => format!("{name}[{}]", sanitise(&name_keys(key))).into(),
            None => Arc::clone(name),
        }
    }

    /// Drops the caches without a request in the idle time.
    #[cold]
    fn sweep(&self, tick: u32, now: Instant) {
        if self.swept.fetch_max(tick, Relaxed) >= tick {
            return;
        }
        // Dropped without the lock, since a source may own anything.
        let idle = RefCell::new(Vec::new());
        self.recent.retain(|_, cache| {
            let entry = cache.inner.key_entry.as_ref();
            let is_used = entry.is_some_and(|it| it.last_used() + TICKS_PER_IDLE_TIME >= tick);
            if !is_used {
                idle.borrow_mut().push(cache.clone());
            }
            is_used
        });
        drop(idle);
        let forgotten = lock(&self.registry).prune(now);
        drop(forgotten);
    }
}

/// Milliseconds as `u64`, because 64-bit division is faster than 128-bit division.
pub(super) fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl<K> Clone for KeyedTokenCache<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K> fmt::Debug for KeyedTokenCache<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.inner.name.get();
        f.debug_struct("KeyedTokenCache").field("name", name).finish_non_exhaustive()
    }
}
