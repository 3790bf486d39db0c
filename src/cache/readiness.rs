//! The readiness of a cache, and how long it holds.

use tokio::time::Instant;

pub use crate::event::Readiness;

/// A readiness, and the time at which it ends without an event: the expiry of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadinessUntil {
    pub(super) readiness: Readiness,
    pub(super) until: Option<Instant>,
}
