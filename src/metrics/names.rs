//! The names of the metrics, and the values of their labels.

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};

use crate::event::{AcquisitionReason, Readiness};

pub(super) const TOKEN_REQUESTS: &str = "oauth_client_token_requests_total";
pub(super) const ACQUISITION_DURATION: &str = "oauth_client_acquisition_duration_seconds";
pub(super) const TOKEN_EXPIRY: &str = "oauth_client_token_expiry_timestamp_seconds";
pub(super) const TOKEN_LIFETIME: &str = "oauth_client_token_lifetime_seconds";
pub(super) const WAITS: &str = "oauth_client_waits_total";
pub(super) const WAIT_DURATION: &str = "oauth_client_wait_duration_seconds";
pub(super) const REJECTIONS: &str = "oauth_client_rejections_total";
pub(super) const REPLAYS: &str = "oauth_client_replays_total";
pub(super) const COOLDOWN_END: &str = "oauth_client_cooldown_end_timestamp_seconds";
pub(super) const LAST_FAILURE_PERMANENT: &str = "oauth_client_last_failure_permanent";
pub(super) const CACHES: &str = "oauth_client_caches";
pub(super) const STORE_OPERATIONS: &str = "oauth_client_store_operations_total";
pub(super) const STORE_OPERATION_DURATION: &str = "oauth_client_store_operation_duration_seconds";
pub(super) const SHARED_TOKENS: &str = "oauth_client_shared_tokens_total";
pub(super) const WITHOUT_STORE: &str = "oauth_client_caches_without_store";

pub(super) const STATES: [Readiness; 4] =
    [Readiness::Idle, Readiness::Ready, Readiness::Degraded, Readiness::Failed];

/// The gauges of a single cache.
pub(super) const TOKEN_GAUGES: [&str; 4] =
    [TOKEN_EXPIRY, TOKEN_LIFETIME, COOLDOWN_END, LAST_FAILURE_PERMANENT];

/// An increase is visible only if the counter was exported before. These have alerts.
pub(super) const OUTCOMES: [&str; 4] =
    ["success", "invalid_client", "unauthorized_client", "credentials_refused"];
pub(super) const ACTIONS: [&str; 2] = ["acquiring", "budget_exhausted"];

pub(super) const REASONS: [AcquisitionReason; 4] = [
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
        "When the token that was cached last is no longer used, as Unix time. 0: no token is cached."
    );
    describe_gauge!(TOKEN_LIFETIME, Unit::Seconds, "Lifetime of the token that was cached last.");
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
    describe_counter!(STORE_OPERATIONS, Unit::Count, "Operations of the token store by outcome.");
    describe_histogram!(
        STORE_OPERATION_DURATION,
        Unit::Seconds,
        "Duration of operations of the token store."
    );
    describe_counter!(SHARED_TOKENS, Unit::Count, "Tokens of other processes that were taken.");
    describe_gauge!(
        WITHOUT_STORE,
        Unit::Count,
        "How many caches acquire tokens without their store, because it failed."
    );
}
