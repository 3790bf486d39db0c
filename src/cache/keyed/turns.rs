//! How many acquisitions run at once, over all keys.

use std::{
    pin::pin,
    sync::atomic::{
        AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::error::{Error, ErrorKind};

/// So often one that waits looks by itself. Who is told of a free turn may be on a runtime that
/// nobody drives, and takes it no more than it tells the next.
const LOOK: Duration = Duration::from_secs(1);

/// A turn that is free is nobody's until someone who runs takes it: a semaphore would hand it to
/// whoever is first in line.
pub(super) struct Turns {
    free: AtomicUsize,
    freed: Notify,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// Given back when it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.free.fetch_add(1, AcqRel);
        self.0.freed.notify_one();
    }
}

/// Counted while it lives, however the wait ends.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Turns {
    pub(super) fn new(at_once: usize, most_waiting: usize) -> Self {
        let free = AtomicUsize::new(at_once.max(1));
        Self { free, freed: Notify::new(), waiting: AtomicUsize::new(0), most_waiting }
    }

    fn try_take(&self) -> Option<Turn<'_>> {
        let taken = self.free.fetch_update(AcqRel, Acquire, |free| free.checked_sub(1));
        taken.ok().map(|_| Turn(self))
    }

    /// A turn, held until it is dropped. The wait is part of the acquisition's bound, so that its
    /// waiters end when they would anyway; but half of it at most, so that no turn is taken with
    /// hardly any time left to use it.
    pub(super) async fn take(&self, deadline: Option<Instant>) -> Result<Turn<'_>, Error> {
        if let Some(turn) = self.try_take() {
            return Ok(turn);
        }
        let ahead = self.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(&self.waiting);
        if ahead >= self.most_waiting {
            return Err(Error::new(ErrorKind::Crowded));
        }
        let began = Instant::now();
        let half = deadline.map(|at| began + at.saturating_duration_since(began) / 2);
        // One place in line for the whole wait.
        let mut freed = pin!(self.freed.notified());
        loop {
            // Before the look, so that what is freed after it is not missed.
            freed.as_mut().enable();
            if let Some(turn) = self.try_take() {
                return Ok(turn);
            }
            let look = Instant::now() + LOOK;
            let look = half.map_or(look, |half| half.min(look));
            let told = timeout_at(look, freed.as_mut()).await.is_ok();
            if half.is_some_and(|half| Instant::now() >= half) {
                if told {
                    self.freed.notify_one();
                }
                return Err(Error::new(ErrorKind::Crowded));
            }
            if told {
                freed.set(self.freed.notified());
            }
        }
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    /// It is told that a turn is free and is polled no more, as on a runtime that nobody drives.
    #[tokio::test(start_paused = true)]
    async fn one_that_is_first_in_line_and_never_polled_keeps_no_turn() {
        let turns = Turns::new(1, 10);
        let turn = turns.take(None).await.unwrap_or_else(|_| unreachable!());
        let mut stuck = pin!(turns.take(None));
        assert!(stuck.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let mut next = pin!(turns.take(None));
        assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(turn);
        let began = Instant::now();
        assert!(next.await.is_ok());
        assert!(began.elapsed() <= LOOK);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_polled_too_late_takes_none() {
        let turns = Turns::new(1, 10);
        let turn = turns.take(None).await.unwrap_or_else(|_| unreachable!());
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut late = pin!(turns.take(Some(deadline)));
        assert!(late.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(turn);
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(late.await.is_err_and(|error| error.kind() == ErrorKind::Crowded));
        assert!(turns.try_take().is_some());
    }
}
