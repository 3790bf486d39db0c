//! The problems that an error can report, with advice for each. Finer than the public kinds.

use super::kind::ErrorKind;

/// The problem of an [`Error`](crate::Error). Its name is public, the type is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Problem {
    /// `invalid_client` (RFC 6749 §5.2).
    InvalidClient,
    /// `invalid_request` (RFC 6749 §5.2).
    InvalidRequest,
    /// `invalid_scope` (RFC 6749 §5.2).
    InvalidScope,
    /// `unauthorized_client` (RFC 6749 §5.2).
    UnauthorizedClient,
    /// `unsupported_grant_type` (RFC 6749 §5.2).
    UnsupportedGrantType,
    /// `invalid_grant` (RFC 6749 §5.2).
    InvalidGrant,
    /// `invalid_target` (RFC 8707 §2).
    InvalidTarget,
    /// `access_denied` (RFC 6749 §4.1.2.1, sent by token endpoints too).
    AccessDenied,
    /// `use_dpop_nonce` (RFC 9449 §8).
    UseDpopNonce,
    /// `invalid_dpop_proof` (RFC 9449 §5).
    InvalidDpopProof,
    /// `temporarily_unavailable` (RFC 6749 §4.1.2.1, sent by token endpoints too).
    TemporarilyUnavailable,
    /// `server_error`, or a 5xx status.
    ServerError,
    /// An OAuth error code that is none of the above.
    OtherOAuthError,
    /// 429 (RFC 6585 §4).
    RateLimited,
    /// An error status without an OAuth error code.
    HttpStatus,
    /// 401 or 403 without an OAuth error code, unless a firewall or proxy sent it.
    CredentialsRefused,
    /// A redirect, which is never followed for token requests.
    Redirect,
    /// A success whose body is not the JSON of RFC 6749 §5.1.
    MalformedBody,
    /// A success without a token.
    MissingAccessToken,
    /// A token that cannot be sent in a header field.
    InvalidTokenValue,
    /// A token type that this client cannot present (RFC 6749 §7.1).
    UnsupportedTokenType,
    /// A compressed response, which was not requested.
    UnsupportedContentEncoding,
    /// A response above the body cap.
    BodyTooLarge,
    /// The token endpoint could not be reached, or the connection broke.
    Transport,
    /// The timeout of an acquisition or attempt elapsed.
    AcquisitionTimeout,
    /// Too many acquisitions of other keys of a keyed cache were queued before this one.
    Overloaded,
    /// The deadline of the waiting request passed.
    WaitTimeout,
    /// A token source panicked.
    Panicked,
    /// No tokio runtime to acquire a token on, or it is shutting down.
    Runtime,
    /// The client's secret, key or assertion could not be read.
    Credentials,
    /// The authorization server's metadata (RFC 8414) could not be read.
    Discovery,
    /// The metadata has another issuer than the configured one (RFC 8414 §3.3).
    IssuerMismatch,
    /// The metadata does not list this client's authentication method, and the settings are strict.
    UnsupportedAuthMethod,
    /// The user's own token source failed.
    Source,
    /// A setting is wrong.
    Config,
    /// The request was refused before it was sent.
    Refused,
}

impl Problem {
    /// All problems.
    #[cfg(any(test, feature = "store"))]
    pub(crate) const ALL: [Self; 36] = [
        Self::InvalidClient,
        Self::InvalidRequest,
        Self::InvalidScope,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::InvalidGrant,
        Self::InvalidTarget,
        Self::AccessDenied,
        Self::UseDpopNonce,
        Self::InvalidDpopProof,
        Self::TemporarilyUnavailable,
        Self::ServerError,
        Self::OtherOAuthError,
        Self::RateLimited,
        Self::HttpStatus,
        Self::CredentialsRefused,
        Self::Redirect,
        Self::MalformedBody,
        Self::MissingAccessToken,
        Self::InvalidTokenValue,
        Self::UnsupportedTokenType,
        Self::UnsupportedContentEncoding,
        Self::BodyTooLarge,
        Self::Transport,
        Self::AcquisitionTimeout,
        Self::Overloaded,
        Self::WaitTimeout,
        Self::Panicked,
        Self::Runtime,
        Self::Credentials,
        Self::Discovery,
        Self::IssuerMismatch,
        Self::UnsupportedAuthMethod,
        Self::Source,
        Self::Config,
        Self::Refused,
    ];

    /// The stable name: the OAuth code, if there is one.
    pub(crate) fn as_str(self) -> &'static str {
        use Problem as K;
        match self {
            K::InvalidClient => "invalid_client",
            K::InvalidRequest => "invalid_request",
            K::InvalidScope => "invalid_scope",
            K::UnauthorizedClient => "unauthorized_client",
            K::UnsupportedGrantType => "unsupported_grant_type",
            K::InvalidGrant => "invalid_grant",
            K::InvalidTarget => "invalid_target",
            K::AccessDenied => "access_denied",
            K::UseDpopNonce => "use_dpop_nonce",
            K::InvalidDpopProof => "invalid_dpop_proof",
            K::TemporarilyUnavailable => "temporarily_unavailable",
            K::ServerError => "server_error",
            K::OtherOAuthError => "other_oauth_error",
            K::RateLimited => "rate_limited",
            K::HttpStatus => "http_status",
            // The status is the fact; metrics tell them apart, see `outcome`.
            K::CredentialsRefused => "http_status",
            K::Redirect => "redirect",
            K::MalformedBody => "malformed_body",
            K::MissingAccessToken => "missing_access_token",
            K::InvalidTokenValue => "invalid_token_value",
            K::UnsupportedTokenType => "unsupported_token_type",
            K::UnsupportedContentEncoding => "unsupported_content_encoding",
            K::BodyTooLarge => "body_too_large",
            K::Transport => "transport",
            K::AcquisitionTimeout => "acquisition_timeout",
            K::Overloaded => "overloaded",
            K::WaitTimeout => "wait_timeout",
            K::Panicked => "panicked",
            K::Runtime => "runtime",
            K::Credentials => "credentials",
            K::Discovery => "discovery",
            K::IssuerMismatch => "issuer_mismatch",
            K::UnsupportedAuthMethod => "unsupported_auth_method",
            K::Source => "source",
            K::Config => "config",
            K::Refused => "refused",
        }
    }

    /// The problem with this [`outcome`](Self::outcome).
    #[cfg(feature = "store")]
    pub(crate) fn from_outcome(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|problem| problem.outcome() == name)
    }

    /// The outcome in metrics and in the store, which is another one for each problem. Alerts and other
    /// processes need to know refused credentials.
    #[cfg(any(feature = "metrics", feature = "store"))]
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            Self::CredentialsRefused => "credentials_refused",
            problem => problem.as_str(),
        }
    }

    /// The kind that users match on. `code` is the OAuth error code of the response.
    pub(crate) fn kind(self, code: Option<&str>) -> ErrorKind {
        use Problem as K;
        match self {
            K::InvalidClient
            | K::InvalidRequest
            | K::InvalidScope
            | K::UnauthorizedClient
            | K::UnsupportedGrantType
            | K::InvalidGrant
            | K::InvalidTarget
            | K::AccessDenied
            | K::UseDpopNonce
            | K::InvalidDpopProof
            | K::TemporarilyUnavailable
            | K::OtherOAuthError => ErrorKind::OAuth,
            // A 5xx status is this problem too, with any body.
            K::ServerError if code == Some("server_error") => ErrorKind::OAuth,
            K::ServerError | K::HttpStatus | K::CredentialsRefused => ErrorKind::HttpStatus,
            K::RateLimited => ErrorKind::RateLimited,
            K::Redirect => ErrorKind::Redirect,
            K::MalformedBody
            | K::MissingAccessToken
            | K::InvalidTokenValue
            | K::UnsupportedContentEncoding
            | K::BodyTooLarge => ErrorKind::InvalidResponse,
            K::UnsupportedTokenType => ErrorKind::UnsupportedTokenType,
            K::Transport => ErrorKind::Transport,
            K::AcquisitionTimeout => ErrorKind::AcquisitionTimeout,
            K::Overloaded => ErrorKind::Overloaded,
            K::WaitTimeout => ErrorKind::WaitTimeout,
            K::Panicked => ErrorKind::Panicked,
            K::Runtime => ErrorKind::Runtime,
            K::Credentials => ErrorKind::Credentials,
            K::Discovery | K::IssuerMismatch | K::UnsupportedAuthMethod => ErrorKind::Discovery,
            K::Source => ErrorKind::Source,
            K::Config => ErrorKind::Config,
            K::Refused => ErrorKind::Refused,
        }
    }

    /// The problem of an error that is made with a kind alone.
    pub(super) fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::OAuth => Self::OtherOAuthError,
            ErrorKind::RateLimited => Self::RateLimited,
            ErrorKind::HttpStatus => Self::HttpStatus,
            ErrorKind::Redirect => Self::Redirect,
            ErrorKind::InvalidResponse => Self::MalformedBody,
            ErrorKind::UnsupportedTokenType => Self::UnsupportedTokenType,
            ErrorKind::Transport => Self::Transport,
            ErrorKind::AcquisitionTimeout => Self::AcquisitionTimeout,
            ErrorKind::WaitTimeout => Self::WaitTimeout,
            ErrorKind::Overloaded => Self::Overloaded,
            ErrorKind::Panicked => Self::Panicked,
            ErrorKind::Runtime => Self::Runtime,
            ErrorKind::Credentials => Self::Credentials,
            ErrorKind::Discovery => Self::Discovery,
            ErrorKind::Source => Self::Source,
            ErrorKind::Config => Self::Config,
            ErrorKind::Refused => Self::Refused,
        }
    }

    /// Whether the same request may succeed when it is sent again.
    pub(crate) fn usually_retryable(self) -> bool {
        use Problem as K;
        matches!(
            self,
            K::TemporarilyUnavailable
                | K::ServerError
                | K::RateLimited
                | K::Transport
                | K::AcquisitionTimeout
                | K::Overloaded
                | K::WaitTimeout
                | K::Panicked
                | K::Runtime
                | K::Credentials
                | K::Source
        )
    }

    /// Whether it needs operator action.
    pub(crate) fn is_permanent(self) -> bool {
        use Problem as K;
        matches!(
            self,
            K::InvalidClient
                | K::InvalidRequest
                | K::InvalidScope
                | K::UnauthorizedClient
                | K::UnsupportedGrantType
                | K::InvalidGrant
                | K::InvalidTarget
                | K::AccessDenied
                | K::InvalidDpopProof
                | K::UseDpopNonce
                | K::OtherOAuthError
                | K::CredentialsRefused
                | K::Redirect
                | K::UnsupportedTokenType
                | K::IssuerMismatch
                | K::UnsupportedAuthMethod
                | K::Config
        )
    }

    /// The problem of an OAuth error code.
    pub(crate) fn of_oauth_code(code: &str) -> Self {
        use Problem as K;
        const CODES: [Problem; 12] = [
            K::InvalidClient,
            K::InvalidRequest,
            K::InvalidScope,
            K::UnauthorizedClient,
            K::UnsupportedGrantType,
            K::InvalidGrant,
            K::InvalidTarget,
            K::AccessDenied,
            K::UseDpopNonce,
            K::InvalidDpopProof,
            K::TemporarilyUnavailable,
            K::ServerError,
        ];
        CODES.into_iter().find(|problem| problem.as_str() == code).unwrap_or(K::OtherOAuthError)
    }
}
