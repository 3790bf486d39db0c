//! What can be set about a cache.

use std::{fmt, ops::RangeInclusive, time::Duration};

#[cfg(feature = "keyed")]
use super::keyed::Place;
use super::{Shared, TokenCache, backoff::Backoff, schedule::Schedule};
use crate::{
    clock::{Clock, WallClock},
    event::{Event, Observer},
    source::{ErasedSource, TokenSource, Withdrawal},
    sync::Arc,
};

/// No setting may push an `Instant` over its edge.
pub(super) const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);
/// With a pause of zero, a failing server would be asked in a loop.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// A shorter life would be refreshed in a loop.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(1);
/// A flight that ends before it begins would be followed by the next one at once, and so on.
const SHORTEST_ACQUISITION: Duration = Duration::from_millis(1);
/// An API that rejects every token must not drive the token endpoint, whatever the setting.
const SHORTEST_REJECTION_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) schedule: Schedule,
    pub(super) backoff: Backoff,
    pub(super) acquisition_timeout: Duration,
    pub(super) wait_timeout: Duration,
    pub(super) suspect_wait: Duration,
    pub(super) probe_wait: Duration,
    pub(super) keep_warm: bool,
    pub(super) clock: Clock,
    pub(super) observer: Observer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            schedule: Schedule::default(),
            backoff: Backoff::default(),
            acquisition_timeout: Duration::from_secs(25),
            wait_timeout: Duration::from_secs(30),
            suspect_wait: Duration::from_secs(1),
            probe_wait: Duration::from_secs(1),
            keep_warm: false,
            clock: Clock::default(),
            observer: Observer::default(),
        }
    }
}

/// Makes a [`TokenCache`] with other settings than the defaults.
///
/// Each default is defended in [`docs::defaults`](crate::docs::defaults). Durations above a year
/// count as a year. The ends of a range may come in any order.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::{Acquire, Token, TokenCache};
///
/// let cache = TokenCache::builder(|_: Acquire| async { Token::bearer("abc") })
///     .default_lifetime(Duration::from_secs(60))
///     .wait_timeout(Duration::from_secs(5))
///     .observer(|event| println!("{event:?}"))
///     .build();
/// # let _ = cache;
/// ```
#[must_use]
pub struct TokenCacheBuilder {
    source: Box<dyn ErasedSource>,
    settings: Settings,
}

impl TokenCacheBuilder {
    pub(super) fn new(source: impl TokenSource) -> Self {
        Self { source: Box::new(source), settings: Settings::default() }
    }

    /// The lifetime of a token whose lifetime the server does not state. At least 1 s. Default:
    /// 5 minutes.
    pub fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.schedule.default_lifetime = lifetime.clamp(SHORTEST_LIFETIME, LONGEST);
        self
    }

    /// How long before its end a token is no longer used; never more than 10 % of its lifetime.
    /// Default: 30 s.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.settings.schedule.leeway = leeway;
        self
    }

    /// How long before its expiry a token is refreshed, as a share of its lifetime: drawn for each
    /// token from this range, within 0 to 0.6. Default: 0.15 to 0.30.
    pub fn refresh_lead(mut self, shares: RangeInclusive<f64>) -> Self {
        self.settings.schedule.lead = ordered_shares(shares);
        self
    }

    /// The same for a cache's first token. Default: 0.15 to 0.60, so that a fleet that was
    /// started together does not come back together.
    pub fn first_refresh_lead(mut self, shares: RangeInclusive<f64>) -> Self {
        self.settings.schedule.first_lead = ordered_shares(shares);
        self
    }

    /// The bound of one acquisition, with all its attempts. Default: 25 s.
    pub fn acquisition_timeout(mut self, timeout: Duration) -> Self {
        self.settings.acquisition_timeout = timeout.clamp(SHORTEST_ACQUISITION, LONGEST);
        self
    }

    /// How long one request waits for a token at most; the acquisition goes on without it.
    /// Default: 30 s.
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.settings.wait_timeout = timeout.min(LONGEST);
        self
    }

    /// How long other requests wait for the replacement of a rejected token before they go on
    /// with it. Default: 1 s.
    pub fn suspect_wait(mut self, wait: Duration) -> Self {
        self.settings.suspect_wait = wait.min(LONGEST);
        self
    }

    /// How long requests wait while another one probes an authorization server that failed
    /// before. Default: 1 s.
    pub fn probe_wait(mut self, wait: Duration) -> Self {
        self.settings.probe_wait = wait.min(LONGEST);
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
    pub fn terminal_cooldown(mut self, first: Duration) -> Self {
        self.settings.backoff.terminal_cooldown = pause(first);
        self
    }

    /// The longest `Retry-After` that is honored without a valid token. Default: 5 minutes.
    pub fn retry_after_cap(mut self, cap: Duration) -> Self {
        self.settings.backoff.retry_after_cap = cap.min(LONGEST);
        self
    }

    /// The longest `Retry-After` that is honored while a valid token is cached. Default: 1 hour.
    pub fn retry_after_cap_with_token(mut self, cap: Duration) -> Self {
        self.settings.backoff.retry_after_cap_with_token = cap.min(LONGEST);
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
        let at_least = |interval: Duration| interval.max(SHORTEST_REJECTION_INTERVAL);
        self.settings.backoff.rejection_interval = (at_least(first), at_least(longest));
        self
    }

    /// Keeps the token fresh without traffic, from the first acquisition until the last handle is
    /// dropped or the runtime that did it ends. Layers, services and requests that are under way
    /// are handles too. Default: off; an idle cache costs the
    /// authorization server nothing.
    pub fn keep_warm(mut self, keep_warm: bool) -> Self {
        self.settings.keep_warm = keep_warm;
        self
    }

    /// The wall clock, and the monotonic clock that it is compared with. Default: [`SystemClock`](crate::SystemClock).
    ///
    /// If the wall clock moves forward by over 5 s more than the monotonic clock, the machine was
    /// suspended, and the token is refreshed earlier by the difference. A token that may have
    /// expired in the meantime is replaced. Requests wait for that for at most 1 s, so that a wall
    /// clock which was only corrected causes no outage.
    pub fn wall_clock(mut self, clock: impl WallClock) -> Self {
        self.settings.clock = Clock::new(clock);
        self
    }

    /// Where [`Event`]s go, besides `tracing`. It runs on the task that caused the event, outside
    /// of every lock: keep it short, and don't block. A panic in it is logged and goes no further.
    pub fn observer(mut self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.settings.observer = Observer::new(observer);
        self
    }

    /// Makes the cache. Nothing is acquired yet.
    pub fn build(self) -> TokenCache {
        Self::attach(Shared::new(self.source, self.settings))
    }

    /// Makes a cache that is one of many.
    #[cfg(feature = "keyed")]
    pub(super) fn build_at(self, place: Place) -> TokenCache {
        let mut shared = Shared::new(self.source, self.settings);
        shared.place = Some(place);
        Self::attach(shared)
    }

    fn attach(shared: Shared) -> TokenCache {
        let shared = Arc::new(shared);
        shared.source.attach(Withdrawal::from_cache(Arc::<Shared>::downgrade(&shared)));
        TokenCache { shared }
    }
}

/// No setting removes a pause.
fn pause(pause: Duration) -> Duration {
    pause.clamp(SHORTEST_PAUSE, LONGEST)
}

/// The ends of a range, in order whichever comes first.
fn ordered(range: RangeInclusive<Duration>) -> (Duration, Duration) {
    let (one, other) = range.into_inner();
    (pause(one.min(other)), pause(one.max(other)))
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
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
