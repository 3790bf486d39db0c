//! One flight and its waiters, without a bound on preemptions.

use std::future::poll_fn;

use super::*;
use crate::{
    cache::flight::{Flight, Outcome, Seat},
    error::ErrorKind,
};

/// Somebody in a seat who waits on a task of their own.
struct Waiter {
    parker: Arc<Parker>,
    pending: usize,
    failed: bool,
}

impl Waiter {
    fn wait(flight: &Arc<Flight>) -> Self {
        Self::wait_in(&mut Seat::new(Arc::clone(flight)))
    }

    fn wait_in(seat: &mut Seat) -> Self {
        let parker = Parker::new();
        let mut pending = 0;
        parker.block_on(poll_fn(|cx| {
            let polled = seat.poll(cx);
            pending += usize::from(polled.is_pending());
            polled
        }));
        let failed = matches!(seat.outcome(), Some(Outcome::Failed(_)));
        Self { parker, pending, failed }
    }

    fn spawn(flight: &Arc<Flight>) -> thread::JoinHandle<Self> {
        let flight = Arc::clone(flight);
        thread::spawn(move || Self::wait(&flight))
    }
}

/// Every waiter that was told to wait is woken, once; and finds how the flight ended.
fn all_were_woken(waiters: impl IntoIterator<Item = thread::JoinHandle<Waiter>>, failed: bool) {
    let waiters: Vec<_> =
        waiters.into_iter().map(|waiter| waiter.join().expect("a waiter ends")).collect();
    for waiter in waiters {
        assert!(waiter.pending <= 1, "a waiter was woken in vain");
        assert_eq!(waiter.parker.wakes(), waiter.pending, "wake-ups of one waiter");
        assert_eq!(waiter.failed, failed, "how it ended");
    }
}

fn failure() -> Outcome {
    Outcome::Failed(Error::new(ErrorKind::ServerError))
}

#[test]
fn two_waiters_join_while_the_flight_ends() {
    check(None, || {
        let flight = Flight::of_a_test();
        let waiters = [Waiter::spawn(&flight), Waiter::spawn(&flight)];
        flight.end(Outcome::Gone);
        all_were_woken(waiters, false);
    });
}

#[test]
fn three_waiters_join_while_the_flight_ends() {
    check(3, || {
        let flight = Flight::of_a_test();
        let waiters = [0, 1, 2].map(|_| Waiter::spawn(&flight));
        flight.end(failure());
        all_were_woken(waiters, true);
    });
}

/// Its place is free for another, also for itself.
#[test]
fn a_waiter_that_is_dropped_while_it_is_woken_takes_nobody_along() {
    check(None, || {
        let flight = Flight::of_a_test();
        let other = Waiter::spawn(&flight);
        let fickle = thread::spawn({
            let flight = Arc::clone(&flight);
            move || {
                let mut seat = Seat::new(Arc::clone(&flight));
                poll_once(poll_fn(|cx| seat.poll(cx)));
                drop(seat);
                Waiter::wait(&flight)
            }
        });
        flight.end(Outcome::Gone);
        all_were_woken([other, fickle], false);
    });
}

#[test]
fn a_waiter_that_moves_to_another_task_is_woken_there() {
    check(None, || {
        let flight = Flight::of_a_test();
        let mut seat = Seat::new(Arc::clone(&flight));
        let pilot = thread::spawn(move || flight.end(Outcome::Gone));
        poll_once(poll_fn(|cx| seat.poll(cx)));
        let moved = thread::spawn(move || Waiter::wait_in(&mut seat));
        // What woke the first task is not owed to the second.
        moved.join().expect("it is woken");
        pilot.join().expect("it ends");
    });
}

#[test]
fn the_first_outcome_counts_for_all() {
    check(None, || {
        let flight = Flight::of_a_test();
        let waiter = Waiter::spawn(&flight);
        let pilot = thread::spawn({
            let flight = Arc::clone(&flight);
            move || flight.end(failure())
        });
        flight.end(Outcome::Gone);
        pilot.join().expect("it ends");
        // It ended, so nobody waits any more.
        let late = Waiter::wait(&flight);
        assert_eq!(late.pending, 0, "an ended flight has an outcome");
        all_were_woken([waiter], late.failed);
    });
}
