//! Stalled runtimes in addition to the run's own: a `block_on` per call, or one that has ended.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    task::yield_now,
    time::{Instant, advance},
};

use crate::world::{Shared, lock};

/// The number of runtimes that a run of this length prepares. They are made before the run's own
/// runtime, so that their clocks, which start at their creation, can be advanced to its clock.
fn store(seconds: u64) -> u64 {
    6 + seconds / 300
}

pub(crate) struct Sides {
    store: Vec<Runtime>,
    seed: u64,
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime")
}

impl Sides {
    pub(crate) fn new(seed: u64, seconds: u64) -> Self {
        Self { store: (0..store(seconds)).map(|_| runtime()).collect(), seed }
    }

    /// Calls the cache in the context of a runtime that stalls afterwards.
    pub(crate) fn freeze(&mut self, shared: &Shared, call: impl FnOnce()) -> bool {
        let Some(side) = self.store.last() else { return false };
        if lock(shared).model.blind.is_some() {
            return false;
        }
        sync(side);
        lock(shared).freezes();
        let _context = side.enter();
        call();
        true
    }

    /// Drives it for a moment.
    pub(crate) fn thaw(&mut self, shared: &Shared) {
        let Some(side) = self.store.last() else { return };
        sync(side);
        self.seed += 1;
        let seed = self.seed;
        lock(shared).thaws(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                fastrand::seed(seed);
                side.block_on(async {
                    for _ in 0..8 {
                        yield_now().await;
                    }
                });
            });
        });
        lock(shared).thaws(false);
    }

    /// Shuts it down.
    pub(crate) fn shut_down(&mut self, shared: &Shared) {
        let Some(side) = self.store.pop() else { return };
        sync(&side);
        lock(shared).shuts_down(true);
        std::thread::scope(|scope| {
            scope.spawn(|| drop(side));
        });
        lock(shared).shuts_down(false);
    }

    /// Without a record, because the run is over.
    pub(crate) fn discard(self) {
        std::thread::scope(|scope| {
            scope.spawn(|| drop(self));
        });
    }
}

/// Advances a runtime's clock to this one's, without driving its tasks or firing a timer.
/// `block_on` only polls a future that is ready at once.
fn sync(side: &Runtime) {
    let now = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            side.block_on(async {
                let behind = now - Instant::now();
                if behind > Duration::ZERO {
                    let mut step = pin!(advance(behind));
                    let once = poll_fn(|cx| Poll::Ready(step.as_mut().poll(cx).is_ready()));
                    let _: bool = once.await;
                }
            });
        });
    });
}
