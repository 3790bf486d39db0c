//! Properties of a token that the processes of a fleet share.

use std::time::Duration;

use tokio::time::Instant;

/// What `Shared` tells the cache about a token that it returns.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SharingInfo {
    /// The generation of its entry in the store. A later token has a greater one.
    pub(crate) generation: Option<u64>,
    /// When to refresh it.
    pub(crate) refresh_at: Option<Instant>,
    /// The last moment at which it is used.
    pub(crate) expires_by: Option<Instant>,
    /// How long its acquisition took, without waits for other processes.
    pub(crate) took: Option<Duration>,
    /// No token request of this acquisition was sent for it, so the rejection budget is not charged.
    pub(crate) from_store: bool,
    /// The refresh is spread as widely as that of a cache's first token: many processes acquired tokens
    /// at the same time.
    pub(crate) spread: bool,
    /// It is the cached token again, which no token request was sent for.
    pub(crate) is_kept: bool,
    /// The refresh was postponed by a local draw, because the store did not answer.
    #[cfg_attr(not(feature = "store"), allow(dead_code))]
    pub(crate) postponed: bool,
}
