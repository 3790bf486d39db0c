//! Limits how many acquisitions start at once, over all keys.
//!
//! `tokio::sync::Semaphore` does not fit. It assigns a released permit to the first waiter and
//! keeps it for that waiter, even if the waiter's runtime is stalled. A few such waiters would take
//! the permits of all keys.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{
    error::{Error, Problem},
    sync::{Arc, Mutex, lock},
};

/// How often a waiter checks for a permit without being notified.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// A waiter that has not checked for this long is on a stalled runtime. Later waiters overtake it.
const STALLED_AFTER: Duration = Duration::from_secs(1);

/// Permits in order of arrival.
pub(super) struct Limiter {
    queue: Mutex<Queue>,
    max_waiting: usize,
}

#[derive(Default)]
struct Queue {
    /// Permits that are not held.
    available: usize,
    next_ticket: u64,
    /// By ticket, and so in order of arrival.
    waiting: BTreeMap<u64, Waiting>,
}

struct Waiting {
    notify: Arc<Notify>,
    checked_at: Instant,
}

impl Queue {
    /// The waiters that can take a permit: for each available one, the first that is not stalled.
    fn eligible(&self, now: Instant) -> impl Iterator<Item = (&u64, &Waiting)> {
        let driven = move |(_, it): &(&u64, &Waiting)| now < it.checked_at + STALLED_AFTER;
        self.waiting.iter().filter(driven).take(self.available)
    }

    /// Takes a permit for this waiter, if it is eligible. Also records that the waiter's runtime is
    /// not stalled.
    fn try_take(&mut self, ticket: u64, now: Instant) -> bool {
        if let Some(waiting) = self.waiting.get_mut(&ticket) {
            waiting.checked_at = now;
        }
        let is_eligible = self.eligible(now).any(|(eligible, _)| *eligible == ticket);
        if is_eligible {
            self.waiting.remove(&ticket);
            self.available -= 1;
        }
        is_eligible
    }

    fn to_notify(&self) -> Vec<Arc<Notify>> {
        self.eligible(Instant::now()).map(|(_, waiting)| Arc::clone(&waiting.notify)).collect()
    }
}

/// A permit to start an acquisition. Dropping it returns it to the limiter.
pub(super) struct Permit<'a>(&'a Limiter);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        lock(&self.0.queue).available += 1;
        self.0.notify();
    }
}

/// A place in the queue. Dropping it leaves the queue.
struct Place<'a> {
    limiter: &'a Limiter,
    ticket: u64,
    notify: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn try_take(&self) -> Option<Permit<'a>> {
        let taken = lock(&self.limiter.queue).try_take(self.ticket, Instant::now());
        taken.then(|| Permit(self.limiter))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // It is missing if the waiter got its permit and has left the queue.
        let waited = lock(&self.limiter.queue).waiting.remove(&self.ticket);
        if waited.is_some() {
            self.limiter.notify();
        }
    }
}

impl Limiter {
    pub(super) fn new(permits: usize, max_waiting: usize) -> Self {
        let queue = Queue { available: permits.max(1), ..Queue::default() };
        Self { queue: Mutex::new(queue), max_waiting }
    }

    /// Notifies the waiters that can take a permit. Done without the lock, because it runs wakers.
    fn notify(&self) {
        let next = lock(&self.queue).to_notify();
        next.iter().for_each(|notify| notify.notify_one());
    }

    /// A permit. The wait is part of `acquisition_timeout`, but at most half of it, so that an
    /// acquisition that starts has enough time.
    pub(super) async fn acquire(&self, deadline: Option<Instant>) -> Result<Permit<'_>, Error> {
        let started = Instant::now();
        let give_up = deadline.map(|at| started + at.saturating_duration_since(started) / 2);
        let place = self.enter(started)?;
        loop {
            if let Some(permit) = place.try_take() {
                return Ok(permit);
            }
            let check_at = Instant::now() + CHECK_INTERVAL;
            let check_at = give_up.map_or(check_at, |at| at.min(check_at));
            // Checks again after a notification and after a timeout alike.
            let _ = timeout_at(check_at, place.notify.notified()).await;
            if give_up.is_some_and(|at| Instant::now() >= at) {
                return Err(overloaded());
            }
        }
    }

    fn enter(&self, now: Instant) -> Result<Place<'_>, Error> {
        let mut queue = lock(&self.queue);
        if queue.waiting.len() >= self.max_waiting.saturating_add(queue.available) {
            return Err(overloaded());
        }
        let (ticket, notify) = (queue.next_ticket, Arc::<Notify>::default());
        queue.next_ticket += 1;
        let waiting = Waiting { notify: Arc::clone(&notify), checked_at: now };
        queue.waiting.insert(ticket, waiting);
        Ok(Place { limiter: self, ticket, notify })
    }
}

fn overloaded() -> Error {
    Error::of(Problem::Overloaded).with_not_started()
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
        task::{Context, Waker},
    };

    use super::*;

    async fn permit(limiter: &Limiter) -> Permit<'_> {
        limiter.acquire(None).await.unwrap_or_else(|_| unreachable!())
    }

    /// Polls once, with a waker that does nothing.
    fn is_pending(waiter: Pin<&mut impl Future>) -> bool {
        waiter.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// It is notified and not polled again, as on a stalled runtime.
    #[tokio::test(start_paused = true)]
    async fn the_first_waiter_takes_no_permit_if_it_is_never_polled() {
        let limiter = Limiter::new(1, 10);
        let held = permit(&limiter).await;
        let mut stuck = pin!(limiter.acquire(None));
        assert!(is_pending(stuck.as_mut()));
        let mut next = pin!(limiter.acquire(None));
        assert!(is_pending(next.as_mut()));
        drop(held);
        let began = Instant::now();
        let held = next.await;
        assert!(held.is_ok() && began.elapsed() <= STALLED_AFTER);
        // The stalled waiter delays the next one no longer.
        drop(held);
        permit(&limiter).await;
        assert!(began.elapsed() <= STALLED_AFTER);
        // It gets a permit if it is polled.
        assert!(stuck.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn many_waiters_that_are_never_polled_delay_others_for_a_second() {
        let limiter = Limiter::new(1, 100);
        let held = permit(&limiter).await;
        let mut stuck: Vec<_> = (0..30).map(|_| Box::pin(limiter.acquire(None))).collect();
        assert!(stuck.iter_mut().all(|stuck| is_pending(stuck.as_mut())));
        let mut live = pin!(limiter.acquire(None));
        assert!(is_pending(live.as_mut()));
        drop(held);
        let began = Instant::now();
        assert!(live.await.is_ok() && began.elapsed() <= 2 * STALLED_AFTER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_is_polled_too_late_takes_no_permit() {
        let limiter = Limiter::new(1, 10);
        let held = permit(&limiter).await;
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut late = pin!(limiter.acquire(Some(deadline)));
        assert!(is_pending(late.as_mut()));
        drop(held);
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(late.await.is_err_and(|error| error.problem() == Problem::Overloaded));
        assert!(!is_pending(pin!(limiter.acquire(None))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_does_not_overtake_waiters() {
        let limiter = Limiter::new(1, 10);
        let held = permit(&limiter).await;
        let (mut first, mut second) = (pin!(limiter.acquire(None)), pin!(limiter.acquire(None)));
        assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
        drop(held);
        // Before the first was polled.
        let mut newcomer = pin!(limiter.acquire(None));
        assert!(is_pending(newcomer.as_mut()));
        drop(first.await);
        assert!(is_pending(newcomer.as_mut()));
        drop(second.await);
        assert!(!is_pending(newcomer.as_mut()));
    }

    /// Also if it was notified of a permit and has not taken it.
    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_is_dropped_delays_no_other() {
        let limiter = Limiter::new(1, 10);
        let held = permit(&limiter).await;
        let began = Instant::now();
        let (mut gone, mut next) = (Box::pin(limiter.acquire(None)), pin!(limiter.acquire(None)));
        assert!(is_pending(gone.as_mut()) && is_pending(next.as_mut()));
        drop(held);
        drop(gone);
        assert!(next.await.is_ok() && began.elapsed().is_zero());
    }

    /// At most three at once. A waiter that gives up, or is dropped at any time, loses no permit.
    #[tokio::test(start_paused = true)]
    async fn permits_are_neither_lost_nor_made() {
        for seed in 0..50 {
            let limiter = Arc::new(Limiter::new(3, 20));
            // Checks the limit.
            let running = Arc::new(tokio::sync::Semaphore::new(3));
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..100 {
                let mut random = fastrand::Rng::with_seed(seed * 100 + number);
                let (limiter, running) = (Arc::clone(&limiter), Arc::clone(&running));
                tasks.spawn(async move {
                    let mut millis = |most| Duration::from_millis(random.u64(0..most));
                    tokio::time::sleep(millis(1000)).await;
                    let gives_up = millis(1000);
                    let _ = tokio::time::timeout(gives_up, async {
                        let deadline = Instant::now() + millis(1000);
                        let Ok(_permit) = limiter.acquire(Some(deadline)).await else { return };
                        let _one = running.try_acquire().expect("a permit");
                        tokio::time::sleep(millis(50)).await;
                    })
                    .await;
                });
            }
            tasks.join_all().await;
            let queue = lock(&limiter.queue);
            assert_eq!((queue.available, queue.waiting.len()), (3, 0), "seed {seed}");
        }
    }
}
