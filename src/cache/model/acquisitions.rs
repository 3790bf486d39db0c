//! One acquisition and its waiters, without a bound on preemptions.

use std::future::poll_fn;

use super::*;
use crate::{
    cache::acquisition::{Acquisition, Outcome, Waiter},
    error::Problem,
};

/// A task that waited for an acquisition.
struct WaitingTask {
    parker: Arc<Parker>,
    pending: usize,
    failed: bool,
}

impl WaitingTask {
    fn wait(acquisition: &Arc<Acquisition>) -> Self {
        Self::wait_in(&mut Waiter::new(Arc::clone(acquisition)))
    }

    fn wait_in(waiter: &mut Waiter) -> Self {
        let parker = Parker::new();
        let mut pending = 0;
        parker.block_on(poll_fn(|cx| {
            let polled = waiter.poll(cx);
            pending += usize::from(polled.is_pending());
            polled
        }));
        let failed = matches!(waiter.outcome(), Some(Outcome::Failed(_)));
        Self { parker, pending, failed }
    }

    fn spawn(acquisition: &Arc<Acquisition>) -> thread::JoinHandle<Self> {
        let acquisition = Arc::clone(acquisition);
        thread::spawn(move || Self::wait(&acquisition))
    }
}

/// Each pending waiter is woken exactly once, and finds the outcome.
fn all_were_woken(
    waiters: impl IntoIterator<Item = thread::JoinHandle<WaitingTask>>,
    failed: bool,
) {
    let waiters: Vec<_> =
        waiters.into_iter().map(|waiter| waiter.join().expect("a waiter ends")).collect();
    for waiter in waiters {
        assert!(waiter.pending <= 1, "a waiter was woken without an outcome");
        assert_eq!(waiter.parker.wakes(), waiter.pending, "wake-ups of one waiter");
        assert_eq!(waiter.failed, failed, "the outcome");
    }
}

fn failure() -> Outcome {
    Outcome::Failed(Error::of(Problem::ServerError))
}

#[test]
fn two_waiters_join_while_the_acquisition_ends() {
    check(None, || {
        let acquisition = Acquisition::for_test();
        let waiters = [WaitingTask::spawn(&acquisition), WaitingTask::spawn(&acquisition)];
        acquisition.end(Outcome::Lost);
        all_were_woken(waiters, false);
    });
}

#[test]
fn three_waiters_join_while_the_acquisition_ends() {
    check(3, || {
        let acquisition = Acquisition::for_test();
        let waiters = [0, 1, 2].map(|_| WaitingTask::spawn(&acquisition));
        acquisition.end(failure());
        all_were_woken(waiters, true);
    });
}

/// Its place in the list may be taken again, also by the same task.
#[test]
fn a_waiter_that_is_dropped_while_it_is_woken_affects_no_other() {
    check(None, || {
        let acquisition = Acquisition::for_test();
        let other = WaitingTask::spawn(&acquisition);
        let dropped = thread::spawn({
            let acquisition = Arc::clone(&acquisition);
            move || {
                let mut waiter = Waiter::new(Arc::clone(&acquisition));
                poll_once(poll_fn(|cx| waiter.poll(cx)));
                drop(waiter);
                WaitingTask::wait(&acquisition)
            }
        });
        acquisition.end(Outcome::Lost);
        all_were_woken([other, dropped], false);
    });
}

#[test]
fn a_waiter_that_moves_to_another_task_is_woken_there() {
    check(None, || {
        let acquisition = Acquisition::for_test();
        let mut waiter = Waiter::new(Arc::clone(&acquisition));
        let task = thread::spawn(move || acquisition.end(Outcome::Lost));
        poll_once(poll_fn(|cx| waiter.poll(cx)));
        let moved = thread::spawn(move || WaitingTask::wait_in(&mut waiter));
        moved.join().expect("it is woken");
        task.join().expect("it ends");
    });
}

#[test]
fn the_first_outcome_counts_for_all() {
    check(None, || {
        let acquisition = Acquisition::for_test();
        let waiter = WaitingTask::spawn(&acquisition);
        let task = thread::spawn({
            let acquisition = Arc::clone(&acquisition);
            move || acquisition.end(failure())
        });
        acquisition.end(Outcome::Lost);
        task.join().expect("it ends");
        // The acquisition has ended, so this one does not wait.
        let late = WaitingTask::wait(&acquisition);
        assert_eq!(late.pending, 0, "an ended acquisition has an outcome");
        all_were_woken([waiter], late.failed);
    });
}
