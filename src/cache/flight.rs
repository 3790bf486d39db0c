//! One acquisition in flight, and those who wait for it.

use std::task::{Context, Poll, Waker};

use slab::Slab;
use tokio::time::Instant;

use super::{snapshot::Snapshot, suspend::Baseline};
use crate::{
    error::Error,
    event::Reason,
    sync::{Arc, Fault, Mutex, OnceLock, broken, lock},
};

/// How a flight ended.
pub(super) enum Outcome {
    /// With a token; it may be dead on arrival, then only this flight's waiters get it.
    Token(Arc<Snapshot>),
    /// With a failure that all waiters share.
    Failed(Error),
    /// Without a verdict: its runtime is gone, or it was abandoned. Its waiters look again.
    Gone,
}

/// One acquisition.
///
/// The invariants that single-flight rests on:
///
/// * `outcome` is set once, by whoever takes the flight out of the cache's state, and before the
///   waiters are closed. So a waiter that finds them closed finds an outcome too.
/// * A waiter registers under the lock of `waiters` and only while they are open. Closing takes
///   every waker out under that same lock; so each registered waiter is woken exactly once, and
///   none can register too late to be woken.
/// * Wakers run outside of every lock: they may run arbitrary code.
pub(super) struct Flight {
    pub(super) id: u64,
    pub(super) reason: Reason,
    /// A rejection, or the user, asked for it; if it fails another one is owed.
    pub(super) owed: bool,
    /// The authorization server failed before: one attempt, and others wait only briefly.
    pub(super) probe: bool,
    /// When its source is asked: later than its creation if the last token was dead on arrival.
    pub(super) starts_at: Instant,
    /// When its own bound ends it.
    pub(super) ends_by: Instant,
    /// When waiters stop believing that anybody drives it.
    pub(super) abandoned_at: Instant,
    /// Both clocks just before its source was asked. Only its own task sets it and reads it.
    pub(super) asked: std::sync::OnceLock<Baseline>,
    outcome: OnceLock<Outcome>,
    waiters: Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    closed: bool,
    wakers: Slab<Waker>,
}

/// What a flight is started with.
pub(super) struct FlightPlan {
    pub(super) id: u64,
    pub(super) reason: Reason,
    pub(super) owed: bool,
    pub(super) probe: bool,
    pub(super) starts_at: Instant,
    pub(super) ends_by: Instant,
    pub(super) abandoned_at: Instant,
}

#[cfg(test)]
impl Flight {
    /// One that ends by now, to try what does not look at that.
    pub(super) fn of_a_test() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self::new(FlightPlan {
            id: 1,
            reason: Reason::Missing,
            owed: false,
            probe: false,
            starts_at: now,
            ends_by: now,
            abandoned_at: now,
        }))
    }
}

impl Flight {
    pub(super) fn new(plan: FlightPlan) -> Self {
        let FlightPlan { id, reason, owed, probe, starts_at, ends_by, abandoned_at } = plan;
        Self {
            id,
            reason,
            owed,
            probe,
            starts_at,
            ends_by,
            abandoned_at,
            asked: std::sync::OnceLock::new(),
            outcome: OnceLock::new(),
            waiters: Mutex::new(Waiters::default()),
        }
    }

    /// Ends the flight and wakes everyone. Only the first outcome counts.
    pub(super) fn end(&self, outcome: Outcome) {
        if broken(Fault::ClosesEarly) {
            lock(&self.waiters).closed = true;
        }
        if self.outcome.set(outcome).is_err() {
            return;
        }
        let wakers = {
            let mut waiters = lock(&self.waiters);
            waiters.closed = true;
            std::mem::take(&mut waiters.wakers)
        };
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

/// A waiter's place in a flight; given up when dropped.
pub(super) struct Seat {
    flight: Arc<Flight>,
    key: Option<usize>,
    /// Another waker came since it was last asked.
    moved: bool,
}

impl Seat {
    pub(super) fn new(flight: Arc<Flight>) -> Self {
        Self { flight, key: None, moved: false }
    }

    pub(super) fn flight(&self) -> &Flight {
        &self.flight
    }

    /// Lent and not cloned: who waited with many others would write to the count that all share.
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.flight.outcome.get()
    }

    /// Whether its owner may have moved, to another task and maybe another runtime.
    pub(super) fn take_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Until there is an outcome.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.outcome().is_some() {
            return Poll::Ready(());
        }
        let mut waiters = lock(&self.flight.waiters);
        if waiters.closed && !broken(Fault::JoinsLate) {
            assert!(self.outcome().is_some(), "an outcome is set before closing");
            return Poll::Ready(());
        }
        match self.key {
            Some(key) if waiters.wakers[key].will_wake(cx.waker()) => {}
            Some(_) if broken(Fault::KeepsWaker) => {}
            Some(key) => {
                let stale = std::mem::replace(&mut waiters.wakers[key], cx.waker().clone());
                drop(waiters);
                drop(stale);
                self.moved = true;
            }
            None => {
                self.key = Some(waiters.wakers.insert(cx.waker().clone()));
                self.moved = true;
            }
        }
        Poll::Pending
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        // `end` takes every waker out, and one that is woken in vain does no harm. All others leave
        // now too, and would queue here.
        if self.outcome().is_some() {
            return;
        }
        let mut waiters = lock(&self.flight.waiters);
        let waker = if waiters.closed { None } else { Some(waiters.wakers.remove(key)) };
        drop(waiters);
        drop(waker);
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_before_the_end_leaves_no_waker() {
        let flight = Flight::of_a_test();
        let mut cx = Context::from_waker(Waker::noop());
        let mut seats: Vec<_> = (0..10).map(|_| Seat::new(Arc::clone(&flight))).collect();
        assert!(seats.iter_mut().all(|seat| seat.poll(&mut cx).is_pending()));
        seats.truncate(3);
        assert_eq!(lock(&flight.waiters).wakers.len(), 3);
        flight.end(Outcome::Gone);
        assert!(seats.iter_mut().all(|seat| seat.poll(&mut cx).is_ready()));
    }
}
