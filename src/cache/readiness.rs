//! The readiness of a cache, and how long it holds.

use tokio::time::Instant;

pub use crate::event::Readiness;

/// A readiness, and when it ends without any event: a token expires by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReadinessUntil {
    pub(super) readiness: Readiness,
    pub(super) until: Option<Instant>,
}
