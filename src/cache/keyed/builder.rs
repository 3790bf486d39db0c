//! What can be set about many caches.

use std::{
    fmt,
    hash::{Hash, RandomState},
    sync::atomic::AtomicU32,
    time::Duration,
};

use quick_cache::{UnitWeighter, sync::Cache};
use tokio::time::Instant;

use super::{
    Inner, KeyedTokenCache, TICKS, TokenCacheBuilder,
    register::Register,
    source::{Make, Sources},
    turns::Turns,
};
use crate::{
    cache::settings::LONGEST,
    error::Error,
    source::{ErasedSource, TokenSource},
    sync::{Arc, Mutex},
};

/// A tick is a second at least.
const SHORTEST_IDLE: Duration = Duration::from_secs(TICKS as u64);

/// Sets one key's cache.
pub(super) type Each<K> = dyn Fn(&K, TokenCacheBuilder) -> TokenCacheBuilder + Send + Sync;

/// Makes a [`KeyedTokenCache`] with other settings than the defaults.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::{Acquire, KeyedTokenCache, Token};
///
/// let tokens = KeyedTokenCache::builder(|tenant: &u64| {
///     let token = format!("token-of-{tenant}");
///     Ok(move |_: Acquire| std::future::ready(Token::bearer(token.as_str())))
/// })
/// .capacity(500)
/// .idle_time(Duration::from_secs(600))
/// .each_cache(|tenant, cache| {
///     let tenant = *tenant;
///     cache
///         .wait_timeout(Duration::from_secs(5))
///         .observer(move |event| println!("{tenant}: {event:?}"))
/// })
/// .build();
/// # let _ = tokens;
/// ```
#[must_use]
pub struct KeyedTokenCacheBuilder<K> {
    make: Box<Make<K>>,
    each: Box<Each<K>>,
    capacity: usize,
    idle_time: Duration,
    acquisitions: usize,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> KeyedTokenCacheBuilder<K> {
    pub(super) fn new<S: TokenSource>(
        source: impl Fn(&K) -> Result<S, Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            make: Box::new(move |key| source(key).map(|it| Box::new(it) as Box<dyn ErasedSource>)),
            each: Box::new(|_, cache| cache),
            capacity: 10_000,
            idle_time: Duration::from_secs(3600),
            acquisitions: 16,
        }
    }

    /// How many caches are at hand, roughly; also of how many keys whose cache was dropped the
    /// pauses are remembered, and how many acquisitions wait for their turn. Default: 10,000.
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = keys.max(1);
        self
    }

    /// After how long without a request a key's cache is dropped: then, or up to a quarter of it
    /// later, with the next request for any key. At least 8 s. Default: 1 h.
    pub fn idle_time(mut self, idle_time: Duration) -> Self {
        self.idle_time = idle_time.clamp(SHORTEST_IDLE, LONGEST);
        self
    }

    /// How many acquisitions start at once, over all keys; at least one. One that takes longer than
    /// 250 ms does not count any more. Keys whose last acquisition failed count by themselves. So keys whose
    /// authorization server hangs do not keep other keys waiting. Default: 16.
    pub fn concurrent_acquisitions(mut self, acquisitions: usize) -> Self {
        self.acquisitions = acquisitions;
        self
    }

    /// The settings of each cache, and an observer that knows the key. It runs when a cache is
    /// made: keep it short.
    pub fn each_cache(
        mut self,
        each: impl Fn(&K, TokenCacheBuilder) -> TokenCacheBuilder + Send + Sync + 'static,
    ) -> Self {
        self.each = Box::new(each);
        self
    }

    /// Makes it. It holds no key yet.
    pub fn build(self) -> KeyedTokenCache<K> {
        let Self { make, each, capacity, idle_time, acquisitions } = self;
        let [turns, retries] = [(); 2].map(|()| Turns::new(acquisitions, capacity));
        let at_hand = Cache::with(
            capacity,
            u64::try_from(capacity).unwrap_or(u64::MAX),
            UnitWeighter,
            RandomState::new(),
            Default::default(),
        );
        KeyedTokenCache {
            inner: Arc::new(Inner {
                at_hand,
                register: Mutex::new(Register::new(capacity)),
                sources: Arc::new(Sources { make, turns, retries }),
                each,
                began: Instant::now(),
                tick: idle_time / TICKS,
                swept: AtomicU32::new(0),
            }),
        }
    }
}

impl<K> fmt::Debug for KeyedTokenCacheBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedTokenCacheBuilder")
            .field("capacity", &self.capacity)
            .field("idle_time", &self.idle_time)
            .field("acquisitions", &self.acquisitions)
            .finish_non_exhaustive()
    }
}
