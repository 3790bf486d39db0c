//! The state of a cache as a readiness probe reports it.

use tokio::time::Instant;

/// The state of a cache, for readiness probes. From [`TokenCache::readiness`](crate::TokenCache::readiness)
/// and [`TokenCache::subscribe`](crate::TokenCache::subscribe).
///
/// # Examples
///
/// ```
/// use http::StatusCode;
/// use tower_oauth2_client_credentials::{TokenCache, cache::Readiness};
///
/// /// The response of a readiness probe.
/// fn probe(tokens: &TokenCache) -> StatusCode {
///     match tokens.readiness() {
///         Readiness::Failed => StatusCode::SERVICE_UNAVAILABLE,
///         _ => StatusCode::OK,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Readiness {
    /// No token is cached, and no failure is known: no token was requested yet, or the last one
    /// expired or was discarded and no request came since. The next request waits for a token.
    Idle,
    /// A valid token is cached.
    Ready,
    /// A valid token is cached, but the last acquisition failed, or an API rejected the token and it
    /// is not replaced yet. Requests are sent.
    Degraded,
    /// No valid token is cached and the last acquisition failed. Requests fail at once, or wait for
    /// the next attempt.
    Failed,
}

impl Readiness {
    /// Whether a valid token is cached: [`Ready`](Self::Ready) or [`Degraded`](Self::Degraded).
    pub fn has_token(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}

/// A readiness, and the time at which it ends without an event: the expiry of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadinessUntil {
    pub(super) readiness: Readiness,
    pub(super) until: Option<Instant>,
}
