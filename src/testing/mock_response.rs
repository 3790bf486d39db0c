//! The responses of a mock authorization server.

use std::{fmt, time::Duration};

use bytes::Bytes;

/// One response of an [`AuthorizationServer`](super::AuthorizationServer) to a token request.
///
/// [`Issue`](Self::Issue), [`IssueFor`](Self::IssueFor) and [`Token`](Self::Token) still check the
/// request and refuse an invalid one. The others are sent for any request.
///
/// A status outside `200..=999` is sent as 500.
///
/// # Examples
///
/// Two failures, then normal service:
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, MockResponse};
///
/// let idp = AuthorizationServer::new();
/// idp.script([
///     MockResponse::Status(502),
///     MockResponse::OAuthError { status: 400, code: "temporarily_unavailable" }.after(Duration::from_secs(3)),
/// ]);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum MockResponse {
    /// The normal response: a token for a valid request, an OAuth error for an invalid one.
    Issue,
    /// A new token with this lifetime.
    IssueFor(Duration),
    /// This token, with the configured lifetime from now. It becomes active, also if it was
    /// expired or revoked.
    Token(String),
    /// An OAuth error (RFC 6749 §5.2).
    OAuthError {
        /// The HTTP status.
        status: u16,
        /// The `error` code.
        code: &'static str,
    },
    /// A status with an empty body, as a proxy in between would send.
    Status(u16),
    /// A status with `Retry-After` in seconds (RFC 9110 §10.2.3) and an empty body.
    StatusRetryAfter(u16, u64),
    /// No response, until the client drops the request.
    Hang,
    /// The connection is closed without a response. In memory this is a
    /// [`ConnectionClosed`](super::ConnectionClosed) error.
    CloseConnection,
    /// Exactly this response.
    Raw(http::Response<Bytes>),
    /// Another response, after a delay that is added to the server's own.
    Delayed(Duration, Box<MockResponse>),
}

impl MockResponse {
    /// Adds a delay to this response, in addition to the server's own delay.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self::Delayed(delay, Box::new(self))
    }
}

/// Shows no token and no body.
impl fmt::Debug for MockResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issue => f.write_str("Issue"),
            Self::IssueFor(lifetime) => f.debug_tuple("IssueFor").field(lifetime).finish(),
            Self::Token(_) => f.write_str("Token([redacted])"),
            Self::OAuthError { status, code } => {
                f.debug_struct("OAuthError").field("status", status).field("code", code).finish()
            }
            Self::Status(status) => f.debug_tuple("Status").field(status).finish(),
            Self::StatusRetryAfter(status, secs) => {
                f.debug_tuple("StatusRetryAfter").field(status).field(secs).finish()
            }
            Self::Hang => f.write_str("Hang"),
            Self::CloseConnection => f.write_str("CloseConnection"),
            Self::Raw(response) => f.debug_tuple("Raw").field(&response.status()).finish(),
            Self::Delayed(delay, answer) => {
                f.debug_tuple("Delayed").field(delay).field(answer).finish()
            }
        }
    }
}
