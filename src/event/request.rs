//! Why a request is sent without a token, and why it is sent again or not.

/// Why a request was sent without the token, or refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WithheldReason {
    /// Its URI is not at one of the layer's [`Origins`](crate::Origins).
    OtherOrigin,
    /// Its `Host` field differs from its URI and does not name an allowed origin.
    OtherHost,
    /// It has several `Host` fields.
    SeveralHosts,
    /// Its method is `TRACE` or `TRACK`, whose response repeats the request's fields (RFC 9110
    /// §9.3.8).
    Trace,
    /// It has no key to choose a token by (feature `keyed`).
    NoKey,
    /// It has its own authorization field, which the layer keeps.
    ExistingAuthorization,
    /// The caller asked for it by [`SkipToken`](crate::layer::SkipToken).
    Skipped,
}

impl WithheldReason {
    /// A short name, as used in events and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherOrigin => "other_origin",
            Self::OtherHost => "other_host",
            Self::SeveralHosts => "several_hosts",
            Self::Trace => "trace",
            Self::NoKey => "no_key",
            Self::ExistingAuthorization => "existing_authorization",
            Self::Skipped => "skipped",
        }
    }

    /// The reason in a sentence about the request, and what to do.
    pub(crate) fn explanation(self) -> &'static str {
        match self {
            Self::OtherOrigin => {
                "the request's origin is not one that the token may go to; add it to the layer's \
                 origins if the token belongs there"
            }
            Self::OtherHost => {
                "the request's Host field names another origin than its URI; add it to the \
                 layer's origins if the token belongs there"
            }
            Self::SeveralHosts => "the request has several Host fields; send one",
            Self::Trace => {
                "a TRACE or TRACK request must not carry a token, because the answer repeats it; use \
                 another method"
            }
            Self::NoKey => "the request has no key to choose a token by; see RequestHead",
            Self::ExistingAuthorization => {
                "the request carries its own authorization field; remove it, or see \
                 existing_authorization"
            }
            Self::Skipped => "the request has the extension SkipToken",
        }
    }
}

/// Why a request was not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotReplayedReason {
    /// The layer's [`ReplayPolicy`](crate::replay::ReplayPolicy) keeps no copy of its body. The default
    /// policy keeps empty bodies only.
    Policy,
    /// The policy kept its body, but could not give it back.
    BodyUnavailable,
    /// No other token is available: see the [`EventKind::Rejected`](super::EventKind::Rejected) or
    /// [`EventKind::AcquisitionFailed`](super::EventKind::AcquisitionFailed) before.
    NoOtherToken,
    /// It was sent again once already.
    AlreadyReplayed,
    /// The status came in the trailers of a gRPC response, which the caller reads already.
    ResponseStarted,
    /// It was sent again, and the connection was lost. The API may have acted on it.
    ConnectionLost,
}

impl NotReplayedReason {
    /// A short name, as used in events and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::BodyUnavailable => "body_unavailable",
            Self::NoOtherToken => "no_other_token",
            Self::AlreadyReplayed => "already_replayed",
            Self::ResponseStarted => "response_started",
            Self::ConnectionLost => "connection_lost",
        }
    }

    /// The reason in a sentence, and what to do.
    pub(super) fn explanation(self) -> &'static str {
        match self {
            Self::Policy => {
                "the layer's replay policy keeps no copy of this body; choose another by \
                 OAuthClientCredentialsLayer::replay, such as CloneBodies or BufferBodies"
            }
            Self::BodyUnavailable => {
                "the body could not be restored: it was above the policy's limit, or the first \
                 sending still holds it"
            }
            Self::NoOtherToken => "no other token is available; see the events before",
            Self::AlreadyReplayed => {
                "it was sent again once already; check whether this API accepts these tokens"
            }
            Self::ResponseStarted => {
                "the caller reads the answer already; if the call failed before it began, the \
                 server should answer with trailers only"
            }
            Self::ConnectionLost => {
                "the connection was lost after it was sent again, and the API may have acted on it"
            }
        }
    }
}

/// Why a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReplayReason {
    /// The API rejected the token, and another one is available.
    OtherToken,
    /// The API requires a DPoP proof with its nonce (RFC 9449 §9).
    Nonce,
    /// The connection was lost while the request was sent for the second time.
    ConnectionLost,
}

impl ReplayReason {
    /// A short name, as used in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherToken => "other_token",
            Self::Nonce => "nonce",
            Self::ConnectionLost => "connection_lost",
        }
    }
}
