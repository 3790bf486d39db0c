//! How many acquisitions run at once, over all keys.

use std::{collections::BTreeMap, time::Duration};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{
    error::{Error, ErrorKind},
    sync::{Arc, Mutex, lock},
};

/// So long a free turn is kept for who was told of it, and so often one that waits looks by
/// itself: who was told may be on a runtime that nobody drives.
const LOOK: Duration = Duration::from_secs(1);

/// Who waits gets its turn in the order of coming, and a newcomer is the last of them. A semaphore
/// would keep a turn for as long as whoever is first in line does not come for it.
pub(super) struct Turns {
    line: Mutex<Line>,
    most_waiting: usize,
}

#[derive(Default)]
struct Line {
    came: u64,
    /// Turns that are nobody's.
    free: usize,
    /// By the number that each came as.
    waiting: BTreeMap<u64, Arc<Notify>>,
    /// Who was told of a turn and has not come for it, and until when it is kept.
    kept: BTreeMap<u64, Instant>,
}

impl Line {
    /// Keeps a free turn for the first in line, who is to be told.
    fn next(&mut self) -> Option<Arc<Notify>> {
        if self.free == 0 {
            return None;
        }
        let (number, told) = self.waiting.pop_first()?;
        self.free -= 1;
        self.kept.insert(number, Instant::now() + LOOK);
        Some(told)
    }

    /// Puts one in line, unless a turn is kept for it. One that was kept too long is its, as it runs:
    /// the next in line may be as stuck as who did not come. Who that was comes as before, and so
    /// is the first.
    fn join(&mut self, number: u64, told: &Arc<Notify>) {
        let now = Instant::now();
        let lapsed = self.kept.iter().find(|(_, until)| now >= **until).map(|(&lapsed, _)| lapsed);
        if let Some(lapsed) = lapsed {
            self.kept.remove(&lapsed);
            if self.kept.contains_key(&number) {
                self.free += 1;
            } else {
                self.waiting.remove(&number);
                self.kept.insert(number, now + LOOK);
            }
        } else if !self.kept.contains_key(&number) {
            self.waiting.insert(number, Arc::clone(told));
        }
    }

    fn leave(&mut self, number: u64) {
        self.waiting.remove(&number);
        if self.kept.remove(&number).is_some() {
            self.free += 1;
        }
    }
}

/// Given back when it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.line).free += 1;
        self.0.tell();
    }
}

/// A place in line, given up when it is dropped, however the wait ends.
struct Place<'a> {
    turns: &'a Turns,
    number: u64,
    told: Arc<Notify>,
}

impl<'a> Place<'a> {
    fn come(&self) -> Option<Turn<'a>> {
        lock(&self.turns.line).join(self.number, &self.told);
        self.turns.tell();
        let kept = lock(&self.turns.line).kept.remove(&self.number);
        kept.map(|_| Turn(self.turns))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.turns.line).leave(self.number);
        self.turns.tell();
    }
}

impl Turns {
    pub(super) fn new(at_once: usize, most_waiting: usize) -> Self {
        let line = Line { free: at_once.max(1), ..Line::default() };
        Self { line: Mutex::new(line), most_waiting }
    }

    /// Tells those whose turn it is. Outside of the lock, as it runs wakers.
    fn tell(&self) {
        loop {
            let next = lock(&self.line).next();
            let Some(told) = next else { break };
            told.notify_one();
        }
    }

    /// A turn, held until it is dropped. The wait is part of the acquisition's bound, so that its
    /// waiters end when they would anyway; but half of it at most, so that no turn is taken with
    /// hardly any time left to use it.
    pub(super) async fn take(&self, deadline: Option<Instant>) -> Result<Turn<'_>, Error> {
        let began = Instant::now();
        let half = deadline.map(|at| began + at.saturating_duration_since(began) / 2);
        let place = self.enter()?;
        loop {
            if let Some(turn) = place.come() {
                return Ok(turn);
            }
            let look = Instant::now() + LOOK;
            let look = half.map_or(look, |half| half.min(look));
            // Told or not, it looks.
            let _ = timeout_at(look, place.told.notified()).await;
            if half.is_some_and(|half| Instant::now() >= half) {
                return Err(Error::new(ErrorKind::Crowded));
            }
        }
    }

    fn enter(&self) -> Result<Place<'_>, Error> {
        let mut line = lock(&self.line);
        // A turn is free only if nobody waits for it.
        if line.free == 0 && line.waiting.len() >= self.most_waiting {
            return Err(Error::new(ErrorKind::Crowded));
        }
        line.came += 1;
        Ok(Place { turns: self, number: line.came, told: Arc::default() })
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
        task::{Context, Waker},
    };

    use super::*;

    async fn turn(turns: &Turns) -> Turn<'_> {
        turns.take(None).await.unwrap_or_else(|_| unreachable!())
    }

    /// Polled once, by nobody who polls again when it is told.
    fn is_pending(waiter: Pin<&mut impl Future>) -> bool {
        waiter.poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    /// It is told that a turn is free and is polled no more, as on a runtime that nobody drives.
    #[tokio::test(start_paused = true)]
    async fn one_that_is_first_in_line_and_never_polled_keeps_no_turn() {
        let turns = Turns::new(1, 10);
        let held = turn(&turns).await;
        let mut stuck = pin!(turns.take(None));
        assert!(is_pending(stuck.as_mut()));
        let mut next = pin!(turns.take(None));
        assert!(is_pending(next.as_mut()));
        drop(held);
        let began = Instant::now();
        let held = next.await;
        assert!(held.is_ok() && began.elapsed() <= LOOK);
        // That was once: nothing is kept for it any more.
        drop(held);
        turn(&turns).await;
        assert!(began.elapsed() <= LOOK);
        // It may come yet.
        assert!(stuck.await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn many_that_are_never_polled_keep_one_that_is_for_a_second() {
        let turns = Turns::new(1, 100);
        let held = turn(&turns).await;
        let mut stuck: Vec<_> = (0..30).map(|_| Box::pin(turns.take(None))).collect();
        assert!(stuck.iter_mut().all(|stuck| is_pending(stuck.as_mut())));
        let mut live = pin!(turns.take(None));
        assert!(is_pending(live.as_mut()));
        drop(held);
        let began = Instant::now();
        assert!(live.await.is_ok() && began.elapsed() <= 2 * LOOK);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_polled_too_late_takes_none() {
        let turns = Turns::new(1, 10);
        let held = turn(&turns).await;
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut late = pin!(turns.take(Some(deadline)));
        assert!(is_pending(late.as_mut()));
        drop(held);
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(late.await.is_err_and(|error| error.kind() == ErrorKind::Crowded));
        assert!(!is_pending(pin!(turns.take(None))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_does_not_go_ahead_of_those_who_wait() {
        let turns = Turns::new(1, 10);
        let held = turn(&turns).await;
        let (mut first, mut second) = (pin!(turns.take(None)), pin!(turns.take(None)));
        assert!(is_pending(first.as_mut()) && is_pending(second.as_mut()));
        drop(held);
        // Before the first was polled.
        let mut newcomer = pin!(turns.take(None));
        assert!(is_pending(newcomer.as_mut()));
        drop(first.await);
        assert!(is_pending(newcomer.as_mut()));
        drop(second.await);
        assert!(!is_pending(newcomer.as_mut()));
    }

    /// One that waits gives its turn on, also one that it was told of and did not come for.
    #[tokio::test(start_paused = true)]
    async fn one_that_goes_away_costs_the_others_nothing() {
        let turns = Turns::new(1, 10);
        let held = turn(&turns).await;
        let began = Instant::now();
        let (mut gone, mut next) = (Box::pin(turns.take(None)), pin!(turns.take(None)));
        assert!(is_pending(gone.as_mut()) && is_pending(next.as_mut()));
        drop(held);
        drop(gone);
        assert!(next.await.is_ok() && began.elapsed().is_zero());
    }

    /// At most so many at once; and whoever gives up, or is dropped at any time, leaves nothing.
    #[tokio::test(start_paused = true)]
    async fn turns_are_neither_lost_nor_made() {
        for seed in 0..50 {
            let turns = Arc::new(Turns::new(3, 20));
            // Of tokio's, and never waited for.
            let running = Arc::new(tokio::sync::Semaphore::new(3));
            let mut tasks = tokio::task::JoinSet::new();
            for number in 0..100 {
                let mut random = fastrand::Rng::with_seed(seed * 100 + number);
                let (turns, running) = (Arc::clone(&turns), Arc::clone(&running));
                tasks.spawn(async move {
                    let mut millis = |most| Duration::from_millis(random.u64(0..most));
                    tokio::time::sleep(millis(1000)).await;
                    let gives_up = millis(1000);
                    let _ = tokio::time::timeout(gives_up, async {
                        let deadline = Instant::now() + millis(1000);
                        let Ok(_turn) = turns.take(Some(deadline)).await else { return };
                        let _one = running.try_acquire().expect("a turn");
                        tokio::time::sleep(millis(50)).await;
                    })
                    .await;
                });
            }
            tasks.join_all().await;
            let line = lock(&turns.line);
            assert_eq!((line.free, line.waiting.len(), line.kept.len()), (3, 0, 0), "seed {seed}");
        }
    }
}
