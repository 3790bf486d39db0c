//! Typed events about tokens, sent to an observer closure and to `tracing`.
//!
//! No event carries a token, a secret, or text from a server other than an [`Error`]'s.

mod request;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

pub use self::request::{NotReplayedReason, WithheldReason};
use crate::error::Error;

/// Why a cache asks its source for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcquisitionReason {
    /// No valid token is cached: requests wait for this one.
    Missing,
    /// The cached token is still valid; this one replaces it before it expires.
    Refresh,
    /// An API rejected the cached token.
    Rejected,
    /// A caller asked for another token.
    Forced,
}

impl AcquisitionReason {
    /// A short name, as used in events and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Refresh => "refresh",
            Self::Rejected => "rejected",
            Self::Forced => "forced",
        }
    }

    /// Whether neither the schedule nor a missing token caused the acquisition.
    pub(crate) fn is_early(self) -> bool {
        matches!(self, Self::Rejected | Self::Forced)
    }
}

/// Something that happened to a cache's tokens. New kinds may be added.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A token was acquired because none was cached, or because the cached one was rejected.
    #[non_exhaustive]
    Acquired {
        /// Why it was acquired.
        reason: AcquisitionReason,
        /// From the start of the acquisition to the token.
        took: Duration,
        /// The lifetime in force, from the instant before the token request was sent.
        lifetime: Duration,
    },
    /// A token was replaced ahead of its expiry; no request waited for it.
    #[non_exhaustive]
    RefreshedAhead {
        /// From the start of the acquisition to the token.
        took: Duration,
        /// The lifetime in force.
        lifetime: Duration,
        /// What was left of the old token's life.
        remaining: Duration,
    },
    /// An acquisition failed. A token that is still valid stays in use.
    #[non_exhaustive]
    Failed {
        /// Why a token was wanted.
        reason: AcquisitionReason,
        /// From the start of the acquisition to its failure.
        took: Duration,
        /// What went wrong.
        error: Error,
        /// How many acquisitions failed in a row, this one included. One that did not start
        /// ([`Overloaded`](crate::ErrorKind::Overloaded)) does not count.
        failures: u32,
        /// The earliest next acquisition, from now.
        next_attempt_in: Duration,
    },
    /// An API rejected the cached token.
    #[non_exhaustive]
    Rejected {
        /// How the cache reacts.
        action: RejectionAction,
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
    Retrying {
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
    MetadataKept {
        /// How old it is.
        age: Duration,
        /// Why there is no newer one.
        error: Error,
    },
    /// The wall clock moved forward more than the monotonic clock: the machine was suspended, or
    /// its clock was set. The token's age is corrected by the difference.
    #[non_exhaustive]
    SuspendNoticed {
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
        /// The lifetime in force, from the instant that the token was issued.
        lifetime: Duration,
    },
    /// An acquisition exceeded
    /// [`acquisition_timeout`](crate::cache::TokenCacheBuilder::acquisition_timeout) by 5 s on a
    /// waiter's clock and was replaced. Its runtime has ended, or is stalled: a current-thread
    /// runtime while no thread is in its `block_on`.
    #[non_exhaustive]
    Abandoned {
        /// How old it was.
        age: Duration,
    },
    /// A file or closure with a secret, key, assertion or certificate could not be read, or an
    /// assertion or certificate could not be used. The value that was read last stays in use.
    #[non_exhaustive]
    CredentialKept {
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
        origin: String,
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
    RedirectedElsewhere {
        /// The origin that the request was for.
        from: String,
        /// The origin that answered.
        to: String,
    },
    /// The local wall clock and the authorization server's are more than a few seconds apart:
    /// client assertions are dated by the server's from now on. Reported again when the difference
    /// changes.
    #[non_exhaustive]
    ClockSkew {
        /// The difference. It is zero when the clocks agree again.
        by: Duration,
        /// Whether the local clock is the one that is behind.
        local_is_behind: bool,
    },
}

/// How a cache reacts to a rejected token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionAction {
    /// An acquisition was started.
    Acquiring,
    /// An acquisition was in flight already.
    Joined,
    /// The last acquisition failed; the next is possible in `next_in`, and comes with the next
    /// request after that.
    CoolingDown {
        /// The end of the cooldown, from now.
        next_in: Duration,
    },
    /// There is no tokio runtime here to acquire a token on.
    NoRuntime,
    /// This API rejects fresh tokens. The rejection budget is used up, so the API's response is
    /// returned. The next acquisition for a rejection is possible in `next_in`.
    TooSoon {
        /// The earliest next acquisition for a rejection, from now.
        next_in: Duration,
    },
}

/// Receives events: a closure, and `tracing`.
#[derive(Clone, Default)]
pub struct Observer(Option<Arc<Closure>>);

type Closure = dyn Fn(&Event) + Send + Sync;

impl Observer {
    /// Sends each event to a closure. It runs on the task that caused the event, outside of every
    /// lock: keep it short, and don't block. A panic in it is logged and goes no further.
    #[must_use]
    pub fn new(observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    /// Whether DEBUG events have a receiver.
    pub(crate) fn sees_debug(&self) -> bool {
        self.0.is_some() || tracing::enabled!(tracing::Level::DEBUG)
    }

    /// Reports an event, to `tracing` and to the closure.
    pub fn emit(&self, event: &Event) {
        event.trace();
        let Some(observer) = &self.0 else { return };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| observer(event))) {
            // To drop it may panic again.
            std::mem::forget(payload);
            tracing::error!("the observer of token events panicked, fix the closure");
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observer").field(&self.0.is_some()).finish()
    }
}

impl Event {
    /// Logs the event: DEBUG in normal operation, WARN for conditions that need attention.
    fn trace(&self) {
        match self {
            Self::Acquired { reason, took, lifetime } => {
                tracing::debug!(
                    reason = reason.as_str(),
                    ?took,
                    ?lifetime,
                    "access token acquired"
                );
            }
            Self::RefreshedAhead { took, lifetime, remaining } => {
                tracing::debug!(
                    ?took,
                    ?lifetime,
                    ?remaining,
                    "access token refreshed ahead of expiry"
                );
            }
            Self::Failed { reason, took, error, failures, next_attempt_in } => {
                tracing::warn!(
                    reason = reason.as_str(),
                    ?took,
                    %error,
                    cause = error.cause_text(),
                    failures,
                    ?next_attempt_in,
                    "access token acquisition failed"
                );
            }
            Self::Rejected { action: RejectionAction::TooSoon { next_in } } => {
                tracing::warn!(?next_in, "this API rejects fresh tokens");
            }
            Self::Rejected { action } => tracing::debug!(?action, "access token rejected"),
            Self::ScopeNarrowed { requested, granted } => {
                tracing::warn!(requested, granted, "less scope granted than requested");
            }
            Self::Retrying { attempt, error, delay } => {
                let cause = error.cause_text();
                tracing::debug!(attempt, %error, cause, ?delay, "token request failed, trying again");
            }
            Self::MetadataMismatch { member, used, listed } => {
                tracing::warn!(
                    member,
                    used,
                    ?listed,
                    "the authorization server's metadata does not list what this client does"
                );
            }
            Self::MetadataKept { age, error } => {
                let cause = error.cause_text();
                tracing::warn!(
                    ?age,
                    %error,
                    cause,
                    "metadata not refreshed, the old document is used"
                );
            }
            Self::SuspendNoticed { by } => {
                tracing::info!(?by, "suspend noticed, the cached token is older than it seemed");
            }
            Self::Cleared => tracing::debug!("cached access token discarded"),
            Self::Offered { lifetime } => {
                tracing::debug!(?lifetime, "access token offered by its source");
            }
            Self::Abandoned { age } => {
                tracing::warn!(?age, "acquisition abandoned: its runtime is not driven");
            }
            Self::CredentialKept { from, error } => {
                tracing::warn!(from, %error, "credential not read, the last good one is used again");
            }
            Self::ShortSecret { algorithm, minimum } => {
                tracing::warn!(
                    algorithm,
                    minimum,
                    "the client secret is shorter than the HMAC output"
                );
            }
            Self::TokenWithheld { reason, origin, refused } => {
                tracing::debug!(
                    reason = reason.as_str(),
                    origin,
                    refused,
                    advice = reason.explanation(),
                    "request must not carry the access token"
                );
            }
            Self::NotReplayed { reason } => {
                tracing::debug!(
                    reason = reason.as_str(),
                    advice = reason.explanation(),
                    "rejected request not sent again"
                );
            }
            Self::RedirectedElsewhere { from, to } => {
                tracing::warn!(
                    from,
                    to,
                    advice = "build the client with ReqwestService or same_origin_redirects",
                    "the client followed a redirect to another origin, which may have received \
                     the access token"
                );
            }
            Self::ClockSkew { by, .. } if by.is_zero() => {
                tracing::info!("the wall clock agrees with the authorization server's again");
            }
            Self::ClockSkew { by, local_is_behind } => {
                tracing::warn!(
                    ?by,
                    local_is_behind,
                    "the wall clock differs from the authorization server's"
                );
            }
        }
    }
}
