//! One acquisition in flight, and the requests that wait for it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, Waker},
    time::Duration,
};

use slab::Slab;
use tokio::time::Instant;

use super::{snapshot::Snapshot, suspend::ClockSample, watchdog::WatchdogStatus};
use crate::{
    error::Error,
    event::{AcquisitionReason, EventKind},
    sync::{Arc, Mutex, OnceLock, lock},
    token::Token,
};

/// The result that the waiters of an acquisition see.
pub(super) enum Outcome {
    /// A token. If it was expired on arrival, only these waiters use it.
    Token(Arc<Snapshot>),
    /// A failure, shared by all waiters.
    Failed(Error),
    /// No result: its runtime ended, or it was abandoned. The waiters ask the cache again.
    Lost,
}

/// The properties that an acquisition is started with.
#[derive(Clone)]
pub(super) struct Plan {
    /// The number of the acquisition in its cache, from 1.
    pub(super) id: u64,
    pub(super) reason: AcquisitionReason,
    /// A rejection or a forced refresh asked for it. If it fails, another one is due.
    pub(super) retry_owed: bool,
    /// It was taken from the rejection budget.
    pub(super) is_budgeted: bool,
    /// The previous acquisition failed, so this one is a trial request. The source makes one
    /// attempt, and other requests wait only briefly.
    pub(super) probe: bool,
    /// The cached token, if an API rejected it.
    pub(super) rejected: Option<Token>,
    /// The cached token, if it has not expired.
    pub(super) current: Option<Token>,
    /// The cached token, if it has expired or was discarded.
    pub(super) discarded: Option<Token>,
    /// The last rejected tokens.
    pub(super) recently_rejected: Vec<Token>,
    /// Tokens that were requested earlier are discarded.
    pub(super) issued_after: Option<Instant>,
    /// The cooldown before it was ended by hand.
    pub(super) ends_cooldown: bool,
    /// When the source is called. Later than now if the last token was expired on arrival.
    pub(super) starts_at: Instant,
    /// When `acquisition_timeout` has passed.
    pub(super) ends_by: Instant,
    /// When it counts as stuck, and waiters start another acquisition: its source blocks a thread, or
    /// its runtime is stalled.
    pub(super) abandoned_at: Instant,
}

/// One acquisition.
///
/// Single-flight depends on these invariants:
///
/// * `outcome` is set once, and before the list of waiters is closed. So a waiter that finds the
///   list closed also finds an outcome.
/// * A waiter registers under the lock of `waiters`, and only while the list is open. Closing takes
///   all wakers out under the same lock. So each registered waiter is woken exactly once, and none
///   registers too late to be woken.
/// * Wakers run outside of every lock, since they may run arbitrary code.
pub(super) struct Acquisition {
    pub(super) plan: Plan,
    /// The clocks just before the source was called. Only the acquisition's own task uses it, so loom
    /// need not model it.
    pub(super) called_at: std::sync::OnceLock<ClockSample>,
    /// The source offered a token after this acquisition was started, so its result may be older than
    /// the cached token.
    pub(super) overtaken: bool,
    pub(super) watchdog: WatchdogStatus,
    outcome: OnceLock<Outcome>,
    waiters: Mutex<Waiters>,
}

#[derive(Default)]
struct Waiters {
    closed: bool,
    /// The wakers, and when each of the waiters began to wait.
    wakers: Slab<(Waker, Instant)>,
    /// The waits that ended before the acquisition.
    waits: Waits,
}

impl Waiters {
    fn insert(&mut self, waker: Waker) -> usize {
        self.wakers.insert((waker, Instant::now()))
    }

    fn remove(&mut self, key: usize) -> Waker {
        let (waker, since) = self.wakers.remove(key);
        self.waits.add(since, Instant::now());
        waker
    }
}

/// The waits that have ended.
#[derive(Default)]
struct Waits {
    requests: u32,
    longest: Duration,
    total: Duration,
}

impl Waits {
    fn add(&mut self, since: Instant, now: Instant) {
        let wait = now.saturating_duration_since(since);
        self.requests = self.requests.saturating_add(1);
        self.longest = self.longest.max(wait);
        self.total = self.total.saturating_add(wait);
    }
}

#[cfg(test)]
impl Acquisition {
    /// An acquisition for tests that do not depend on its plan.
    pub(super) fn for_test() -> Arc<Self> {
        let now = Instant::now();
        Arc::new(Self::new(Plan {
            id: 1,
            reason: AcquisitionReason::Missing,
            retry_owed: false,
            is_budgeted: false,
            probe: false,
            rejected: None,
            current: None,
            discarded: None,
            recently_rejected: Vec::new(),
            issued_after: None,
            ends_cooldown: false,
            starts_at: now,
            ends_by: now,
            abandoned_at: now,
        }))
    }
}

impl Acquisition {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            called_at: std::sync::OnceLock::new(),
            watchdog: WatchdogStatus::default(),
            overtaken: false,
            outcome: OnceLock::new(),
            waiters: Mutex::default(),
        }
    }

    /// The same acquisition for later waiters, after an offered token ended the wait of the earlier
    /// ones. It owes no retry, because the offered token has replaced the rejected one. Its waiters have
    /// their own timers.
    pub(super) fn for_later_waiters(&self) -> Self {
        let mut plan = self.plan.clone();
        plan.retry_owed = false;
        Self { overtaken: true, ..Self::new(plan) }
    }

    /// Wakes all waiters, which go on waiting.
    pub(super) fn wake_waiters(&self) {
        let clone = |waker: &Waker| catch_unwind(AssertUnwindSafe(|| waker.clone())).ok();
        let waiters = lock(&self.waiters);
        let wakers: Vec<_> =
            waiters.wakers.iter().filter_map(|(_, (waker, _))| clone(waker)).collect();
        drop(waiters);
        wakers.into_iter().for_each(wake);
    }

    /// Ends the wait of all waiters. Only the first outcome counts. Returns the event about the waits,
    /// if there were any.
    pub(super) fn end(&self, outcome: Outcome) -> Option<EventKind> {
        if self.outcome.set(outcome).is_err() {
            return None;
        }
        let (wakers, mut waits) = {
            let mut waiters = lock(&self.waiters);
            waiters.closed = true;
            (std::mem::take(&mut waiters.wakers), std::mem::take(&mut waiters.waits))
        };
        let now = Instant::now();
        for (_, (waker, since)) in wakers {
            waits.add(since, now);
            wake(waker);
        }
        let Waits { requests, longest, total } = waits;
        (requests > 0).then_some(EventKind::Waited { requests, longest, total })
    }
}

/// Wakes one of many waiters. If its waker panics, the others are woken all the same.
fn wake(waker: Waker) {
    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
}

/// One request that waits for an acquisition. Dropping it ends the wait.
pub(super) struct Waiter {
    acquisition: Arc<Acquisition>,
    key: Option<usize>,
    /// The waker changed since [`take_waker_changed`](Self::take_waker_changed) was last called.
    waker_changed: bool,
}

impl Waiter {
    pub(super) fn new(acquisition: Arc<Acquisition>) -> Self {
        Self { acquisition, key: None, waker_changed: false }
    }

    pub(super) fn acquisition(&self) -> &Acquisition {
        &self.acquisition
    }

    /// The outcome by reference. A clone would write to a reference count that all waiters share.
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.acquisition.outcome.get()
    }

    /// Whether the waiter may have moved to another task, and so to another runtime.
    pub(super) fn take_waker_changed(&mut self) -> bool {
        std::mem::take(&mut self.waker_changed)
    }

    /// Ready when there is an outcome.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.outcome().is_some() {
            return Poll::Ready(());
        }
        let mut waiters = lock(&self.acquisition.waiters);
        if waiters.closed {
            assert!(self.outcome().is_some(), "an outcome is set before closing");
            return Poll::Ready(());
        }
        match self.key {
            Some(key) if waiters.wakers[key].0.will_wake(cx.waker()) => {}
            Some(key) => {
                let stale = std::mem::replace(&mut waiters.wakers[key].0, cx.waker().clone());
                drop(waiters);
                drop(stale);
                self.waker_changed = true;
            }
            None => {
                self.key = Some(waiters.insert(cx.waker().clone()));
                self.waker_changed = true;
            }
        }
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some(key) = self.key else { return };
        // `end` takes all wakers out. All waiters are dropped at that time, and would contend for the
        // lock.
        if self.outcome().is_some() {
            return;
        }
        let mut waiters = lock(&self.acquisition.waiters);
        let waker = if waiters.closed { None } else { Some(waiters.remove(key)) };
        drop(waiters);
        drop(waker);
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use std::{future::Future as _, pin::Pin, task::Wake};

    use super::*;

    #[test]
    fn a_waiter_that_is_dropped_before_the_end_leaves_no_waker() {
        let acquisition = Acquisition::for_test();
        let mut cx = Context::from_waker(Waker::noop());
        let mut waiters: Vec<_> = (0..10).map(|_| Waiter::new(Arc::clone(&acquisition))).collect();
        assert!(waiters.iter_mut().all(|waiter| waiter.poll(&mut cx).is_pending()));
        waiters.truncate(3);
        assert_eq!(lock(&acquisition.waiters).wakers.len(), 3);
        acquisition.end(Outcome::Lost);
        assert!(waiters.iter_mut().all(|waiter| waiter.poll(&mut cx).is_ready()));
    }

    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker of the user");
        }
    }

    #[tokio::test]
    async fn a_waker_that_panics_does_not_keep_the_others_waiting() {
        let acquisition = Acquisition::for_test();
        let panics = Waker::from(Arc::new(Panics));
        let mut first = Waiter::new(Arc::clone(&acquisition));
        assert!(first.poll(&mut Context::from_waker(&panics)).is_pending());
        let mut second = Waiter::new(Arc::clone(&acquisition));
        let mut waiting = tokio::spawn(std::future::poll_fn(move |cx| second.poll(cx)));
        assert!(
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut waiting).poll(cx)))
                .await
                .is_pending()
        );
        tokio::task::yield_now().await;
        acquisition.end(Outcome::Lost);
        waiting.await.expect("it is woken");
    }
}
