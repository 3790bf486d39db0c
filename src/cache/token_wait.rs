//! Waiting for a token: the one poll loop behind [`Get`](super::Get),
//! [`Replacement`](super::Replacement) and requests in the layer.

use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::{
    acquisition::{Acquisition, Outcome},
    inner::CacheInner,
    snapshot::Snapshot,
    state::{Decision, Limit, Lookup},
    timed_waiter::TimedWaiter,
};
use crate::{
    error::{Error, Problem},
    sync::Arc,
};

/// How many acquisitions may end without a result within one poll. On a runtime that is shutting down
/// every acquisition does, so the wait fails with the next one.
const MAX_LOST: u32 = 3;

/// Waits for a token of a cache that is passed to each poll.
#[derive(Default)]
pub(crate) struct TokenWait {
    /// Set when the wait begins.
    deadline: Option<Instant>,
    /// When this request stops waiting for a probe, the trial request of another one. It counts from this
    /// request's first short wait, which may have been one for the replacement of a rejected token.
    probe_until: Option<Instant>,
    limit: Option<Limit>,
    /// The caller wants a new token although one may be cached.
    wants_new: bool,
    /// The acquisition of the new token ended without a result. The request waits for the next one
    /// even if a token is cached.
    joins_next: bool,
    waiter: TimedWaiter,
}

impl TokenWait {
    /// Whether the wait has begun. A token that is cached when the future is polled again does not end it.
    pub(super) fn has_begun(&self) -> bool {
        self.wants_new || self.waiter.abandoned_at().is_some()
    }

    /// Waits for this acquisition first, even if a token is cached.
    pub(super) fn join(&mut self, acquisition: Arc<Acquisition>) {
        self.wants_new = true;
        self.waiter.join(acquisition);
    }

    /// Resolves to the value that `take` makes of the snapshot. The snapshot is passed by reference, so
    /// that many waiters which end at once do not write to its reference count.
    pub(super) fn poll<T>(
        &mut self,
        inner: &Arc<CacheInner>,
        cx: &mut Context<'_>,
        take: impl FnOnce(&Arc<Snapshot>) -> T,
    ) -> Poll<Result<T, Error>> {
        let polled = self.poll_inner(inner, cx, take);
        if polled.is_ready() {
            // A future that is kept after it is done must not keep the acquisition and its token.
            self.waiter.leave();
        }
        polled.map_err(|error| error.with_client(inner.name.get()))
    }

    fn poll_inner<T>(
        &mut self,
        inner: &Arc<CacheInner>,
        cx: &mut Context<'_>,
        take: impl FnOnce(&Arc<Snapshot>) -> T,
    ) -> Poll<Result<T, Error>> {
        let mut lost_count = 0;
        loop {
            let mut lookup = Lookup::Token;
            if let Some(abandoned_at) = self.waiter.abandoned_at() {
                let deadline = *self
                    .deadline
                    .get_or_insert_with(|| Instant::now() + inner.settings.wait_timeout);
                let limit_at = match self.limit {
                    Some(Limit::Replacement(until)) => Some(until),
                    Some(Limit::Probe(_)) => self.probe_until,
                    None => None,
                };
                let until = deadline.min(abandoned_at).min(limit_at.unwrap_or(deadline));
                match ready!(self.waiter.poll(until, cx)) {
                    // The token may have expired before this task was polled.
                    Ok(Some(Outcome::Token(snapshot))) if snapshot.is_sendable(Instant::now()) => {
                        return Poll::Ready(Ok(take(snapshot)));
                    }
                    Ok(Some(Outcome::Token(_))) => lookup = Lookup::TokenAfterWait,
                    Ok(Some(Outcome::Failed(error))) => lookup = Lookup::UnexpiredOr(error.clone()),
                    Ok(Some(Outcome::Lost)) if lost_count == MAX_LOST => {
                        return Poll::Ready(Err(Error::of(Problem::Runtime)));
                    }
                    Ok(Some(Outcome::Lost)) => {
                        lost_count += 1;
                        self.joins_next = self.wants_new;
                    }
                    Ok(None) if Instant::now() >= deadline => {
                        lookup = Lookup::UnexpiredOr(Error::of(Problem::WaitTimeout));
                    }
                    Ok(None) => {
                        self.waiter.leave();
                        if Instant::now() >= abandoned_at {
                            self.joins_next = self.wants_new;
                        }
                        if let Some(Limit::Probe(error)) = &self.limit
                            && limit_at.is_some_and(|at| Instant::now() >= at)
                        {
                            return Poll::Ready(Err(error.clone()));
                        }
                    }
                    // Waiting is impossible here. An unexpired token needs no wait.
                    Err(error) => lookup = Lookup::UnexpiredOr(error),
                }
            }
            let may_wait = !matches!(lookup, Lookup::UnexpiredOr(_));
            match inner.decide(lookup) {
                Decision::Use(snapshot) => {
                    let follow = may_wait && std::mem::take(&mut self.joins_next);
                    let Some(next) = follow.then(|| inner.in_flight()).flatten() else {
                        return Poll::Ready(Ok(take(&snapshot)));
                    };
                    self.limit = None;
                    self.waiter.join(next);
                }
                Decision::Fail(error) => return Poll::Ready(Err(error)),
                Decision::Wait { acquisition, limit } => {
                    if limit.is_some() {
                        let wait = inner.settings.probe_wait;
                        self.probe_until.get_or_insert_with(|| Instant::now() + wait);
                    }
                    self.limit = limit;
                    self.waiter.join(acquisition);
                }
            }
        }
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use std::{future::Future, pin::pin, sync::mpsc, task::Waker, thread, time::Duration};

    use super::*;
    use crate::{cache::TokenCache, source::AcquireContext, sync::lock, token::Token};

    fn cache() -> TokenCache {
        TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") })
    }

    #[tokio::test]
    async fn a_finished_wait_keeps_no_acquisition() {
        let cache = cache();
        let mut wait = TokenWait::default();
        let poll = |cx: &mut Context<'_>| wait.poll(&cache.inner, cx, |_| ());
        std::future::poll_fn(poll).await.unwrap();
        assert!(wait.waiter.abandoned_at().is_none());
    }

    /// Another thread holds the lock all the time.
    #[tokio::test]
    async fn a_fresh_token_is_returned_without_the_lock() {
        let cache = cache();
        cache.warm_up().await.unwrap();
        let (done, is_done) = mpsc::channel();
        let state = lock(&cache.inner.state);
        let other = cache.clone();
        let caller = thread::spawn(move || {
            let got = pin!(other.get()).poll(&mut Context::from_waker(Waker::noop()));
            let fresh = other.fresh(Instant::now()).is_some();
            let cached = other.peek().is_some() && other.current().is_some();
            done.send(got.is_ready() && fresh && cached).unwrap();
        });
        let in_time = is_done.recv_timeout(Duration::from_secs(10));
        drop(state);
        caller.join().unwrap();
        assert_eq!(in_time, Ok(true));
    }
}
