//! Properties of a token that the processes of a fleet share.

use std::time::Duration;

use tokio::time::Instant;

/// What a shared store decides about a token, so that the cache does not.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StoreDeadlines {
    /// The generation of its entry in the store. A later token has a greater one.
    pub(crate) generation: Option<u64>,
    /// When to refresh it.
    pub(crate) refresh_at: Option<Instant>,
    /// The last moment at which it is used.
    pub(crate) expires_by: Option<Instant>,
    /// How long its acquisition took, without waits for other processes.
    pub(crate) took: Option<Duration>,
    /// Another process acquired it.
    pub(crate) from_store: bool,
    /// The refresh is drawn as for the first token of a cache, because many processes acquired one at
    /// the same time.
    pub(crate) spread: bool,
    /// It is the cached token again, which no token request was sent for.
    pub(crate) is_kept: bool,
    /// The refresh was postponed by a local draw, because the store did not answer.
    #[cfg_attr(not(feature = "store"), allow(dead_code))]
    pub(crate) postponed: bool,
}
