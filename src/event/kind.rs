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
/// A line for an operator:
///
/// ```
/// use tower_oauth2_client_credentials::{Event, event::EventKind};
///
/// fn page(event: &Event) -> Option<String> {
///     match event.kind() {
///         EventKind::AcquisitionFailed { error, failures, .. } if error.is_permanent() => {
///             Some(format!("{}: {error} ({failures} in a row)", event.client()))
///         }
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// An acquisition started. Its task runs until [`Acquired`](Self::Acquired),
    /// [`Refreshed`](Self::Refreshed), [`Kept`](Self::Kept), [`Discarded`](Self::Discarded) or
    /// [`AcquisitionFailed`](Self::AcquisitionFailed). It has no end event if its runtime ends, or if
    /// it was [`Abandoned`](Self::Abandoned).
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
    /// An acquisition ended without another token, and without a token request. The cached token stays
    /// in use: the store of shared tokens does not answer, and this process refreshes at another time
    /// than the others, or the fleet's budget of rejections is used up.
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
        /// How many acquisitions failed in a row, this one included. One that did not start
        /// ([`Overloaded`](crate::ErrorKind::Overloaded)) does not count.
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
    /// The first of a series of acquisitions failed, or the first after
    /// [`end_cooldown`](crate::TokenCache::end_cooldown): the cache pauses before the next one, and each
    /// further failure makes the pause longer.
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
    /// The readiness of the cache changed. An expiry is noticed by the next request, since an idle
    /// cache has no timer.
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
        /// The API's origin. `None` if it is not known: the caller reported the rejection, or the layer
        /// has several origins and kept no copy of the request. The first 64 requests with the next token
        /// keep their origin, so a repeated rejection names it.
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
    /// The token endpoint requires another DPoP nonce (RFC 9449 §8). The token request is sent again
    /// with it.
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
    /// The authorization server's metadata does not list what this client does (RFC 8414 §2). Metadata
    /// is often wrong, so the token request is made anyway, unless the settings are strict. Once for
    /// each document that is read.
    #[non_exhaustive]
    MetadataMismatch {
        /// The metadata's member, such as `token_endpoint_auth_methods_supported`.
        member: &'static str,
        /// What the client does.
        used: String,
        /// What the server lists; at most the first 12 names.
        listed: Vec<String>,
    },
    /// The authorization server's metadata is due to be read again, and reading failed. The previous
    /// document stays in use.
    #[non_exhaustive]
    StaleMetadataUsed {
        /// How old it is.
        age: Duration,
        /// Why there is no newer one.
        error: Error,
    },
    /// The wall clock moved forward more than the monotonic clock: the machine was suspended, or
    /// its clock was set. The token's age is corrected by the difference.
    #[non_exhaustive]
    SuspendDetected {
        /// The difference.
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
    /// An acquisition exceeded
    /// [`acquisition_timeout`](crate::cache::TokenCacheBuilder::acquisition_timeout) by 5 s on a
    /// waiter's clock and was replaced. Its runtime has ended, or is stalled: a current-thread
    /// runtime that nobody is blocking on.
    #[non_exhaustive]
    Abandoned {
        /// How old it was.
        age: Duration,
    },
    /// A file or closure with a secret, key, assertion or certificate could not be read, or an
    /// assertion or certificate could not be used. The value that was read last stays in use.
    #[non_exhaustive]
    StaleCredentialUsed {
        /// The file's path, or the setting that names it, or `closure`.
        from: String,
        /// Why there is no newer value.
        error: Error,
    },
    /// The client secret is shorter than the hash that it signs with (RFC 7518 §3.2). Some
    /// servers refuse such a secret. Once for each source.
    #[non_exhaustive]
    ShortSecret {
        /// The signing algorithm, such as `HS256`.
        algorithm: &'static str,
        /// The minimum length of the secret in bytes.
        minimum: usize,
    },
    /// A request was sent without a token, or refused, because it must not carry one. At most once
    /// a minute for each reason and origin.
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
    /// most once a minute for each origin.
    ///
    /// Follow redirects above the layer, or build the client with `ReqwestService` or
    /// `same_origin_redirects`.
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
    /// The store of shared tokens failed: this process acquires its own tokens, until an acquisition
    /// finds that the store works. Once for each change.
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
    /// A shared token was issued in the future, so the clocks of two hosts differ by more than
    /// [allowed](crate::docs::defaults). It is not used. Once for each change.
    #[non_exhaustive]
    SharedTokenFromFuture {
        /// How far in the future it was issued.
        by: Duration,
    },
    /// The store cannot announce new tokens, or this process cannot receive announcements. Processes
    /// ask the store instead, and learn of a new token a little later. Once until an announcement
    /// arrives.
    #[non_exhaustive]
    AnnouncementsStopped {
        /// What went wrong.
        error: Error,
    },
    /// The last owner of the cache was dropped.
    Closed,
}

impl EventKind {
    /// A short name, such as `acquisition_failed`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AcquisitionStarted { .. } => "acquisition_started",
            Self::Acquired { .. } => "acquired",
            Self::Refreshed { .. } => "refreshed",
            Self::Kept { .. } => "kept",
            Self::Discarded { .. } => "discarded",
            Self::AcquisitionFailed { .. } => "acquisition_failed",
            Self::Waited { .. } => "waited",
            Self::CooldownEntered { .. } => "cooldown_entered",
            Self::CooldownLeft { .. } => "cooldown_left",
            Self::ReadinessChanged { .. } => "readiness_changed",
            Self::Rejected { .. } => "rejected",
            Self::Replayed { .. } => "replayed",
            Self::NonceRequired { .. } => "nonce_required",
            Self::ScopeNarrowed { .. } => "scope_narrowed",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::MetadataMismatch { .. } => "metadata_mismatch",
            Self::StaleMetadataUsed { .. } => "stale_metadata_used",
            Self::SuspendDetected { .. } => "suspend_detected",
            Self::Cleared => "cleared",
            Self::Offered { .. } => "offered",
            Self::Abandoned { .. } => "abandoned",
            Self::StaleCredentialUsed { .. } => "stale_credential_used",
            Self::ShortSecret { .. } => "short_secret",
            Self::TokenWithheld { .. } => "token_withheld",
            Self::NotReplayed { .. } => "not_replayed",
            Self::RedirectedToOtherOrigin { .. } => "redirected_to_other_origin",
            Self::ClockSkew { .. } => "clock_skew",
            Self::StoreUsed { .. } => "store_used",
            Self::SharingStopped { .. } => "sharing_stopped",
            Self::SharingResumed => "sharing_resumed",
            Self::EntryNotUsed { .. } => "entry_not_used",
            Self::SharedTokenFromFuture { .. } => "shared_token_from_future",
            Self::AnnouncementsStopped { .. } => "announcements_stopped",
            Self::Closed => "closed",
        }
    }
}
