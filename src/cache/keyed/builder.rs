//! The builder of a keyed cache.

use std::{
    fmt,
    hash::{Hash, RandomState},
    sync::atomic::AtomicU32,
    time::Duration,
};

use quick_cache::{UnitWeighter, sync::Cache};
use tokio::time::Instant;

#[cfg(feature = "metrics")]
use super::metrics::KeyedMetrics;
use super::{
    cache::{Configure, KeyedInner, KeyedTokenCache, NameKeys, TICKS_PER_IDLE_TIME, whole_millis},
    limiter::Limiter,
    registry::KeyRegistry,
    source::{MakeSource, Sources},
};
use crate::{
    cache::{TokenCacheBuilder, names::ClientName, settings::SharedSettings},
    error::{Error, sanitise},
    event::{Event, Observer, UNNAMED},
    limits::MAX_SETTING,
    source::{ErasedSource, TokenSource},
    sync::{Arc, Mutex},
};

/// So that a tick is at least a second.
const MIN_IDLE_TIME: Duration = Duration::from_secs(TICKS_PER_IDLE_TIME as u64);

/// Builds a [`KeyedTokenCache`].
///
/// A count or duration beyond its bound counts as the bound, so no setting is invalid. Durations
/// above a year count as a year.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::{KeyedTokenCache, Token, source::AcquireContext};
///
/// let tokens = KeyedTokenCache::builder(|tenant: &u64| {
///     let token = format!("token-of-{tenant}");
///     Ok(move |_: AcquireContext| std::future::ready(Token::bearer(token.as_str())))
/// })
/// .capacity(500)
/// .idle_time(Duration::from_secs(600))
/// .configure(|tenant, cache| {
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
    make: Box<MakeSource<K>>,
    configure: Box<Configure<K>>,
    capacity: usize,
    idle_time: Duration,
    acquisitions: usize,
    name: Arc<str>,
    observer: Observer,
    name_keys: Option<Box<NameKeys<K>>>,
    #[cfg(feature = "metrics")]
    metrics_by_key: usize,
}

// Here rather than in `cache`, so that imports run one way.
impl<K: Clone + Eq + Hash + Send + Sync + 'static> KeyedTokenCache<K> {
    /// Makes a cache that makes a source for each key, with the default settings.
    ///
    /// The closure runs within a key's acquisition. After a success it is not called again while the
    /// key's cache is kept. Its failure is the failure of that acquisition: it is remembered, and the
    /// closure is called again after the cooldown. Let all sources share one transport.
    #[must_use]
    pub fn new<S: TokenSource>(
        source: impl Fn(&K) -> Result<S, Error> + Send + Sync + 'static,
    ) -> Self {
        Self::builder(source).build()
    }

    /// Returns a builder of such a cache, to change settings.
    pub fn builder<S: TokenSource>(
        source: impl Fn(&K) -> Result<S, Error> + Send + Sync + 'static,
    ) -> KeyedTokenCacheBuilder<K> {
        KeyedTokenCacheBuilder::new(source)
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> KeyedTokenCacheBuilder<K> {
    fn new<S: TokenSource>(
        source: impl Fn(&K) -> Result<S, Error> + Send + Sync + 'static,
    ) -> Self {
        Self {
            make: Box::new(move |key| source(key).map(|it| Box::new(it) as Box<dyn ErasedSource>)),
            configure: Box::new(|_, cache| cache),
            capacity: 10_000,
            idle_time: Duration::from_secs(3600),
            acquisitions: 16,
            name: Arc::from(UNNAMED),
            observer: Observer::default(),
            name_keys: None,
            #[cfg(feature = "metrics")]
            metrics_by_key: 0,
        }
    }

    /// Sets the name of the OAuth client, in events, errors and metrics. It must contain no secret. Default:
    /// `oauth`. A second live cache of the same name has `#2` after it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Arc::from(sanitise(&name.into()));
        self
    }

    /// Adds each key to the name of its cache, as `name[key]`, in events and errors. The text must
    /// contain no secret. Metrics have the name without the key, since keys are unbounded. Default: all
    /// caches have the same name.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{KeyedTokenCache, Token, source::AcquireContext};
    ///
    /// let tokens = KeyedTokenCache::builder(|_: &u64| {
    ///     Ok(|_: AcquireContext| std::future::ready(Token::bearer("abc")))
    /// })
    /// .name("billing")
    /// .name_keys(|tenant| tenant.to_string())
    /// .build();
    /// assert_eq!(tokens.cache(&7).name(), "billing[7]");
    /// ```
    pub fn name_keys(mut self, name: impl Fn(&K) -> String + Send + Sync + 'static) -> Self {
        self.name_keys = Some(Box::new(name));
        self
    }

    /// Gives the first keys separate metrics, at most this many. Their label `client` is the name with
    /// the key, so this needs [`name_keys`](Self::name_keys). All other keys share one label. Default: 0,
    /// because each label costs the metrics system memory for good.
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn metrics_by_key(mut self, keys: usize) -> Self {
        self.metrics_by_key = keys;
        self
    }

    /// Sets a maximum number of keys. It limits:
    ///
    /// * how many caches are kept, approximately,
    /// * how many keys without a cache have their backoff remembered,
    /// * how many acquisitions wait until they can start.
    ///
    /// Zero counts as one. Default: 10,000.
    pub fn capacity(mut self, keys: usize) -> Self {
        self.capacity = keys.max(1);
        self
    }

    /// Sets the idle time of a cache. An unused cache is dropped at the first use of any key after 1
    /// to 1.25 times this duration. Less than 8 s counts as 8 s, and more than a year as a year.
    /// Default: 1 h.
    pub fn idle_time(mut self, idle_time: Duration) -> Self {
        self.idle_time = idle_time.clamp(MIN_IDLE_TIME, MAX_SETTING);
        self
    }

    /// Sets how many unfinished acquisitions may have started in the last 250 ms, over all keys. Zero
    /// counts as one. Default: 16.
    ///
    /// An acquisition that takes longer than 250 ms no longer counts, so more may be in flight.
    /// Keys whose last acquisition failed have a separate limit of the same size. So keys whose
    /// authorization server hangs do not delay other keys.
    pub fn acquisition_start_limit(mut self, acquisitions: usize) -> Self {
        self.acquisitions = acquisitions;
        self
    }

    /// Sets a closure that receives the [`Event`]s of all keys, in addition to `tracing`, and those of a
    /// layer about requests for which it picked no key. Default: none.
    ///
    /// An observer that [`configure`](Self::configure) sets replaces it for that key. See
    /// [`TokenCacheBuilder::observer`].
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = self.observer.with_closure(observer);
        self
    }

    /// Sets a closure that changes the settings of each key's cache, such as its name or an
    /// observer that knows the key. Default: none.
    ///
    /// It runs when a cache is made. Keep it short. Consecutive caches with equal settings share them in
    /// memory.
    pub fn configure(
        mut self,
        configure: impl Fn(&K, TokenCacheBuilder) -> TokenCacheBuilder + Send + Sync + 'static,
    ) -> Self {
        self.configure = Box::new(configure);
        self
    }

    /// Builds the keyed cache. It has no key yet.
    #[must_use = "an acquisition starts when the cache is used"]
    pub fn build(self) -> KeyedTokenCache<K> {
        let Self {
            make,
            configure,
            capacity,
            idle_time,
            acquisitions,
            name,
            observer,
            name_keys,
            ..
        } = self;
        let name = Arc::new(ClientName::reserve(&name));
        let [limiter, retry_limiter] = [(); 2].map(|()| Limiter::new(acquisitions, capacity));
        let recent = Cache::with(
            capacity,
            u64::try_from(capacity).unwrap_or(u64::MAX),
            UnitWeighter,
            RandomState::new(),
            Default::default(),
        );
        KeyedTokenCache {
            inner: Arc::new(KeyedInner {
                recent,
                registry: Mutex::new(KeyRegistry::new(capacity)),
                sources: Arc::new(Sources { make, limiter, retry_limiter }),
                configure,
                settings: SharedSettings::default(),
                #[cfg(feature = "metrics")]
                metrics: KeyedMetrics::new(name.get(), self.metrics_by_key),
                observer: observer.with_client(Arc::clone(name.get())),
                name,
                name_keys,
                created_at: Instant::now(),
                tick_millis: whole_millis(idle_time / TICKS_PER_IDLE_TIME),
                swept: AtomicU32::new(0),
            }),
        }
    }
}

impl<K> fmt::Debug for KeyedTokenCacheBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedTokenCacheBuilder")
            .field("name", &self.name)
            .field("capacity", &self.capacity)
            .field("idle_time", &self.idle_time)
            .field("acquisitions", &self.acquisitions)
            .finish_non_exhaustive()
    }
}
