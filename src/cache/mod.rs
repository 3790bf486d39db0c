//! The token cache: one token, acquired before a request needs it.
//!
//! [`TokenCache`] holds one token. [`KeyedTokenCache`] (feature `keyed`) holds one for each tenant,
//! scope or other key. A cache acquires tokens from a [`TokenSource`](crate::TokenSource). It knows
//! nothing about HTTP.

// The design, for maintainers. See also `docs::internals`.
//
// `CacheInner` is shared by all clones of a cache. It holds two views of the
// same token:
//
// * A `Snapshot` in an `ArcSwap`. Requests read it without a lock (`fresh`), as long as its
//   `revalidate_at` has not passed.
// * The `State` behind a mutex. It decides what happens otherwise (`decide`): use the
//   token, wait for an acquisition, or fail.
//
// The state is plain code over (state, now, settings). It does not wait, spawn, wake or call out.
// Each step returns its `Effects`, and `CacheInner` carries them out after it has
// published the token and released the lock. So a waker, an observer or a source never runs under
// the lock.
//
// An `Acquisition` runs in its own task. Requests wait for it with a
// `Waiter`, which has a timer (`TimedWaiter`):
// the task may be on a runtime that has ended or is not driven. After its bound and 5 s a waiter
// abandons the acquisition and starts another. A late result is dropped, since the state compares
// the number of the acquisition.
//
// `TokenWait` is the only poll loop. It asks the state, waits, and asks again.
//
// # Reads
//
// | | waits | may start | |
// | --- | --- | --- | --- |
// | `peek` | no | nothing | any unexpired token |
// | `fresh` | no | nothing | without the lock, until `revalidate_at` |
// | `current` | no | a refresh that is due | under the lock |
// | `decide`, `get` | if no token is usable | any acquisition | under the lock |
//
// # Imports
//
// They run one way: `keyed → builder → token_cache → {get, readiness_watch} → token_wait → inner →
// {state, call_source, key_entry} → timed_waiter → acquisition → {settings, snapshot, readiness} →
// {schedule, backoff, suspend}`.

mod acquisition;
mod backoff;
mod builder;
mod call_source;
mod get;
mod inner;
#[cfg(feature = "keyed")]
mod key_entry;
#[cfg(feature = "keyed")]
mod keyed;
#[cfg(all(test, oauth_loom))]
mod model;
mod names;
mod readiness;
mod readiness_watch;
mod schedule;
mod settings;
mod snapshot;
mod state;
mod suspend;
mod timed_waiter;
mod token_cache;
mod token_wait;

#[cfg(feature = "keyed")]
pub use self::keyed::{KeyedTokenCache, KeyedTokenCacheBuilder};
pub use self::{
    builder::TokenCacheBuilder,
    get::{Get, Replacement},
    readiness::Readiness,
    readiness_watch::ReadinessWatch,
    token_cache::TokenCache,
};
pub(crate) use self::{snapshot::Snapshot, token_wait::TokenWait};
