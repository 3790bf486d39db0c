//! Getting a token: the one at hand, or the one in flight.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::{
    Decision, Snapshot, TokenCache,
    flight::{Flight, Outcome},
    state::Limit,
    wait::Wait,
};
use crate::{
    error::{Error, ErrorKind},
    sync::Arc,
    token::Token,
};

/// A flight that ends without a verdict makes its waiters look again. On a runtime that is
/// shutting down each new one ends like that at once; so often in one poll, and it is the error.
const LOOKS: u32 = 3;

pin_project! {
    /// The wait behind [`Get`](super::Get), for a cache that its owner has a handle of.
    #[derive(Default)]
    pub(crate) struct Acquiring {
        // Set when first polled: waiting starts there.
        deadline: Option<Instant>,
        // The end of the short wait for somebody else's probe, once for this request: it counts
        // from the first short wait, also if that one was for a suspect token which then expired.
        probe_until: Option<Instant>,
        limit: Option<Limit>,
        // A new token is wanted though one may be at hand.
        wants_new: bool,
        // The flight for it ended without a verdict: the one that follows is waited for.
        lost: bool,
        #[pin]
        wait: Wait,
    }
}

impl Acquiring {
    /// The token at hand, if it may be used as it is and none other is waited for: a look without
    /// a lock.
    pub(super) fn at_hand(&self, cache: &TokenCache) -> Option<Token> {
        let waits = self.wants_new || self.wait.abandoned_at().is_some();
        let snapshot = if waits { None } else { cache.shared.fresh() };
        snapshot?.as_ref().map(|snapshot| cache.shared.hand_out(snapshot))
    }

    /// Waits for this flight first, whatever token is at hand.
    pub(super) fn join(self: Pin<&mut Self>, flight: Arc<Flight>) {
        let this = self.project();
        *this.wants_new = true;
        this.wait.sit(flight);
    }

    /// Ends with what `take` takes of the snapshot, which is lent: nothing is written to it, as many
    /// may end their wait at once.
    pub(crate) fn poll<T>(
        mut self: Pin<&mut Self>,
        cache: &TokenCache,
        cx: &mut Context<'_>,
        take: impl FnOnce(&Arc<Snapshot>) -> T,
    ) -> Poll<Result<T, Error>> {
        let polled = self.as_mut().poll_once(cache, cx, take);
        if polled.is_ready() {
            // Who keeps a future that is done would keep the flight, and the token that came of it.
            self.project().wait.leave();
        }
        polled
    }

    fn poll_once<T>(
        self: Pin<&mut Self>,
        cache: &TokenCache,
        cx: &mut Context<'_>,
        take: impl FnOnce(&Arc<Snapshot>) -> T,
    ) -> Poll<Result<T, Error>> {
        let shared = &cache.shared;
        let usable = |error| shared.usable().ok_or(error);
        let mut this = self.project();
        let mut looks = 0;
        loop {
            if let Some(abandoned_at) = this.wait.abandoned_at() {
                let deadline = *this
                    .deadline
                    .get_or_insert_with(|| Instant::now() + shared.settings.wait_timeout);
                let limit_at = match this.limit {
                    Some(Limit::Suspect(until)) => Some(*until),
                    Some(Limit::Probe(_)) => *this.probe_until,
                    None => None,
                };
                let until = deadline.min(abandoned_at).min(limit_at.unwrap_or(deadline));
                let waited = match ready!(this.wait.as_mut().poll(until, cx)) {
                    Ok(waited) => waited,
                    // Nobody can wait here, and a valid token needs no wait.
                    Err(error) => return Poll::Ready(usable(error).map(|it| take(&it))),
                };
                match waited {
                    Some(Outcome::Token(snapshot)) => {
                        // It may have come long before this task was polled, and be gone by now.
                        if snapshot.is_presentable(Instant::now()) {
                            return Poll::Ready(Ok(take(snapshot)));
                        }
                        if let Some(snapshot) = shared.usable_by_both_clocks() {
                            return Poll::Ready(Ok(take(&snapshot)));
                        }
                    }
                    Some(Outcome::Failed(error)) => {
                        return Poll::Ready(usable(error.clone()).map(|it| take(&it)));
                    }
                    Some(Outcome::Gone) if looks == LOOKS => {
                        return Poll::Ready(Err(Error::new(ErrorKind::Runtime)));
                    }
                    Some(Outcome::Gone) => {
                        looks += 1;
                        *this.lost = *this.wants_new;
                    }
                    None if Instant::now() >= deadline => {
                        this.wait.as_mut().leave();
                        // Whoever waits for more than a token may have one at hand.
                        let error = Error::new(ErrorKind::WaitTimeout);
                        return Poll::Ready(usable(error).map(|it| take(&it)));
                    }
                    None => {
                        this.wait.as_mut().leave();
                        if let Some(Limit::Probe(error)) = this.limit
                            && limit_at.is_some_and(|at| Instant::now() >= at)
                        {
                            return Poll::Ready(Err(error.clone()));
                        }
                    }
                }
            }
            match shared.consult() {
                Decision::Use(snapshot) => {
                    let next = std::mem::take(this.lost).then(|| shared.in_flight());
                    let Some(flight) = next.flatten() else {
                        return Poll::Ready(Ok(take(&snapshot)));
                    };
                    *this.limit = None;
                    this.wait.as_mut().sit(flight);
                }
                Decision::Fail(error) => return Poll::Ready(Err(error)),
                Decision::Wait { flight, limit } => {
                    if limit.is_some() {
                        let wait = shared.settings.probe_wait;
                        this.probe_until.get_or_insert_with(|| Instant::now() + wait);
                    }
                    *this.limit = limit;
                    this.wait.as_mut().sit(flight);
                }
            }
        }
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use std::{future::Future, pin::pin, sync::mpsc, task::Waker, thread, time::Duration};

    use super::*;
    use crate::{source::Acquire, sync::lock};

    fn cache() -> TokenCache {
        TokenCache::new(|_: Acquire| async { Token::bearer("abc") })
    }

    #[tokio::test]
    async fn a_wait_that_is_over_keeps_no_flight() {
        let cache = cache();
        let mut acquiring = pin!(Acquiring::default());
        let poll = |cx: &mut Context<'_>| acquiring.as_mut().poll(&cache, cx, |_| ());
        std::future::poll_fn(poll).await.unwrap();
        assert!(acquiring.wait.abandoned_at().is_none());
    }

    /// Somebody else has it for as long as this takes.
    #[tokio::test]
    async fn a_fresh_token_is_handed_out_without_the_lock() {
        let cache = cache();
        cache.warm_up().await.unwrap();
        let (done, is_done) = mpsc::channel();
        let state = lock(&cache.shared.state);
        let other = cache.clone();
        let asking = thread::spawn(move || {
            let got = pin!(other.get()).poll(&mut Context::from_waker(Waker::noop()));
            let at_hand = other.current().is_some() && other.fresh().is_some();
            done.send(got.is_ready() && at_hand).unwrap();
        });
        let in_time = is_done.recv_timeout(Duration::from_secs(10));
        drop(state);
        asking.join().unwrap();
        assert_eq!(in_time, Ok(true));
    }
}
