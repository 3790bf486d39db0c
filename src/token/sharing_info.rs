//! Properties of a token that the processes of a fleet share.

use std::time::Duration;

use tokio::time::Instant;

/// The properties of a token from `Shared` that its cache needs.
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
    /// This process sent no token request for it, so the rejection budget is not charged.
    /// Not set with `is_kept`.
    pub(crate) is_free: bool,
    /// Its refresh is spread as widely as that of a cache's first token, because many processes acquired
    /// tokens at the same time.
    pub(crate) spreads_refresh: bool,
    /// It is the cached token, returned again without a token request.
    pub(crate) is_kept: bool,
    /// Its refresh was postponed to a random time, because the store did not answer.
    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store uses it"))]
    pub(crate) is_postponed: bool,
}
