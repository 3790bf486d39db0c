//! The kinds of events.

use std::time::{Duration, SystemTime};

use super::{
    readiness::Readiness,
    reason::{AcquisitionReason, RejectionAction, ResultOrigin},
    request::{NotReplayedReason, ReplayReason, WithheldReason},
    store::{StoreOperation, StoreOutcome},
};
use crate::error::Error;

/// The kind of an [`Event`](super::Event), with its details. New kinds and fields may be added.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{Event, event::EventKind};
///
/// fn pages(event: &Event) -> bool {
///     matches!(event.kind(), EventKind::AcquisitionFailed { error, .. } if error.is_permanent())
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// An acquisition started. It ends with `Acquired`, `Refreshed`, `Kept`, `Discarded` or
    /// `AcquisitionFailed`, unless its runtime ends, or it is [`Abandoned`](Self::Abandoned).
    #[non_exhaustive]
    AcquisitionStarted {
        /// Why a token is acquired.
        reason: AcquisitionReason,
        /// The previous acquisition failed, so this one makes a single attempt.
        probe: bool,
    },
    /// A token was acquired because none was cached, or because the cached one was rejected.
    #[non_exhaustive]
    Acquired {
        /// Why it was acquired.
        reason: AcquisitionReason,
        /// Where the token comes from.
        from: ResultOrigin,
        /// From the start of the acquisition to the token.
        took: Duration,
        /// The lifetime in force, from the instant before the token request was sent.
        lifetime: Duration,
        /// When the token is no longer used: its expiry minus the leeway.
        expires_at: SystemTime,
    },
    /// A token was replaced ahead of its expiry; no request waited for it.
    #[non_exhaustive]
    Refreshed {
        /// Where the token comes from.
        from: ResultOrigin,
        /// From the start of the acquisition to the token.
        took: Duration,
        /// The lifetime in force.
        lifetime: Duration,
        /// What was left of the old token's life.
        remaining: Duration,
        /// When the new token is no longer used: its expiry minus the leeway.
        expires_at: SystemTime,
    },
    /// An acquisition ended without a token request, and the cached token stays in use: the store of
    /// shared tokens fails and this process refreshes later, or the fleet's rejection budget is used up.
    #[non_exhaustive]
    Kept {
        /// Why another token was wanted.
        reason: AcquisitionReason,
        /// From the start of the acquisition to its end.
        took: Duration,
    },
    /// A token was acquired and is not cached: it was requested before the cache was
    /// [`Cleared`](Self::Cleared), its source [`Offered`](Self::Offered) a better one in the meantime,
    /// or it had expired on arrival and the cached one has not.
    #[non_exhaustive]
    Discarded {
        /// Why it was acquired.
        reason: AcquisitionReason,
        /// Where the token comes from.
        from: ResultOrigin,
        /// From the start of the acquisition to the token.
        took: Duration,
    },
    /// An acquisition failed. A token that is still valid stays in use.
    #[non_exhaustive]
    AcquisitionFailed {
        /// Why a token was wanted.
        reason: AcquisitionReason,
        /// Where the failure comes from.
        from: ResultOrigin,
        /// From the start of the acquisition to its failure.
        took: Duration,
        /// What went wrong. Its message does not name the client, which the event does.
        error: Error,
        /// How many attempts were made. `None` if the source does not count them.
        attempts: Option<u32>,
        /// How many acquisitions failed in a row, this one included, if it started.
        failures: u32,
        /// The earliest next acquisition, from now.
        next_attempt_in: Duration,
    },
    /// Requests waited for an acquisition. Emitted once per acquisition, if any request waited.
    #[non_exhaustive]
    Waited {
        /// How many requests waited, including those that gave up.
        requests: u32,
        /// The longest wait.
        longest: Duration,
        /// The sum of all waits.
        total: Duration,
    },
    /// The first of a series of acquisitions failed, or the first after `end_cooldown`. The cache pauses
    /// before the next one. Each further failure makes the pause longer.
    #[non_exhaustive]
    CooldownEntered {
        /// The earliest next acquisition, from now.
        next_attempt_in: Duration,
    },
    /// A token arrived after one or more failures, or
    /// [`end_cooldown`](crate::TokenCache::end_cooldown) ended the cooldown.
    #[non_exhaustive]
    CooldownLeft {
        /// How many acquisitions failed in a row.
        failures: u32,
        /// From the first of these failures to the token, or to the call.
        lasted: Duration,
    },
    /// The readiness of the cache changed. The next request notices an expiry.
    #[non_exhaustive]
    ReadinessChanged {
        /// The readiness before.
        from: Readiness,
        /// The readiness now.
        to: Readiness,
    },
    /// An API rejected the cached token. Once for each series of rejections with the same reaction.
    #[non_exhaustive]
    Rejected {
        /// How the cache reacts.
        action: RejectionAction,
        /// The API's origin. `None`: the caller reported the rejection, or the layer has several origins
        /// and kept no copy. The first 64 requests with the next token keep their origin.
        origin: Option<String>,
    },
    /// A request is sent again.
    #[non_exhaustive]
    Replayed {
        /// Why it is sent again.
        reason: ReplayReason,
        /// Where it is sent: scheme, host and port.
        origin: Option<String>,
    },
    /// The token endpoint requires another DPoP nonce (RFC 9449 §8). The request is sent again with it.
    #[non_exhaustive]
    NonceRequired {
        /// Why a token is acquired.
        reason: AcquisitionReason,
        /// The host of the token endpoint.
        server: String,
    },
    /// The server granted less scope than was asked for (RFC 6749 §3.3).
    #[non_exhaustive]
    ScopeNarrowed {
        /// The scope that was asked for.
        requested: String,
        /// The scope that was granted.
        granted: String,
    },
    /// One attempt of an acquisition failed and another follows.
    #[non_exhaustive]
    AttemptFailed {
        /// Why a token is acquired.
        reason: AcquisitionReason,
        /// Which attempt failed, from 1.
        attempt: u32,
        /// What went wrong.
        error: Error,
        /// How long until the next attempt.
        delay: Duration,
    },
    /// The authorization server's metadata does not list what this client does (RFC 8414 §2). The token
    /// request is made anyway, unless the settings are strict. Once for each document that is read.
    #[non_exhaustive]
    MetadataMismatch {
        /// The metadata's member, such as `token_endpoint_auth_methods_supported`.
        member: &'static str,
        /// What the client does.
        used: String,
        /// What the server lists; at most the first 12 names.
        listed: Vec<String>,
    },
    /// The server's metadata could not be read again. The previous document stays in use.
    #[non_exhaustive]
    StaleMetadataUsed {
        /// How old it is.
        age: Duration,
        /// Why there is no newer one.
        error: Error,
    },
    /// The machine was suspended, or its clock was set. The token's age is corrected.
    #[non_exhaustive]
    SuspendDetected {
        /// How far the wall clock moved forward more than the monotonic clock.
        by: Duration,
    },
    /// The cached token was discarded: by its source
    /// ([`CacheHandle::clear`](crate::source::CacheHandle::clear)), or by
    /// [`TokenCache::clear`](crate::TokenCache::clear).
    Cleared,
    /// The source offered a token, and the cache uses it
    /// ([`CacheHandle::offer`](crate::source::CacheHandle::offer)).
    #[non_exhaustive]
    Offered {
        /// Where the token comes from. [`ResultOrigin::Store`]: another process announced it.
        from: ResultOrigin,
        /// The lifetime in force, from the instant that the token was issued.
        lifetime: Duration,
        /// When the token is no longer used: its expiry minus the leeway.
        expires_at: SystemTime,
    },
    /// An acquisition exceeded `acquisition_timeout` by 5 s and was replaced. Its source blocks a
    /// thread, or its runtime is stalled: a current-thread runtime that nobody is blocking on.
    #[non_exhaustive]
    Abandoned {
        /// How old it was.
        age: Duration,
    },
    /// A secret, key, assertion or certificate could not be read or used. The previous one stays in use.
    #[non_exhaustive]
    StaleCredentialUsed {
        /// The file's path, or the setting that names it, or `closure`.
        from: String,
        /// Why there is no newer value.
        error: Error,
    },
    /// The client secret is shorter than the hash that it signs with (RFC 7518 §3.2). Once a source.
    #[non_exhaustive]
    ShortSecret {
        /// The signing algorithm, such as `HS256`.
        algorithm: &'static str,
        /// The minimum length of the secret in bytes.
        minimum: usize,
    },
    /// A request was sent without a token, or refused. At most once a minute for each reason and origin.
    #[non_exhaustive]
    TokenWithheld {
        /// Why it must not carry the token.
        reason: WithheldReason,
        /// Where the request goes: scheme, host and port, without userinfo. For
        /// [`OtherHost`](WithheldReason::OtherHost) the origin that its `Host` field names.
        origin: Option<String>,
        /// Whether the request was refused.
        refused: bool,
    },
    /// A request whose token was rejected, or whose DPoP proof lacked a nonce, was not sent again,
    /// and the caller got the API's response. For
    /// [`ConnectionLost`](NotReplayedReason::ConnectionLost) the caller got the error. At most once
    /// a minute for each reason.
    #[non_exhaustive]
    NotReplayed {
        /// Why it was not sent again.
        reason: NotReplayedReason,
    },
    /// A client below the middleware followed a redirect of a request with our token to another
    /// origin, which may have received the token. The token counts as rejected and is replaced. At
    /// most once a minute for each origin. Follow redirects above the layer, or build the client with
    /// `ReqwestService` or `same_origin_redirects`.
    #[non_exhaustive]
    RedirectedToOtherOrigin {
        /// The origin that the request was for.
        from: String,
        /// The origin that answered.
        to: String,
    },
    /// The local wall clock and a server's differ by more than 5 s. Assertions and proofs for that
    /// server have its time from now on. Once for each change of the difference.
    #[non_exhaustive]
    ClockSkew {
        /// The difference. It is zero when the clocks agree again.
        by: Duration,
        /// Whether the local clock is behind.
        local_is_behind: bool,
        /// The origin of the API whose clock it is (DPoP, RFC 9449). `None`: the authorization server's.
        api: Option<String>,
    },
    /// An operation of the store of shared tokens ended (feature `store`).
    #[non_exhaustive]
    StoreUsed {
        /// The operation.
        operation: StoreOperation,
        /// How it ended.
        outcome: StoreOutcome,
        /// How long it took.
        took: Duration,
    },
    /// The store of shared tokens failed: this process acquires its own tokens. Once for each store.
    #[non_exhaustive]
    SharingStopped {
        /// How the store failed.
        error: Error,
    },
    /// Tokens are shared again.
    SharingResumed,
    /// The entry of the token in the store cannot be read: it is sealed by another key, damaged, or of
    /// another version. It is not overwritten. This process acquires its own tokens. Once for each
    /// entry, until tokens are shared again.
    #[non_exhaustive]
    EntryNotUsed {
        /// The name of the entry: a hash, in hexadecimal.
        entry: String,
        /// Why it is not used, and what to do.
        error: Error,
    },
    /// A shared token is not used, because it was issued in the future: the clocks of hosts differ.
    #[non_exhaustive]
    SharedTokenFromFuture {
        /// How far in the future it was issued.
        by: Duration,
    },
    /// The store does not announce new tokens to this process, which asks the store instead and learns
    /// of a new token a little later. Once for each store, until an announcement arrives.
    #[non_exhaustive]
    AnnouncementsStopped {
        /// What went wrong.
        error: Error,
    },
    /// The last owner of the cache was dropped.
    Closed,
}
