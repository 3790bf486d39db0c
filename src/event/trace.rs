//! The log line of each event. The table in the documentation of [`event`](super) lists them.

use std::{error::Error as StdError, time::Duration};

use super::{kind::EventKind, reason::RejectionAction};
use crate::error::Logged;

/// The target of all log lines about events, for filters.
pub const TARGET: &str = "tower_oauth2_client_credentials";

macro_rules! log {
    ($level:ident, $($rest:tt)+) => {
        tracing::event!(target: TARGET, tracing::Level::$level, $($rest)+)
    };
}

impl EventKind {
    /// DEBUG while all is well; WARN where an operator would want to look.
    pub(super) fn trace(&self, client: &str) {
        match self {
            Self::AcquisitionStarted { .. }
            | Self::Acquired { .. }
            | Self::Refreshed { .. }
            | Self::Kept { .. }
            | Self::Discarded { .. }
            | Self::AcquisitionFailed { .. }
            | Self::AttemptFailed { .. }
            | Self::Abandoned { .. }
            | Self::Waited { .. }
            | Self::CooldownEntered { .. }
            | Self::CooldownLeft { .. }
            | Self::NonceRequired { .. }
            | Self::ScopeNarrowed { .. } => self.trace_acquisition(client),
            Self::Rejected { .. }
            | Self::Replayed { .. }
            | Self::NotReplayed { .. }
            | Self::TokenWithheld { .. }
            | Self::RedirectedToOtherOrigin { .. } => self.trace_request(client),
            Self::ReadinessChanged { .. }
            | Self::Cleared
            | Self::Offered { .. }
            | Self::SuspendDetected { .. }
            | Self::Closed => self.trace_cache(client),
            Self::MetadataMismatch { .. }
            | Self::StaleMetadataUsed { .. }
            | Self::StaleCredentialUsed { .. }
            | Self::ShortSecret { .. }
            | Self::ClockSkew { .. } => self.trace_settings(client),
            Self::StoreUsed { .. }
            | Self::SharingStopped { .. }
            | Self::SharingResumed
            | Self::EntryNotUsed { .. }
            | Self::SharedTokenFromFuture { .. }
            | Self::AnnouncementsStopped { .. } => self.trace_store(client),
        }
    }

    fn trace_acquisition(&self, client: &str) {
        match self {
            Self::AcquisitionStarted { reason, probe } => {
                log!(DEBUG, client, reason = reason.as_str(), probe, "acquiring an access token");
            }
            Self::Acquired { reason, from, took, lifetime, .. } => {
                let (reason, from) = (reason.as_str(), from.as_str());
                log!(DEBUG, client, reason, from, ?took, ?lifetime, "access token acquired");
            }
            Self::Refreshed { from, took, lifetime, remaining, .. } => {
                log!(
                    DEBUG,
                    client,
                    from = from.as_str(),
                    ?took,
                    ?lifetime,
                    ?remaining,
                    "access token refreshed ahead of expiry"
                );
            }
            Self::Kept { reason, took } => {
                log!(DEBUG, client, reason = reason.as_str(), ?took, "cached access token kept");
            }
            Self::Discarded { reason, from, took } => {
                let (reason, from) = (reason.as_str(), from.as_str());
                log!(DEBUG, client, reason, from, ?took, "access token not cached");
            }
            Self::AcquisitionFailed {
                reason,
                from,
                took,
                error,
                attempts,
                failures,
                next_attempt_in,
            } => {
                let (code, error) = (error.code(), Logged::new(error));
                log!(
                    WARN,
                    client,
                    reason = reason.as_str(),
                    from = from.as_str(),
                    code,
                    attempts,
                    failures,
                    ?took,
                    ?next_attempt_in,
                    error = &error as &dyn StdError,
                    "access token acquisition failed"
                );
            }
            Self::AttemptFailed { reason, attempt, error, delay } => {
                let (code, error) = (error.code(), Logged::new(error));
                log!(
                    DEBUG,
                    client,
                    reason = reason.as_str(),
                    code,
                    attempt,
                    ?delay,
                    error = &error as &dyn StdError,
                    "token request failed, trying again"
                );
            }
            Self::Abandoned { age } => {
                log!(
                    WARN,
                    client,
                    ?age,
                    "acquisition abandoned: its source blocks a thread, or its runtime is not driven"
                );
            }
            Self::Waited { requests, longest, total } => {
                log!(DEBUG, client, requests, ?longest, ?total, "requests waited for a token");
            }
            Self::CooldownEntered { next_attempt_in } => {
                log!(DEBUG, client, ?next_attempt_in, "cooldown entered");
            }
            Self::CooldownLeft { failures, lasted } => {
                log!(DEBUG, client, failures, ?lasted, "cooldown left");
            }
            Self::NonceRequired { reason, server } => {
                log!(
                    DEBUG,
                    client,
                    reason = reason.as_str(),
                    server,
                    "nonce required, sending the token request again"
                );
            }
            Self::ScopeNarrowed { requested, granted } => {
                log!(WARN, client, requested, granted, "less scope granted than requested");
            }
            _ => {}
        }
    }

    fn trace_request(&self, client: &str) {
        match self {
            Self::Rejected {
                action: action @ RejectionAction::BudgetExhausted { next_in },
                origin,
            } => {
                let (action, origin) = (action.as_str(), origin.as_deref());
                log!(WARN, client, action, origin, ?next_in, "this API rejects fresh tokens");
            }
            Self::Rejected { action, origin } => {
                let (next_in, origin) = (action.next_in(), origin.as_deref());
                let action = action.as_str();
                log!(DEBUG, client, action, origin, ?next_in, "access token rejected");
            }
            Self::Replayed { reason, origin } => {
                let (reason, origin) = (reason.as_str(), origin.as_deref());
                log!(DEBUG, client, reason, origin, "request sent again");
            }
            Self::NotReplayed { reason } => {
                let (reason, advice) = (reason.as_str(), reason.explanation());
                log!(DEBUG, client, reason, advice, "rejected request not sent again");
            }
            Self::TokenWithheld { reason, origin, refused } => {
                let origin = origin.as_deref();
                let (reason, advice) = (reason.as_str(), reason.explanation());
                log!(DEBUG, client, reason, origin, refused, advice, "request without a token");
            }
            Self::RedirectedToOtherOrigin { from, to } => {
                log!(
                    WARN,
                    client,
                    from,
                    to,
                    advice = "build the client with ReqwestService or same_origin_redirects",
                    "the client followed a redirect to another origin, which may have received \
                     the access token"
                );
            }
            _ => {}
        }
    }

    fn trace_cache(&self, client: &str) {
        match self {
            Self::ReadinessChanged { from, to } => {
                let is_healthy = from.is_healthy() && to.is_healthy();
                let (from, to) = (from.as_str(), to.as_str());
                if is_healthy {
                    log!(DEBUG, client, from, to, "readiness changed");
                } else {
                    log!(INFO, client, from, to, "readiness changed");
                }
            }
            Self::Cleared => log!(DEBUG, client, "cached access token discarded"),
            Self::Offered { from, lifetime, .. } => {
                let from = from.as_str();
                log!(DEBUG, client, from, ?lifetime, "access token offered by its source");
            }
            Self::SuspendDetected { by } => {
                log!(
                    INFO,
                    client,
                    ?by,
                    "suspend noticed, the cached token is older than it seemed"
                );
            }
            Self::Closed => log!(DEBUG, client, "token cache dropped"),
            _ => {}
        }
    }

    fn trace_settings(&self, client: &str) {
        match self {
            Self::MetadataMismatch { member, used, listed } => {
                log!(
                    WARN,
                    client,
                    member,
                    used,
                    ?listed,
                    "the authorization server's metadata does not list what this client does"
                );
            }
            Self::StaleMetadataUsed { age, error } => {
                let error = Logged::new(error);
                log!(
                    WARN,
                    client,
                    ?age,
                    error = &error as &dyn StdError,
                    "metadata not refreshed, the old document is used"
                );
            }
            Self::StaleCredentialUsed { from, error } => {
                let error = Logged::new(error);
                log!(
                    WARN,
                    client,
                    from,
                    error = &error as &dyn StdError,
                    "credential not read, the last good one is used again"
                );
            }
            Self::ShortSecret { algorithm, minimum } => {
                log!(
                    WARN,
                    client,
                    algorithm,
                    minimum,
                    "the client secret is shorter than the HMAC output"
                );
            }
            Self::ClockSkew { by, local_is_behind, api } => {
                trace_skew(client, *by, *local_is_behind, api.as_deref());
            }
            _ => {}
        }
    }

    fn trace_store(&self, client: &str) {
        match self {
            Self::StoreUsed { operation, outcome, took } => {
                let (operation, outcome) = (operation.as_str(), outcome.as_str());
                log!(DEBUG, client, operation, outcome, ?took, "token store used");
            }
            Self::SharingStopped { error } => {
                let error = Logged::new(error);
                log!(
                    WARN,
                    client,
                    error = &error as &dyn StdError,
                    "token store failed, tokens are not shared until it works"
                );
            }
            Self::SharingResumed => {
                log!(INFO, client, "token store works, tokens are shared again");
            }
            Self::EntryNotUsed { entry, error } => {
                let error = Logged::new(error);
                log!(
                    WARN,
                    client,
                    entry,
                    error = &error as &dyn StdError,
                    "entry of the token store not used, tokens are not shared"
                );
            }
            Self::SharedTokenFromFuture { by } => {
                log!(
                    WARN,
                    client,
                    ?by,
                    "shared token issued in the future, synchronize the hosts' clocks"
                );
            }
            Self::AnnouncementsStopped { error } => {
                let error = Logged::new(error);
                log!(
                    WARN,
                    client,
                    error = &error as &dyn StdError,
                    "announcements of shared tokens interrupted, polling instead"
                );
            }
            _ => {}
        }
    }
}

fn trace_skew(client: &str, by: Duration, local_is_behind: bool, api: Option<&str>) {
    match (by.is_zero(), api) {
        (false, None) => log!(
            WARN,
            client,
            ?by,
            local_is_behind,
            "the wall clock differs from the authorization server's"
        ),
        (true, None) => {
            log!(INFO, client, "the wall clock agrees with the authorization server's again");
        }
        (false, Some(origin)) => {
            log!(WARN, client, origin, ?by, local_is_behind, "the wall clock differs from an API's")
        }
        (true, Some(origin)) => {
            log!(INFO, client, origin, "the wall clock agrees with an API's again");
        }
    }
}
