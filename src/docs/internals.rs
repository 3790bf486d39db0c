//! How the crate works inside, for its maintainers.
//!
//! # The modules
//!
//! ```text
//! middleware ──► layer ──► cache ──► source ──► token, event, error
//!                                      ▲
//!                          endpoint ───┘
//!                             │
//!                             └──► client_auth, dpop, jose, transport
//! ```
//!
//! * `layer` is everything between a request and its response. It knows tokens and requests, and
//!   nothing about grants or endpoints.
//! * `cache` holds one token: the snapshot that requests read, the acquisition in flight, the
//!   schedule and the backoff. It knows nothing about HTTP. `cache::keyed` holds many tokens.
//! * `source` is the only interface between `cache` and `endpoint`. A [`TokenSource`](crate::TokenSource) makes
//!   one *acquisition* of one token: a token request, with its retries.
//! * `store` is a source around another source. It shares tokens between processes
//!   ([`Shared`](crate::store::Shared)).
//! * `endpoint` is the source that asks a token endpoint
//!   ([`ClientCredentials`](crate::ClientCredentials)).
//!
//! `ARCHITECTURE.md` has the rule for imports. The test `tests/architecture` checks it.
//!
//! # The life of a request
//!
//! ```text
//!            call(request)
//!                 │
//!         Settings::route ── other origin, SkipToken ──► sent without a token, or refused
//!                 │
//!        SelectAction::select
//!    ┌────────────┼──────────────────┐
//!   Send      Pass ──► inner.call   Wait
//!    │                               │
//!    │                        WaitingForToken ──► Readying
//!    ▼                                               │
//!  inner.call ◄──────────────────────────────────────┘
//!    │
//!  response ── success ──► the caller
//!    │
//!  classify ── rejected, and kept ──► WaitingForReplacement ──► Readying ──► inner.call
//!    │
//!    └── anything else ──► the caller
//! ```
//!
//! 1. The service decides without a lock. A service that is reused for several calls keeps the
//!    token that it used last. A clone loads the token from a slot that a group of threads (*stripe*)
//!    shares. Each slot has its own reference count. Both tokens are `AuthorizedToken`s: a header
//!    value, and all that is needed to classify the response.
//! 2. A token is *fresh* if the cache need not be asked: it has not expired, and no refresh has to be
//!    started. With a fresh token the service adds the header field and calls the inner service. The
//!    response future is `Calling`. If the replay policy keeps the request, the copy is boxed.
//! 3. Otherwise the cache decides under its lock. If the request must wait, the service replaces its
//!    inner service by a clone, so that a permit of the ready service is released. The future is
//!    `Slow`: a boxed request with a stage for each thing that it can wait for. A request that the
//!    settings refuse is `Slow` too: its only stage is `Failed`.
//! 4. A response that is not a success is classified. A rejected token is invalidated. If the
//!    request was kept, it waits for another token and is sent again in the same way. A DPoP request
//!    without the right nonce, or a replay whose connection was lost, is sent again too. It yields
//!    once first (`Yielding`), so that the connection task drops the first body.
//!
//! The hot path (a fresh token, no replay) makes no allocation, takes no lock, and writes only to
//! reference counts that other threads rarely use. `.ci/instructions` counts its instructions.
//!
//! # The life of an acquisition
//!
//! ```text
//!  State::decide ── starts ──► Acquisition ◄── join ── Waiter, Waiter, Waiter
//!                                  │
//!                        task: source.acquire(context)
//!                                  │
//!            ┌─────────────────────┼─────────────────────────┐
//!          token                 error             task dropped, or 5 s late
//!            │                     │                         │
//!   new snapshot published    backoff starts          waiters ask again
//!            │                     │                         │
//!            └──────────── waiters are woken ────────────────┘
//! ```
//!
//! 1. `State` is plain code over its fields, the time and the settings. Each step runs under the
//!    lock and returns its `Effects`. The cache carries them out after the lock is released.
//! 2. A step that needs a token starts an `Acquisition`. It runs in its own task, so the request that
//!    started it may be dropped.
//! 3. Requests wait with a `Waiter`. An acquisition with waiters that is still in flight 5 s after
//!    `acquisition_timeout` is abandoned, and the waiters start another. A late result is dropped. If the
//!    source blocks its thread, the timer of the acquisition wakes the waiters for that. If the
//!    runtime is stalled (see below), waiters on other runtimes have their own timers.
//! 4. The result becomes a new `Snapshot` in an `ArcSwap`, or a backoff. Then all waiters are woken.
//!
//! A current-thread runtime makes no progress while no thread is in its `block_on`. The comments in
//! this crate call it *stalled*. Nothing tells a stalled runtime from a busy one, so waiters on other
//! runtimes have their own timers. So do waiters whose deadline is earlier, as with a short
//! [`wait_timeout`](crate::cache::TokenCacheBuilder::wait_timeout).
//!
//! A snapshot holds the time at which a request must ask the cache again. Until then a request
//! compares two times and uses the token. The schedule of refreshes is a pure function. Loom checks
//! the interleavings of acquisition, waiters and snapshot (`cache::model`), and a simulator checks
//! the promises under faults in virtual time (`tests/simulator`).
//!
//! # The life of a rejection
//!
//! ```text
//!   401 ──► classify ──► TokenCache::replacement(token), or invalidate(token) without a replay
//!                             │
//!           is it the cached token? ── no ──► ignored: the replay uses the newer token
//!                             │ yes
//!   rejection budget left ────┴──── rejection budget used up
//!                  │                      │
//!        an acquisition starts      the 401 is returned, with an event
//!                  │
//!   the rejected request waits for it; other requests wait at most 1 s
//!                  │
//!      another token ──► the request is sent again, once
//!      the same token, or an error ──► the 401 is returned
//! ```
//!
//! 1. Challenges are parsed tolerantly. With a code for which another token cannot help, the caller gets
//!    the response.
//! 2. The rejected token stays cached until another one arrives, because one API that returns 401
//!    to everything must not stop requests to other APIs.
//! 3. The rejection budget belongs to the cache: three acquisitions without a delay, one after
//!    another, then one after 60 s, doubling to 10 minutes. The budget is full again when a token reaches its scheduled refresh unrejected,
//!    or after 30 minutes without a rejection.
//! 4. The same token bytes after a rejection count as rejected, so no request is replayed with them.
//!    Other requests still use them.
//!
//! # The life of a shared token
//!
//! ```text
//!   the cache calls Shared::acquire
//!          │
//!        read ── a token, or a failure in its cooldown ───────────────► the result
//!          │
//!        lease ── granted ──► the source, with a heartbeat ──► write, release ──► the result
//!          │ held                                                │
//!          │                                              announcement
//!          └─► wait for it, or poll ◄────────────────────────────┤
//!                                                                └─► CacheHandle::offer
//!
//!   the store fails ──► the source, or the refresh is postponed to a random time
//! ```
//!
//! 1. `answer` decides whether an entry answers an acquisition. It is asked about each entry that
//!    arrives: by a read, with the lease, by a poll, or announced.
//! 2. A process renews its lease for 40 % of its bound only. If the authorization server does not answer
//!    it, another process takes over, and has the time for an attempt. A process whose failure is not
//!    shared writes the document unchanged. So a lease that is released without a new generation means
//!    that the store keeps nothing.
//! 3. The lease is dropped with the future of the acquisition, and then released in the background. If
//!    the runtime has ended, it lapses.
//! 4. A token has `SharingInfo`: the refresh time that the fleet has decided, and the generation of its
//!    entry, which orders tokens without comparing clocks of hosts. The cache takes both, and knows
//!    nothing about stores.
//! 5. The schedule and the backoff are in `timing`, so that a fleet follows the rules of a cache. An entry
//!    has their state with times on the wall clock.
//! 6. An older token does not answer an acquisition: its generation is lower, and it was issued earlier. A token without a
//!    generation, which was acquired without the store, is compared by the time of its issue.
//! 7. A cache follows the cooldown of the fleet (`FleetCooldown` in an error), instead of doubling its own
//!    on top of it.
