//! The builder of a cache.

use std::{fmt, ops::RangeInclusive, time::Duration};

use super::{inner::CacheInner, names::ClientName, settings::Settings, token_cache::TokenCache};
#[cfg(feature = "keyed")]
use super::{key_entry::KeyEntry, settings::SharedSettings};
#[cfg(feature = "metrics")]
use crate::metrics::{ClientMetrics, ClientSeries};
use crate::{
    clock::{Clock, WallClock},
    error::sanitise,
    event::{Event, Observer},
    limits::MAX_SETTING,
    source::{CacheHandle, ErasedSource, TokenSource},
    sync::Arc,
    timing::{Doubling, MIN_COOLDOWN},
};

/// A shorter lifetime would be refreshed in a loop.
const MIN_LIFETIME: Duration = Duration::from_secs(1);
/// An acquisition that ends before it begins would be followed by the next one in a loop.
const MIN_ACQUISITION: Duration = Duration::from_millis(1);
/// An API that rejects every token must not cause more acquisitions, for any setting.
const MIN_REJECTION_INTERVAL: Duration = Duration::from_secs(1);

/// Builds a [`TokenCache`].
///
/// [`docs::defaults`](crate::docs::defaults) gives the reason for each default. Durations above a
/// year count as a year, and any other value beyond its bound counts as the bound. The ends of a
/// range may come in any order. So no setting is invalid, and [`build`](Self::build) cannot fail.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::{Token, TokenCache, source::AcquireContext};
///
/// let cache = TokenCache::builder(|_: AcquireContext| async { Token::bearer("abc") })
///     .default_lifetime(Duration::from_secs(60))
///     .wait_timeout(Duration::from_secs(5))
///     .observer(|event| println!("{event:?}"))
///     .build();
/// # let _ = cache;
/// ```
#[must_use]
pub struct TokenCacheBuilder {
    source: Box<dyn ErasedSource>,
    name: Option<Arc<str>>,
    settings: Settings,
    observer: Observer,
}

// Here rather than in `token_cache`, so that imports run one way.
impl TokenCache {
    /// Makes a cache over a source, with the default settings.
    #[must_use]
    pub fn new(source: impl TokenSource) -> Self {
        Self::builder(source).build()
    }

    /// Returns a builder of a cache over a source, to change settings.
    pub fn builder(source: impl TokenSource) -> TokenCacheBuilder {
        TokenCacheBuilder::new(source)
    }
}

impl TokenCacheBuilder {
    pub(super) fn new(source: impl TokenSource) -> Self {
        Self {
            source: Box::new(source),
            name: None,
            settings: Settings::default(),
            observer: Observer::default(),
        }
    }

    /// Sets the name of the OAuth client, in events, errors and metrics. It must contain no secret. Default:
    /// [`TokenSource::name`].
    ///
    /// A second live cache of the same name gets `#2` after it, a third `#3`. The number is free again
    /// when its cache is dropped.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(Arc::from(sanitise(&name.into())));
        self
    }

    /// The observer of all keys.
    #[cfg(feature = "keyed")]
    pub(super) fn shared_observer(mut self, observer: Observer) -> Self {
        self.observer = observer;
        self
    }

    /// A name that other caches may have too.
    #[cfg(feature = "keyed")]
    pub(super) fn unnumbered_name(mut self, name: Arc<str>) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets the lifetime of a token if the server does not state it. Less than 1 s counts as 1 s.
    /// Default: 5 minutes.
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.timing.schedule.default_lifetime = lifetime.clamp(MIN_LIFETIME, MAX_SETTING);
        self
    }

    /// Sets how long before the end of its lifetime a token is no longer used. At most 10 % of its
    /// lifetime. Default: 30 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.timing.schedule.leeway = leeway;
        self
    }

    /// Sets how long before expiry the refresh starts, as a fraction of the lifetime. Each token gets a
    /// random value from this range. Default: 0.15 to 0.30.
    ///
    /// Values outside 0 to 0.6 count as the nearer end. NaN counts as 0.
    pub fn refresh_lead(mut self, fractions: RangeInclusive<f64>) -> Self {
        self.settings.timing.schedule.lead = ordered_fractions(fractions);
        self
    }

    /// Sets the same as [`refresh_lead`](Self::refresh_lead) for a cache's first token. Default:
    /// 0.15 to 0.60, so that instances which start together do not refresh together.
    pub fn first_refresh_lead(mut self, fractions: RangeInclusive<f64>) -> Self {
        self.settings.timing.schedule.first_lead = ordered_fractions(fractions);
        self
    }

    /// Sets the timeout of one acquisition, with all its attempts. Less than 1 ms counts as 1 ms.
    /// Default: 25 s.
    pub fn acquisition_timeout(mut self, timeout: Duration) -> Self {
        self.settings.acquisition_timeout = timeout.clamp(MIN_ACQUISITION, MAX_SETTING);
        self
    }

    /// Sets how long one request waits for a token. The acquisition continues without it. Default:
    /// 30 s. With zero, a request without a cached token starts an acquisition and fails at once.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.settings.wait_timeout = timeout.min(MAX_SETTING);
        self
    }

    /// Sets how long other requests wait for the replacement of a rejected token before they use
    /// the rejected one. Default: 1 s. With zero they do not wait.
    pub fn rejected_token_wait(mut self, wait: Duration) -> Self {
        self.settings.rejected_token_wait = wait.min(MAX_SETTING);
        self
    }

    /// Sets how long callers wait for the first acquisition after a cooldown if another caller started
    /// it. Then they fail with the last error. Default: 1 s. With zero they do not wait.
    ///
    /// This acquisition, the *trial request* or *probe*, makes one attempt. It shows whether the
    /// authorization server is back.
    pub fn probe_wait(mut self, wait: Duration) -> Self {
        self.settings.probe_wait = wait.min(MAX_SETTING);
        self
    }

    /// Sets the cooldown after a failed acquisition. Starts at the range's start and doubles with
    /// each failure up to its end. Up to 25 % is added at random. Less than 100 ms counts as 100
    /// ms. Default: 1 s to 60 s.
    pub fn cooldown(mut self, range: RangeInclusive<Duration>) -> Self {
        self.settings.timing.backoff.cooldown = ordered(range);
        self
    }

    /// Sets the minimum initial cooldown after an error that needs operator action, such as
    /// `invalid_client`. Less than 100 ms counts as 100 ms. Default: 30 s.
    pub fn permanent_error_cooldown(mut self, first: Duration) -> Self {
        self.settings.timing.backoff.permanent_error_cooldown = cooldown(first);
        self
    }

    /// Sets the longest `Retry-After` that is honored without a valid token. A longer one counts as
    /// this long. Default: 5 minutes.
    pub fn retry_after_cap(mut self, cap: Duration) -> Self {
        self.settings.timing.backoff.retry_after_cap = cap.min(MAX_SETTING);
        self
    }

    /// Sets the longest `Retry-After` that is honored while a valid token is cached. A longer one
    /// counts as this long. Default: 1 hour.
    pub fn retry_after_cap_with_token(mut self, cap: Duration) -> Self {
        self.settings.timing.backoff.retry_after_cap_with_token = cap.min(MAX_SETTING);
        self
    }

    /// Sets the interval between acquisitions that rejections (401) and
    /// [`force_refresh`](TokenCache::force_refresh) cause, once the rejection budget of three
    /// acquisitions is used up.
    ///
    /// The first three start without a delay, one after another. The fourth waits until 60 s (the
    /// range's start) after the third. Each further interval is twice as long, up to the range's end.
    /// In between, callers get the API's 401. The budget is full again when a token reaches its
    /// scheduled refresh unrejected, or after 30 minutes without a rejection. Default: 60 s to 10
    /// minutes. Intervals below 1 s count as 1 s.
    pub fn rejection_interval(mut self, interval: RangeInclusive<Duration>) -> Self {
        let Doubling { first, max } = ordered(interval);
        let at_least = |interval: Duration| interval.max(MIN_REJECTION_INTERVAL);
        self.settings.timing.backoff.rejection_interval =
            Doubling { first: at_least(first), max: at_least(max) };
        self
    }

    /// Sets whether the token is kept fresh without traffic, from the first acquisition until the
    /// cache is dropped or the runtime of the acquisition ends. Each clone of the cache keeps it
    /// alive, and so do layers, services and requests in flight. Default: off, so an idle cache
    /// costs the authorization server nothing.
    pub fn keep_warm(mut self, keep_warm: bool) -> Self {
        self.settings.keep_warm = keep_warm;
        self
    }

    /// Sets the wall clock, and the monotonic clock that it is compared with. Default:
    /// [`SystemClock`](crate::clock::SystemClock).
    ///
    /// If the wall clock moves forward by over 5 s more than the monotonic clock, the machine was
    /// suspended, and the token is refreshed earlier by the difference. A token that may have
    /// expired in the meantime is replaced. Requests wait for that for at most 1 s. So no
    /// outage follows if nothing was suspended and the wall clock was just corrected.
    pub fn wall_clock(mut self, clock: impl WallClock) -> Self {
        self.settings.clock = Clock::new(clock);
        self
    }

    /// Sets a closure that receives [`Event`]s, in addition to `tracing`. Default: none. It runs on
    /// the task that caused the event, outside of every lock. A panic in it is caught and logged.
    ///
    /// Keep it short, and do not block. The waiters of an acquisition that ends do not wait for it, but
    /// the next acquisition starts after the events that led to it, and the token request is sent after
    /// [`AcquisitionStarted`](crate::event::EventKind::AcquisitionStarted).
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{
    ///     Token, TokenCache, event::EventKind, source::AcquireContext,
    /// };
    ///
    /// let cache = TokenCache::builder(|_: AcquireContext| async { Token::bearer("abc") })
    ///     .observer(|event| match event.kind() {
    ///         EventKind::AcquisitionFailed { error, .. } => eprintln!("{}: {error}", event.client()),
    ///         EventKind::Acquired { took, .. } => println!("acquired in {took:?}"),
    ///         _ => {}
    ///     })
    ///     .build();
    /// # drop(cache);
    /// ```
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = self.observer.with_closure(observer);
        self
    }

    /// Builds the cache. It requests no token yet.
    #[must_use = "an acquisition starts when the cache is used"]
    pub fn build(self) -> TokenCache {
        let name = ClientName::reserve(&self.chosen_name());
        #[cfg(feature = "metrics")]
        {
            let clock = self.settings.clock.clone();
            let metrics = match name.shared_label() {
                None => ClientMetrics::single(ClientSeries::of(name.get()), clock),
                Some(label) => ClientMetrics::shared(ClientSeries::of(&label), clock),
            };
            metrics.open();
            let this = self.recording(move |event| metrics.record(event));
            Self::attach(this.into_inner(name, Arc::new))
        }
        #[cfg(not(feature = "metrics"))]
        Self::attach(self.into_inner(name, Arc::new))
    }

    /// Builds a cache of a keyed cache, without a number. Nothing is recorded until its metrics are
    /// set.
    #[cfg(feature = "keyed")]
    pub(super) fn build_keyed(
        self,
        key_entry: KeyEntry,
        keyed: &Arc<ClientName>,
        shared: &SharedSettings,
    ) -> TokenCache {
        let name = ClientName::unnumbered(self.chosen_name(), keyed);
        #[cfg(feature = "metrics")]
        let this = {
            let metrics = Arc::clone(&key_entry.metrics);
            self.recording(move |event| {
                if let Some(metrics) = metrics.get() {
                    metrics.record(event);
                }
            })
        };
        #[cfg(not(feature = "metrics"))]
        let this = self;
        let mut inner = this.into_inner(name, |settings| shared.share(settings));
        inner.key_entry = Some(key_entry);
        Self::attach(inner)
    }

    #[cfg(feature = "metrics")]
    fn recording(mut self, record: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.observer = self.observer.with_metrics(record);
        self
    }

    fn chosen_name(&self) -> Arc<str> {
        self.name.clone().unwrap_or_else(|| Arc::from(sanitise(&self.source.name())))
    }

    fn into_inner(
        self,
        name: ClientName,
        share: impl FnOnce(Settings) -> Arc<Settings>,
    ) -> CacheInner {
        let observer = self.observer.with_client(Arc::clone(name.get()));
        CacheInner::new(self.source, name, share(self.settings), observer)
    }

    fn attach(inner: CacheInner) -> TokenCache {
        let inner = Arc::new(inner);
        inner.source().attach(CacheHandle::new(Arc::<CacheInner>::downgrade(&inner)));
        TokenCache { inner }
    }
}

/// No setting removes a cooldown.
fn cooldown(cooldown: Duration) -> Duration {
    cooldown.clamp(MIN_COOLDOWN, MAX_SETTING)
}

/// The ends of a range in ascending order.
fn ordered(range: RangeInclusive<Duration>) -> Doubling {
    let (one, other) = range.into_inner();
    Doubling { first: cooldown(one.min(other)), max: cooldown(one.max(other)) }
}

fn ordered_fractions(range: RangeInclusive<f64>) -> (f64, f64) {
    let (one, other) = range.into_inner();
    let bounded = |value: f64| if value.is_nan() { 0.0 } else { value.clamp(0.0, 0.6) };
    let (one, other) = (bounded(one), bounded(other));
    (one.min(other), one.max(other))
}

impl fmt::Debug for TokenCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCacheBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .field("observer", &self.observer)
            .finish_non_exhaustive()
    }
}
