//! The builder of a cache.

use std::{fmt, ops::RangeInclusive, time::Duration};

#[cfg(feature = "keyed")]
use super::key_entry::KeyEntry;
use super::{inner::CacheInner, settings::Settings, token_cache::TokenCache};
use crate::{
    clock::{Clock, WallClock},
    event::{Event, Observer},
    limits::MAX_SETTING,
    source::{CacheHandle, ErasedSource, TokenSource},
    sync::Arc,
};

/// With a cooldown of zero, a failing server would be asked in a loop.
const MIN_COOLDOWN: Duration = Duration::from_millis(100);
/// A shorter lifetime would be refreshed in a loop.
const MIN_LIFETIME: Duration = Duration::from_secs(1);
/// An acquisition that ends before it begins would be followed by the next one in a loop.
const MIN_ACQUISITION: Duration = Duration::from_millis(1);
/// An API that rejects every token must not cause more acquisitions, for any setting.
const MIN_REJECTION_INTERVAL: Duration = Duration::from_secs(1);

/// Builds a [`TokenCache`].
///
/// [`docs::defaults`](crate::docs::defaults) gives the reason for each default. Durations above a
/// year count as a year, and any other value beyond its bound counts as the bound. The ends of a range
/// may come in any order. So no setting can be a mistake, and [`build`](Self::build) cannot fail.
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
}

// Here rather than in `token_cache`, so that imports run one way.
impl TokenCache {
    /// A cache over a source, with the default settings.
    #[must_use]
    pub fn new(source: impl TokenSource) -> Self {
        Self::builder(source).build()
    }

    /// A cache over a source, with other settings.
    pub fn builder(source: impl TokenSource) -> TokenCacheBuilder {
        TokenCacheBuilder::new(source)
    }
}

impl TokenCacheBuilder {
    pub(super) fn new(source: impl TokenSource) -> Self {
        Self { source: Box::new(source), name: None, settings: Settings::default() }
    }

    /// The name of the client, for logs and metrics. It must contain no secret. Default:
    /// [`TokenSource::name`].
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(Arc::from(name.into()));
        self
    }

    /// The lifetime of a token if the server does not state it. At least 1 s. Default: 5 minutes.
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.schedule.default_lifetime = lifetime.clamp(MIN_LIFETIME, MAX_SETTING);
        self
    }

    /// How long before the end of its lifetime a token is no longer used. At most 10 % of its lifetime.
    /// Default: 30 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.schedule.leeway = leeway;
        self
    }

    /// How long before its expiry a token is refreshed, as a share of its lifetime. The share is drawn
    /// from this range for each token, within 0 to 0.6. Default: 0.15 to 0.30.
    pub fn refresh_lead(mut self, shares: RangeInclusive<f64>) -> Self {
        self.settings.schedule.lead = ordered_shares(shares);
        self
    }

    /// The same for a cache's first token. Default: 0.15 to 0.60, so that a fleet which is started
    /// together does not refresh together.
    pub fn first_refresh_lead(mut self, shares: RangeInclusive<f64>) -> Self {
        self.settings.schedule.first_lead = ordered_shares(shares);
        self
    }

    /// The bound of one acquisition, with all its attempts. Default: 25 s.
    pub fn acquisition_timeout(mut self, timeout: Duration) -> Self {
        self.settings.acquisition_timeout = timeout.clamp(MIN_ACQUISITION, MAX_SETTING);
        self
    }

    /// How long one request waits for a token. The acquisition continues without it. Default: 30 s.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.settings.wait_timeout = timeout.min(MAX_SETTING);
        self
    }

    /// How long other requests wait for the replacement of a rejected token before they use it.
    /// Default: 1 s.
    pub fn rejected_token_wait(mut self, wait: Duration) -> Self {
        self.settings.rejected_token_wait = wait.min(MAX_SETTING);
        self
    }

    /// How long requests wait for another request's probe of an authorization server that failed
    /// before. Default: 1 s.
    pub fn probe_wait(mut self, wait: Duration) -> Self {
        self.settings.probe_wait = wait.min(MAX_SETTING);
        self
    }

    /// The cooldown after a failed acquisition: from the first of these, doubled with each further
    /// failure up to the last, and each lengthened by up to a quarter at random. At least 100 ms.
    /// Default: 1 s to 60 s.
    pub fn cooldown(mut self, range: RangeInclusive<Duration>) -> Self {
        self.settings.backoff.cooldown = ordered(range);
        self
    }

    /// Minimum initial cooldown after an error that needs operator action, such as
    /// `invalid_client`. At least 100 ms. Default: 30 s.
    pub fn permanent_error_cooldown(mut self, first: Duration) -> Self {
        self.settings.backoff.permanent_error_cooldown = cooldown(first);
        self
    }

    /// The longest `Retry-After` that is honored without a valid token. Default: 5 minutes.
    pub fn retry_after_cap(mut self, cap: Duration) -> Self {
        self.settings.backoff.retry_after_cap = cap.min(MAX_SETTING);
        self
    }

    /// The longest `Retry-After` that is honored while a valid token is cached. Default: 1 hour.
    pub fn retry_after_cap_with_token(mut self, cap: Duration) -> Self {
        self.settings.backoff.retry_after_cap_with_token = cap.min(MAX_SETTING);
        self
    }

    /// The interval between acquisitions that rejections (401) and
    /// [`force_refresh`](TokenCache::force_refresh) cause, once the budget of three is used up.
    ///
    /// The first three start at once. The next starts no sooner than the range's start after the
    /// third. Each further interval is twice as long, up to the range's end. In between the API's 401
    /// is returned. The budget is full again when a token reaches its scheduled refresh unrejected, or
    /// after 30 minutes without a rejection. Default: 60 s to 10 minutes. Intervals below 1 s count as
    /// 1 s.
    pub fn rejection_interval(mut self, interval: RangeInclusive<Duration>) -> Self {
        let (first, longest) = ordered(interval);
        let at_least = |interval: Duration| interval.max(MIN_REJECTION_INTERVAL);
        self.settings.backoff.rejection_interval = (at_least(first), at_least(longest));
        self
    }

    /// Keeps the token fresh without traffic, from the first acquisition until the last owner of the
    /// cache is dropped or the runtime of the acquisition ends. Layers, services and requests in
    /// flight are owners too. Default: off, so an idle cache costs the authorization server nothing.
    pub fn keep_warm(mut self, keep_warm: bool) -> Self {
        self.settings.keep_warm = keep_warm;
        self
    }

    /// The wall clock, and the monotonic clock that it is compared with. Default:
    /// [`SystemClock`](crate::clock::SystemClock).
    ///
    /// If the wall clock moves forward by over 5 s more than the monotonic clock, the machine was
    /// suspended, and the token is refreshed earlier by the difference. A token that may have
    /// expired in the meantime is replaced. Requests wait for that for at most 1 s, so that a wall
    /// clock which was only corrected causes no outage.
    pub fn wall_clock(mut self, clock: impl WallClock) -> Self {
        self.settings.clock = Clock::new(clock);
        self
    }

    /// Receives [`Event`]s, in addition to `tracing`. It runs on the task that caused the event, outside
    /// of every lock: keep it short, and do not block. A panic in it is caught and logged.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{Event, Token, TokenCache, source::AcquireContext};
    ///
    /// let cache = TokenCache::builder(|_: AcquireContext| async { Token::bearer("abc") })
    ///     .observer(|event| match event {
    ///         Event::Failed { error, failures, .. } => eprintln!("failure {failures}: {error}"),
    ///         Event::Acquired { took, .. } => println!("acquired in {took:?}"),
    ///         _ => {}
    ///     })
    ///     .build();
    /// # drop(cache);
    /// ```
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.settings.observer = Observer::new(observer);
        self
    }

    /// Builds the cache. It requests no token yet.
    #[must_use = "an acquisition starts when the cache is used"]
    pub fn build(self) -> TokenCache {
        Self::attach(self.into_inner())
    }

    /// Builds a cache of a keyed cache.
    #[cfg(feature = "keyed")]
    pub(super) fn build_keyed(self, key_entry: KeyEntry) -> TokenCache {
        let mut inner = self.into_inner();
        inner.key_entry = Some(key_entry);
        Self::attach(inner)
    }

    fn into_inner(self) -> CacheInner {
        let name = self.name.unwrap_or_else(|| Arc::from(self.source.name()));
        CacheInner::new(self.source, name, self.settings)
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
fn ordered(range: RangeInclusive<Duration>) -> (Duration, Duration) {
    let (one, other) = range.into_inner();
    (cooldown(one.min(other)), cooldown(one.max(other)))
}

fn ordered_shares(range: RangeInclusive<f64>) -> (f64, f64) {
    let (one, other) = range.into_inner();
    let share = |share: f64| if share.is_nan() { 0.0 } else { share.clamp(0.0, 0.6) };
    let (one, other) = (share(one), share(other));
    (one.min(other), one.max(other))
}

impl fmt::Debug for TokenCacheBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCacheBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
