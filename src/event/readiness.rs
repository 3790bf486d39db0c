//! The readiness of a cache. It is here and not in `cache`, because events contain it.

/// The state of a cache, for readiness probes. From [`TokenCache::readiness`](crate::TokenCache::readiness)
/// and [`TokenCache::subscribe`](crate::TokenCache::subscribe).
///
/// # Examples
///
/// ```
/// use http::StatusCode;
/// use tower_oauth2_client_credentials::{TokenCache, cache::Readiness};
///
/// /// The status of a readiness probe, for a cache with `keep_warm`.
/// fn probe(tokens: &TokenCache) -> StatusCode {
///     match tokens.readiness() {
///         Readiness::Ready | Readiness::Degraded => StatusCode::OK,
///         _ => StatusCode::SERVICE_UNAVAILABLE,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Readiness {
    /// No token is cached, and no failure is known: no token was requested yet, or the last one
    /// expired or was discarded and no request came since. The next request waits for a token.
    #[default]
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

    /// A short name, as used in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Failed => "failed",
        }
    }

    /// Whether an operator may want to know about it.
    pub(super) fn is_healthy(self) -> bool {
        matches!(self, Self::Idle | Self::Ready)
    }
}
