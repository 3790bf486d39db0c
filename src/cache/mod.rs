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
// An `Acquisition` runs in its own task. Requests wait for it with a `Waiter`. Who ends the wait:
//
// | | |
// | --- | --- |
// | the source has a result, or `acquisition_timeout` has passed | `AcquisitionTask` |
// | the runtime of the acquisition shuts down | `AcquisitionTask`, when it is dropped |
// | 5 s after `acquisition_timeout`: the source blocks a thread, or the runtime is stalled | a waiter, or a later request: it abandons the acquisition |
// | the deadline of a waiter has passed | the waiter, for itself only |
//
// A waiter notices these times by a timer (`TimedWaiter`). On the runtime of the acquisition one timer
// wakes all waiters instead (`AcquisitionTask::timer`).
//
// The state compares the numbers of acquisitions, so a late result is dropped.
//
// `TokenWait` is the only poll loop. It asks the state, waits, and asks again.
//
// # Reads
//
// | | waits | may start | returns |
// | --- | --- | --- | --- |
// | `peek` | no | nothing | any unexpired token |
// | `fresh` | no | nothing | the token until `revalidate_at`, without the lock |
// | `current` | no | a refresh that is due | any unexpired token, under the lock |
// | `decide`, `get` | if no token is usable | any acquisition | a token or an error, under the lock |

mod acquisition;
mod blocking;
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
mod settings;
mod signal;
mod snapshot;
mod state;
mod suspend;
mod timed_waiter;
mod token_cache;
mod token_wait;
mod watchdog;

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
