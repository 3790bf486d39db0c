//! Many tokens: one cache for each key.
//!
//! * `recent` finds a key's cache quickly. It is bounded, and drops caches that are not used.
//! * [`KeyRegistry`](registry::KeyRegistry) has the keys that must not be forgotten with it: those
//!   whose cache is still in use elsewhere, so that no key ever has two caches, and those whose last
//!   cache left a backoff state.
//! * [`Limiter`](limiter::Limiter) limits how many acquisitions start at once.

mod builder;
mod cache;
mod limiter;
#[cfg(feature = "metrics")]
mod metrics;
mod registry;
mod source;
#[cfg(all(test, not(oauth_loom)))]
mod tests;

pub use self::{builder::KeyedTokenCacheBuilder, cache::KeyedTokenCache};
