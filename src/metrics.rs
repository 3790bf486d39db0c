//! Metrics of each client, through the [`metrics`](https://docs.rs/metrics) facade (feature `metrics`).
//!
//! They are recorded by the recorder that the program installs, such as
//! `metrics-exporter-prometheus`. Install it before the first cache is built. A request that is sent with a cached token
//! records nothing.
//!
//! # Names
//!
//! All metrics have the label `client`, which is [`TokenCache::name`](crate::TokenCache::name).
//!
//! | name | type | unit | other labels | meaning |
//! | --- | --- | --- | --- | --- |
//! | `oauth_client_token_requests_total` | counter | requests | `outcome`, `reason` | Token requests, and acquisitions that failed before one. `outcome`: `success` or the [name of the problem](crate::Error::code). `reason`: [why a token was acquired](crate::event::AcquisitionReason::as_str). |
//! | `oauth_client_acquisition_duration_seconds` | histogram | seconds | `outcome` | Acquisitions, with all their attempts and pauses. `outcome`: `success` or `failure`. |
//! | `oauth_client_token_expiry_timestamp_seconds` | gauge | seconds | | When the cached token is no longer used, as Unix time: its expiry minus the leeway. 0: there is no token. |
//! | `oauth_client_token_lifetime_seconds` | gauge | seconds | | The lifetime of the cached token. 0: there is no token. |
//! | `oauth_client_waits_total` | counter | requests | | Requests that waited for a token. |
//! | `oauth_client_wait_duration_seconds` | histogram | seconds | | How long they waited. The requests that waited for one acquisition are recorded with their mean, so that `_sum` and `_count` are exact. |
//! | `oauth_client_rejections_total` | counter | rejections | `action` | Series of rejections by APIs, by [the cache's reaction](crate::event::RejectionAction::as_str). |
//! | `oauth_client_replays_total` | counter | requests | `reason` | Requests that were [sent again](crate::event::ReplayReason::as_str). |
//! | `oauth_client_cooldown_end_timestamp_seconds` | gauge | seconds | | The earliest next acquisition after a failure, as Unix time. 0: the last acquisition succeeded. |
//! | `oauth_client_last_failure_permanent` | gauge | | | 1: the last acquisition failed with a [permanent error](crate::Error::is_permanent), which needs operator action. 0 otherwise. |
//! | `oauth_client_caches` | gauge | caches | `readiness` | How many caches have this [readiness](crate::cache::Readiness). 1 for the readiness of a single cache, and 0 for the others. |
//!
//! An expiry is a timestamp because a gauge of the remaining life is outdated at once. Compare it
//! with `time()`.
//!
//! The caches of a [`KeyedTokenCache`](crate::KeyedTokenCache) share one `client`. They have no
//! timestamps, no lifetime and no `oauth_client_last_failure_permanent`. `oauth_client_caches`
//! counts them.
//! [`metrics_by_key`](crate::cache::KeyedTokenCacheBuilder::metrics_by_key) gives some of them labels of
//! their own.
//!
//! Counters that alerts watch are exported as 0 from the start, so that their first increase is visible.
//!
//! When the last owner of a cache is dropped, its gauges are set to 0. An alert on a timestamp
//! requires that it is above 0.
//!
//! Exporters may turn histograms into summaries. Use `_sum` and `_count` in dashboards.
//!
//! # OpenTelemetry
//!
//! This crate does not depend on `opentelemetry`: with two versions of it in one program, one of
//! them records nothing. An [`observer`](crate::cache::TokenCacheBuilder::observer) passes the events
//! on. `Counter` and `Histogram` stand for those of the `opentelemetry` crate:
//!
//! ```
//! use tower_oauth2_client_credentials::{Event, event::EventKind};
//! # #[derive(Clone)] struct Counter; #[derive(Clone)] struct Histogram;
//! # struct KeyValue;
//! # impl KeyValue { fn new(_: &'static str, _: String) -> Self { Self } }
//! # impl Counter { fn add(&self, _: u64, _: &[KeyValue]) {} }
//! # impl Histogram { fn record(&self, _: f64, _: &[KeyValue]) {} }
//!
//! fn observer(requests: Counter, durations: Histogram) -> impl Fn(&Event) + Send + Sync {
//!     move |event| {
//!         let (outcome, took) = match event.kind() {
//!             EventKind::Acquired { took, .. } | EventKind::Refreshed { took, .. } => {
//!                 ("success", Some(took))
//!             }
//!             EventKind::AcquisitionFailed { took, error, .. } => (error.code(), Some(took)),
//!             EventKind::AttemptFailed { error, .. } => (error.code(), None),
//!             _ => return,
//!         };
//!         let client = KeyValue::new("client", event.client().to_owned());
//!         let attributes = [client, KeyValue::new("outcome", outcome.to_owned())];
//!         requests.add(1, &attributes);
//!         if let Some(took) = took {
//!             durations.record(took.as_secs_f64(), &attributes);
//!         }
//!     }
//! }
//! # drop(observer(Counter, Histogram));
//! ```

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use metrics::{
    Counter, SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::event::{AcquisitionReason, Event, EventKind, Readiness};

const TOKEN_REQUESTS: &str = "oauth_client_token_requests_total";
const ACQUISITION_DURATION: &str = "oauth_client_acquisition_duration_seconds";
const TOKEN_EXPIRY: &str = "oauth_client_token_expiry_timestamp_seconds";
const TOKEN_LIFETIME: &str = "oauth_client_token_lifetime_seconds";
const WAITS: &str = "oauth_client_waits_total";
const WAIT_DURATION: &str = "oauth_client_wait_duration_seconds";
const REJECTIONS: &str = "oauth_client_rejections_total";
const REPLAYS: &str = "oauth_client_replays_total";
const COOLDOWN_END: &str = "oauth_client_cooldown_end_timestamp_seconds";
const LAST_FAILURE_PERMANENT: &str = "oauth_client_last_failure_permanent";
const CACHES: &str = "oauth_client_caches";

const STATES: [Readiness; 4] =
    [Readiness::Idle, Readiness::Ready, Readiness::Degraded, Readiness::Failed];

const REASONS: [AcquisitionReason; 4] = [
    AcquisitionReason::Missing,
    AcquisitionReason::Refresh,
    AcquisitionReason::Rejected,
    AcquisitionReason::Forced,
];

/// Describes all metrics to the recorder of this program, with their units.
///
/// Each cache calls it when it is built. Call it if the recorder is installed later.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{Token, TokenCache, metrics, source::AcquireContext};
///
/// let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
/// // The program installs its recorder here. Then:
/// metrics::describe();
/// # drop(tokens);
/// ```
pub fn describe() {
    describe_counter!(TOKEN_REQUESTS, Unit::Count, "Token requests by outcome.");
    describe_histogram!(ACQUISITION_DURATION, Unit::Seconds, "Duration of acquisitions.");
    describe_gauge!(
        TOKEN_EXPIRY,
        Unit::Seconds,
        "When the cached token is no longer used, as Unix time. 0: there is no token."
    );
    describe_gauge!(TOKEN_LIFETIME, Unit::Seconds, "Lifetime of the cached token.");
    describe_counter!(WAITS, Unit::Count, "Requests that waited for a token.");
    describe_histogram!(WAIT_DURATION, Unit::Seconds, "How long requests waited for a token.");
    describe_counter!(REJECTIONS, Unit::Count, "Series of rejections of a token by APIs.");
    describe_counter!(REPLAYS, Unit::Count, "Requests that were sent again.");
    describe_gauge!(
        COOLDOWN_END,
        Unit::Seconds,
        "The earliest next acquisition after a failure, as Unix time. 0: there was no failure."
    );
    describe_gauge!(
        LAST_FAILURE_PERMANENT,
        Unit::Count,
        "1: the last acquisition failed, and needs operator action."
    );
    describe_gauge!(CACHES, Unit::Count, "How many caches have this readiness.");
}

/// How many caches have each readiness, in the order of [`STATES`].
type Counts = [i64; 4];

/// The value of the label `client`, and the caches that have it.
#[derive(Debug)]
pub(crate) struct Label {
    client: SharedString,
    caches: Mutex<Counts>,
}

impl Label {
    pub(crate) fn new(client: &Arc<str>) -> Arc<Self> {
        describe();
        let client = SharedString::from_shared(Arc::clone(client));
        let label = Self { client, caches: Mutex::default() };
        // An increase is visible only if the counter was exported before. These have alerts.
        for action in ["acquiring", "budget_exhausted"] {
            counter!(REJECTIONS, "client" => label.client.clone(), "action" => action).increment(0);
        }
        for outcome in ["success", "invalid_client", "unauthorized_client", "credentials_refused"] {
            for reason in REASONS {
                label.requests(outcome, reason).increment(0);
            }
        }
        Arc::new(label)
    }

    fn requests(&self, outcome: &'static str, reason: AcquisitionReason) -> Counter {
        let (client, reason) = (self.client.clone(), reason.as_str());
        counter!(TOKEN_REQUESTS, "client" => client, "outcome" => outcome, "reason" => reason)
    }

    /// Adds to the counts, and exports them under the lock, so that no older value comes last.
    fn add(&self, added: Counts) {
        let mut caches = locked(&self.caches);
        for ((count, added), readiness) in caches.iter_mut().zip(added).zip(STATES) {
            *count += added;
            // Two threads may report changes in the other order, so a count may be below 0 for a moment.
            let gauge =
                gauge!(CACHES, "client" => self.client.clone(), "readiness" => readiness.as_str());
            gauge.set((*count).max(0) as f64);
        }
    }
}

/// Records the metrics of one cache from its events.
pub(crate) struct ClientMetrics {
    label: Arc<Label>,
    /// The label has this cache only, so it has gauges of its token.
    is_single: bool,
    /// The part of this cache in the counts of the label.
    own: Mutex<Counts>,
}

impl ClientMetrics {
    /// For the only cache with this label.
    pub(crate) fn single(client: &Arc<str>) -> Self {
        Self::new(Label::new(client), true)
    }

    /// For one of many caches with this label.
    #[cfg(feature = "keyed")]
    pub(crate) fn shared(label: Arc<Label>) -> Self {
        Self::new(label, false)
    }

    fn new(label: Arc<Label>, is_single: bool) -> Self {
        let own = change(None, Some(Readiness::Idle));
        label.add(own);
        Self { label, is_single, own: Mutex::new(own) }
    }

    pub(crate) fn record(&self, event: &Event) {
        match event.kind() {
            EventKind::Acquired { reason, took, lifetime, expires_at } => {
                self.acquired(*reason, *took);
                self.token(*lifetime, *expires_at);
            }
            EventKind::Refreshed { took, lifetime, expires_at, .. } => {
                self.acquired(AcquisitionReason::Refresh, *took);
                self.token(*lifetime, *expires_at);
            }
            EventKind::Offered { lifetime, expires_at } => self.token(*lifetime, *expires_at),
            EventKind::Cleared => {
                self.gauge(TOKEN_EXPIRY, 0.0);
                self.gauge(TOKEN_LIFETIME, 0.0);
            }
            EventKind::NonceRequired { reason, .. } => self.requested("use_dpop_nonce", *reason),
            EventKind::AttemptFailed { reason, error, .. } => {
                self.requested(error.code(), *reason);
            }
            EventKind::AcquisitionFailed { reason, took, error, next_attempt_in, .. } => {
                self.requested(error.code(), *reason);
                histogram!(ACQUISITION_DURATION, "client" => self.client(), "outcome" => "failure")
                    .record(*took);
                let end = SystemTime::now().checked_add(*next_attempt_in);
                self.gauge(COOLDOWN_END, end.map_or(0.0, unix));
                self.gauge(LAST_FAILURE_PERMANENT, f64::from(u8::from(error.is_permanent())));
            }
            EventKind::CooldownLeft { .. } => self.gauge(COOLDOWN_END, 0.0),
            EventKind::Waited { requests, total, .. } => {
                counter!(WAITS, "client" => self.client()).increment((*requests).into());
                let mean = *total / (*requests).max(1);
                let count = usize::try_from(*requests).unwrap_or(usize::MAX);
                histogram!(WAIT_DURATION, "client" => self.client()).record_many(mean, count);
            }
            EventKind::Rejected { action, .. } => {
                let action = action.as_str();
                counter!(REJECTIONS, "client" => self.client(), "action" => action).increment(1);
            }
            EventKind::Replayed { reason, .. } => {
                let reason = reason.as_str();
                counter!(REPLAYS, "client" => self.client(), "reason" => reason).increment(1);
            }
            EventKind::ReadinessChanged { from, to } => self.change(change(Some(*from), Some(*to))),
            EventKind::Closed => {
                let own = *locked(&self.own);
                self.change(own.map(|count| -count));
                for name in [TOKEN_EXPIRY, TOKEN_LIFETIME, COOLDOWN_END, LAST_FAILURE_PERMANENT] {
                    self.gauge(name, 0.0);
                }
            }
            _ => {}
        }
    }

    fn client(&self) -> SharedString {
        self.label.client.clone()
    }

    fn requested(&self, outcome: &'static str, reason: AcquisitionReason) {
        self.label.requests(outcome, reason).increment(1);
    }

    fn acquired(&self, reason: AcquisitionReason, took: Duration) {
        self.requested("success", reason);
        histogram!(ACQUISITION_DURATION, "client" => self.client(), "outcome" => "success")
            .record(took);
    }

    fn token(&self, lifetime: Duration, expires_at: SystemTime) {
        self.gauge(TOKEN_EXPIRY, unix(expires_at));
        self.gauge(TOKEN_LIFETIME, lifetime.as_secs_f64());
        self.gauge(LAST_FAILURE_PERMANENT, 0.0);
    }

    /// Sets a gauge that only a single cache has.
    fn gauge(&self, name: &'static str, value: f64) {
        if self.is_single {
            gauge!(name, "client" => self.client()).set(value);
        }
    }

    fn change(&self, added: Counts) {
        let mut own = locked(&self.own);
        own.iter_mut().zip(added).for_each(|(count, added)| *count += added);
        drop(own);
        self.label.add(added);
    }
}

fn change(from: Option<Readiness>, to: Option<Readiness>) -> Counts {
    STATES.map(|it| i64::from(to == Some(it)) - i64::from(from == Some(it)))
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

fn locked(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
