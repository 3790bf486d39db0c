//! How many acquisitions run at once, over all keys.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

use crate::error::{Error, ErrorKind};

pub(super) struct Turns {
    free: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
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
        let free = Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS));
        Self { free, waiting: AtomicUsize::new(0), most_waiting }
    }

    /// A turn, held until it is dropped. The wait is part of the acquisition's bound, so that its
    /// waiters end when they would anyway; but half of it at most, so that no turn is taken with
    /// hardly any time left to use it.
    pub(super) async fn take(
        &self,
        deadline: Option<Instant>,
    ) -> Result<SemaphorePermit<'_>, Error> {
        if let Ok(turn) = self.free.try_acquire() {
            return Ok(turn);
        }
        let ahead = self.waiting.fetch_add(1, Relaxed);
        let _waiting = Waiting(&self.waiting);
        if ahead >= self.most_waiting {
            return Err(Error::new(ErrorKind::Crowded));
        }
        let turn = self.free.acquire();
        let turn = match deadline {
            Some(deadline) => {
                let now = Instant::now();
                let half = now + deadline.saturating_duration_since(now) / 2;
                timeout_at(half, turn).await.map_err(|_| Error::new(ErrorKind::Crowded))?
            }
            None => turn.await,
        };
        Ok(turn.expect("it is never closed"))
    }
}
