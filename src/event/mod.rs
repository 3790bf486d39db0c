//! Typed events about tokens, sent to an observer closure and to `tracing`.
//!
//! Each [`Event`] has the name of its client and an [`EventKind`]. An
//! [`observer`](crate::cache::TokenCacheBuilder::observer) receives all events of a cache. No event
//! carries a token, a secret, or text from a server other than an [`Error`](crate::Error)'s.
//!
//! # Log lines
//!
//! Each event is one log line with the target [`TARGET`]. DEBUG is normal operation, so a healthy
//! service logs nothing at INFO. WARN is for an operator. All lines have the field `client`.
//!
//! | event | level | message | other fields |
//! | --- | --- | --- | --- |
//! | [`AcquisitionStarted`](EventKind::AcquisitionStarted) | DEBUG | acquiring an access token | `reason`, `probe` |
//! | [`AttemptFailed`](EventKind::AttemptFailed) | DEBUG | token request failed, trying again | `reason`, `code`, `attempt`, `delay`, `error` |
//! | [`NonceRequired`](EventKind::NonceRequired) | DEBUG | nonce required, sending the token request again | `reason`, `server` |
//! | [`Acquired`](EventKind::Acquired) | DEBUG | access token acquired | `reason`, `from`, `took`, `lifetime` |
//! | [`Refreshed`](EventKind::Refreshed) | DEBUG | access token refreshed ahead of expiry | `from`, `took`, `lifetime`, `remaining` |
//! | [`Kept`](EventKind::Kept) | DEBUG | cached access token kept | `reason`, `took` |
//! | [`Discarded`](EventKind::Discarded) | DEBUG | access token not cached | `reason`, `from`, `took` |
//! | [`ScopeNarrowed`](EventKind::ScopeNarrowed) | WARN | less scope granted than requested | `requested`, `granted` |
//! | [`AcquisitionFailed`](EventKind::AcquisitionFailed) | WARN | access token acquisition failed | `reason`, `from`, `code`, `attempts`, `failures`, `took`, `next_attempt_in`, `error` |
//! | [`Abandoned`](EventKind::Abandoned) | WARN | acquisition abandoned: its source blocks a thread, or its runtime is not driven | `age` |
//! | [`Waited`](EventKind::Waited) | DEBUG | requests waited for a token | `requests`, `longest`, `total` |
//! | [`CooldownEntered`](EventKind::CooldownEntered) | DEBUG | cooldown entered | `next_attempt_in` |
//! | [`CooldownLeft`](EventKind::CooldownLeft) | DEBUG | cooldown left | `failures`, `lasted` |
//! | [`ReadinessChanged`](EventKind::ReadinessChanged) | DEBUG | readiness changed | `from`, `to` |
//! | [`ReadinessChanged`](EventKind::ReadinessChanged) | INFO | readiness changed | `from`, `to` |
//! | [`Offered`](EventKind::Offered) | DEBUG | access token offered by its source | `from`, `lifetime` |
//! | [`Cleared`](EventKind::Cleared) | DEBUG | cached access token discarded |  |
//! | [`SuspendDetected`](EventKind::SuspendDetected) | INFO | suspend noticed, the cached token is older than it seemed | `by` |
//! | [`Closed`](EventKind::Closed) | DEBUG | token cache dropped |  |
//! | [`Rejected`](EventKind::Rejected) | DEBUG | access token rejected | `action`, `origin`, `next_in` |
//! | [`Rejected`](EventKind::Rejected) | WARN | this API rejects fresh tokens | `action`, `origin`, `next_in` |
//! | [`Replayed`](EventKind::Replayed) | DEBUG | request sent again | `reason`, `origin` |
//! | [`NotReplayed`](EventKind::NotReplayed) | DEBUG | rejected request not sent again | `reason`, `advice` |
//! | [`TokenWithheld`](EventKind::TokenWithheld) | DEBUG | request without a token | `reason`, `origin`, `refused`, `advice` |
//! | [`RedirectedToOtherOrigin`](EventKind::RedirectedToOtherOrigin) | WARN | the client followed a redirect to another origin, which may have received the access token | `from`, `to`, `advice` |
//! | [`MetadataMismatch`](EventKind::MetadataMismatch) | WARN | the authorization server's metadata does not list what this client does | `member`, `used`, `listed` |
//! | [`StaleMetadataUsed`](EventKind::StaleMetadataUsed) | WARN | metadata not refreshed, the old document is used | `age`, `error` |
//! | [`StaleCredentialUsed`](EventKind::StaleCredentialUsed) | WARN | credential not read, the last good one is used again | `from`, `error` |
//! | [`ShortSecret`](EventKind::ShortSecret) | WARN | the client secret is shorter than the HMAC output | `algorithm`, `minimum` |
//! | [`ClockSkew`](EventKind::ClockSkew) | WARN | the wall clock differs from the authorization server's | `by`, `local_is_behind` |
//! | [`ClockSkew`](EventKind::ClockSkew) | INFO | the wall clock agrees with the authorization server's again |  |
//! | [`ClockSkew`](EventKind::ClockSkew) | WARN | the wall clock differs from an API's | `origin`, `by`, `local_is_behind` |
//! | [`ClockSkew`](EventKind::ClockSkew) | INFO | the wall clock agrees with an API's again | `origin` |
//! | [`StoreUsed`](EventKind::StoreUsed) | DEBUG | token store used | `operation`, `outcome`, `took` |
//! | [`SharingStopped`](EventKind::SharingStopped) | WARN | token store failed, tokens are not shared until it works | `error` |
//! | [`SharingResumed`](EventKind::SharingResumed) | INFO | token store works, tokens are shared again |  |
//! | [`EntryNotUsed`](EventKind::EntryNotUsed) | WARN | entry of the token store not used, tokens are not shared | `entry`, `error` |
//! | [`SharedTokenFromFuture`](EventKind::SharedTokenFromFuture) | WARN | shared token issued in the future, synchronize the hosts' clocks | `by` |
//! | [`AnnouncementsStopped`](EventKind::AnnouncementsStopped) | WARN | announcements of shared tokens interrupted, polling instead | `error` |
//!
//! [`ReadinessChanged`](EventKind::ReadinessChanged) is at INFO if the readiness before or after is
//! `degraded` or `failed`. `error` is recorded as a `dyn Error`, so a subscriber prints the chain of
//! causes, each of them shortened and without control characters.
//!
//! Two lines with this target belong to no client: `client certificate replaced` (INFO, `thumbprint`),
//! because clients can share a certificate; and, while settings are read, `file not read yet, it is read
//! again when needed` (WARN, `setting`, `error`). If an observer panics, the line `the observer of token
//! events panicked, fix the closure` (ERROR, `client`) says so.
//!
//! # Spans
//!
//! Only acquisitions have spans, at level DEBUG. Requests have none.
//!
//! | span | fields |
//! | --- | --- |
//! | `acquire_token` | `client`, `reason`, `probe`. It follows from the span of the request that started it. |
//! | `token_request`, within it, one for each token request | `attempt`, and OpenTelemetry's attributes of HTTP clients: `otel.kind`, `http.request.method`, `server.address`, `server.port`, `http.response.status_code`, and after a failure `error.type` and `otel.status_code` (`ERROR`) |
//! | `metadata_request`, within it, one for each URI of the server's metadata | the same without `attempt` |

mod kind;
mod name;
mod observer;
mod readiness;
mod reason;
mod request;
mod store;
#[cfg(all(test, not(oauth_loom)))]
mod tests;
mod throttle;
mod trace;

pub(crate) use self::observer::UNNAMED;
#[cfg(feature = "metrics")]
pub(crate) use self::observer::contained;
pub use self::{
    kind::EventKind,
    observer::{Event, Observer},
    readiness::Readiness,
    reason::{AcquisitionReason, RejectionAction, ResultOrigin},
    request::{NotReplayedReason, ReplayReason, WithheldReason},
    store::{StoreOperation, StoreOutcome},
    trace::TARGET,
};
