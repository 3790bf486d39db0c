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
//! | `oauth_client_token_requests_total` | counter | requests | `outcome`, `reason` | Token requests, and acquisitions that failed before one. Tokens and failures of other processes do not count. `outcome`: `success`, `credentials_refused` for a 401 or 403 without an OAuth code, or the [name of the problem](crate::Error::code). `reason`: [why a token was acquired](crate::event::AcquisitionReason::as_str). |
//! | `oauth_client_acquisition_duration_seconds` | histogram | seconds | `outcome` | Acquisitions by this process, with all their attempts and pauses. `outcome`: `success` or `failure`. |
//! | `oauth_client_token_expiry_timestamp_seconds` | gauge | seconds | | When the token that was cached last is no longer used, as Unix time: its expiry minus the leeway. It keeps its value after the expiry, until another token is cached. 0: none was cached yet, or it was discarded. |
//! | `oauth_client_token_lifetime_seconds` | gauge | seconds | | The lifetime of the token that was cached last. 0: none was cached yet, or it was discarded. |
//! | `oauth_client_waits_total` | counter | requests | | Requests that waited for a token. |
//! | `oauth_client_wait_duration_seconds` | histogram | seconds | | How long they waited. The requests that waited for one acquisition are recorded with their mean, so that `_sum` and `_count` are exact. |
//! | `oauth_client_rejections_total` | counter | rejections | `action` | Series of rejections by APIs, by [the cache's reaction](crate::event::RejectionAction::as_str). |
//! | `oauth_client_replays_total` | counter | requests | `reason` | Requests that were [sent again](crate::event::ReplayReason::as_str). |
//! | `oauth_client_cooldown_end_timestamp_seconds` | gauge | seconds | | The earliest next acquisition after a failure, as Unix time. 0: no cooldown began since the last success, or it was ended by hand. |
//! | `oauth_client_last_failure_permanent` | gauge | | | 1: the last acquisition failed with a [permanent error](crate::Error::is_permanent), which needs operator action. 0 otherwise. |
//! | `oauth_client_caches` | gauge | caches | `readiness` | How many caches have this [readiness](crate::cache::Readiness). 1 for the readiness of a single cache, and 0 for the others. |
//! | `oauth_client_store_operations_total` | counter | operations | `operation`, `outcome` | [Operations](crate::event::StoreOperation::as_str) of the store of shared tokens (feature `store`). `outcome`: `success`, `failure` or `timeout`. |
//! | `oauth_client_store_operation_duration_seconds` | histogram | seconds | `operation` | How long they took, failed ones included. |
//! | `oauth_client_shared_tokens_total` | counter | tokens | `way` | Tokens of other processes that were taken from the store. `way`: `acquisition`, or `announcement` if the cache did not ask. |
//! | `oauth_client_caches_without_store` | gauge | caches | | How many caches acquire tokens without their store, because it failed. It changes when a token is acquired or announced. |
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
//! Only clients with a store have the last four.
//!
//! If over 64 live caches have one name, those from the 65th share a label in the same way, such as
//! `oauth#65+`.
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
//! use tower_oauth2_client_credentials::{Event, event::{EventKind, ResultOrigin}};
//! # #[derive(Clone)] struct Counter; #[derive(Clone)] struct Histogram;
//! # struct KeyValue;
//! # impl KeyValue { fn new(_: &'static str, _: String) -> Self { Self } }
//! # impl Counter { fn add(&self, _: u64, _: &[KeyValue]) {} }
//! # impl Histogram { fn record(&self, _: f64, _: &[KeyValue]) {} }
//!
//! fn observer(requests: Counter, durations: Histogram) -> impl Fn(&Event) + Send + Sync {
//!     move |event| {
//!         let (outcome, took) = match event.kind() {
//!             // Tokens and failures of other processes are no token requests.
//!             EventKind::Acquired { from: ResultOrigin::Store, .. }
//!             | EventKind::Refreshed { from: ResultOrigin::Store, .. }
//!             | EventKind::Discarded { from: ResultOrigin::Store, .. }
//!             | EventKind::AcquisitionFailed { from: ResultOrigin::Store, .. } => return,
//!             EventKind::Acquired { took, .. }
//!             | EventKind::Refreshed { took, .. }
//!             | EventKind::Discarded { took, .. } => ("success", Some(took)),
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

mod names;
mod series;
mod store;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use metrics::{SharedString, counter, histogram};

pub use self::names::describe;
use self::{
    names::{
        ACQUISITION_DURATION, COOLDOWN_END, LAST_FAILURE_PERMANENT, REJECTIONS, REPLAYS, STATES,
        TOKEN_EXPIRY, TOKEN_LIFETIME, WAIT_DURATION, WAITS,
    },
    series::{Owner, ReadinessCounts, locked},
    store::Way,
};
use crate::{
    clock::Clock,
    event::{AcquisitionReason, Event, EventKind, Readiness, ResultOrigin, contained},
};

pub(crate) use self::series::ClientSeries;

/// Records the metrics of one cache from its events.
pub(crate) struct ClientMetrics {
    series: Arc<ClientSeries>,
    /// Token gauges are exported for this cache: no other cache has the label.
    owner: Option<Owner>,
    /// The part of this cache in the counts of the series.
    reported: Mutex<ReadinessCounts>,
    /// The cache acquires tokens without its store.
    is_without_store: AtomicBool,
    clock: Clock,
}

impl ClientMetrics {
    /// For the only cache with this label. With another one it is as [`shared`](Self::shared).
    pub(crate) fn single(series: Arc<ClientSeries>, clock: Clock) -> Self {
        let owner = series.own();
        Self { owner, ..Self::shared(series, clock) }
    }

    /// For the successor of the only cache with this label, which may still report its end.
    #[cfg(feature = "keyed")]
    pub(crate) fn succeeding(series: Arc<ClientSeries>, clock: Clock) -> Self {
        let owner = Some(series.succeed());
        Self { owner, ..Self::shared(series, clock) }
    }

    /// For one of many caches with this label.
    pub(crate) fn shared(series: Arc<ClientSeries>, clock: Clock) -> Self {
        let is_without_store = AtomicBool::new(false);
        Self { series, owner: None, reported: Mutex::default(), is_without_store, clock }
    }

    /// Counts the cache. Nothing is recorded before. A panic of the recorder is logged.
    pub(crate) fn open(&self) {
        self.series.register();
        contained(self.series.name(), || self.apply(delta(None, Some(Readiness::Idle))));
    }

    pub(crate) fn record(&self, event: &Event) {
        match event.kind() {
            EventKind::Acquired { reason, from, took, lifetime, expires_at } => {
                self.count_acquired(*reason, *from, *took);
                self.set_token_gauges(*lifetime, *expires_at);
            }
            EventKind::Refreshed { from, took, lifetime, expires_at, .. } => {
                self.count_acquired(AcquisitionReason::Refresh, *from, *took);
                self.set_token_gauges(*lifetime, *expires_at);
            }
            EventKind::Discarded { reason, from, took } => {
                if *from == ResultOrigin::Source {
                    self.count_success(*reason, *took);
                }
                self.set(&[(LAST_FAILURE_PERMANENT, 0.0)]);
            }
            // No token request was sent.
            EventKind::Kept { .. } => {}
            EventKind::Offered { from, lifetime, expires_at } => {
                if *from == ResultOrigin::Store {
                    store::count_token(self.client(), Way::Announcement);
                }
                self.set_token_gauges(*lifetime, *expires_at);
            }
            EventKind::Cleared => self.set(&[(TOKEN_EXPIRY, 0.0), (TOKEN_LIFETIME, 0.0)]),
            EventKind::NonceRequired { reason, .. } => {
                self.count_request("use_dpop_nonce", *reason)
            }
            EventKind::AttemptFailed { reason, error, .. } => {
                self.count_request(error.problem().outcome(), *reason);
            }
            EventKind::AcquisitionFailed { reason, from, took, error, next_attempt_in, .. } => {
                if *from == ResultOrigin::Source {
                    self.count_request(error.problem().outcome(), *reason);
                    self.time_acquisition("failure", *took);
                }
                let end = self.clock.read().wall.checked_add(*next_attempt_in);
                let permanent = f64::from(u8::from(error.is_permanent()));
                self.set(&[
                    (COOLDOWN_END, end.map_or(0.0, unix)),
                    (LAST_FAILURE_PERMANENT, permanent),
                ]);
            }
            EventKind::CooldownLeft { .. } => self.set(&[(COOLDOWN_END, 0.0)]),
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
            EventKind::ReadinessChanged { from, to } => self.apply(delta(Some(*from), Some(*to))),
            EventKind::StoreUsed { operation, outcome, took } => {
                store::count_operation(self.client(), *operation, *outcome, *took);
            }
            EventKind::SharingStopped { .. } => self.set_without_store(true),
            EventKind::SharingResumed => self.set_without_store(false),
            EventKind::Closed => {
                self.set_without_store(false);
                let reported = std::mem::take(&mut *locked(&self.reported));
                self.series.close(reported.map(|count| -count), self.owner);
            }
            _ => {}
        }
    }

    fn client(&self) -> SharedString {
        self.series.client()
    }

    fn count_request(&self, outcome: &'static str, reason: AcquisitionReason) {
        self.series.requests(outcome, reason).increment(1);
    }

    /// A token of another process is no token request.
    fn count_acquired(&self, reason: AcquisitionReason, from: ResultOrigin, took: Duration) {
        match from {
            ResultOrigin::Source => self.count_success(reason, took),
            ResultOrigin::Store => store::count_token(self.client(), Way::Acquisition),
        }
    }

    fn count_success(&self, reason: AcquisitionReason, took: Duration) {
        self.count_request("success", reason);
        self.time_acquisition("success", took);
    }

    /// An acquisition by this process ended.
    fn time_acquisition(&self, outcome: &'static str, took: Duration) {
        histogram!(ACQUISITION_DURATION, "client" => self.client(), "outcome" => outcome)
            .record(took);
    }

    fn set_without_store(&self, is_without: bool) {
        if self.is_without_store.swap(is_without, Relaxed) != is_without {
            self.series.add_without_store(if is_without { 1 } else { -1 });
        }
    }

    fn set_token_gauges(&self, lifetime: Duration, expires_at: SystemTime) {
        self.set(&[
            (TOKEN_EXPIRY, unix(expires_at)),
            (TOKEN_LIFETIME, lifetime.as_secs_f64()),
            (LAST_FAILURE_PERMANENT, 0.0),
        ]);
    }

    /// Sets gauges that only a single cache has.
    fn set(&self, gauges: &[(&'static str, f64)]) {
        if let Some(owner) = self.owner {
            self.series.set(owner, gauges);
        }
    }

    fn apply(&self, delta: ReadinessCounts) {
        let mut reported = locked(&self.reported);
        reported.iter_mut().zip(delta).for_each(|(count, delta)| *count += delta);
        drop(reported);
        self.series.add(delta);
    }
}

fn delta(from: Option<Readiness>, to: Option<Readiness>) -> ReadinessCounts {
    STATES.map(|it| i64::from(to == Some(it)) - i64::from(from == Some(it)))
}

fn unix(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
