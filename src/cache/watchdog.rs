//! What waiters know about the watchdog of an acquisition.

use std::sync::OnceLock;

use tokio::runtime::{Handle, Id};

/// Whether waiters can rely on the watchdog task of an acquisition.
///
/// The model check has no watchdogs, so the two fields are not modelled.
#[derive(Default)]
pub(super) struct WatchdogStatus {
    /// The runtime of the task.
    runtime: OnceLock<Id>,
    end: OnceLock<WatchdogEnd>,
}

/// Why a watchdog does nothing any more.
pub(super) enum WatchdogEnd {
    /// The acquisition has ended, or counts as stuck.
    Over,
    /// The runtime shuts down. A new timer on it may neither fire nor fail, as long as another task blocks a
    /// thread.
    Shutdown,
}

/// What a waiter has to do about an acquisition that is stuck.
pub(super) enum Watch {
    /// Nothing: the watchdog wakes it.
    Covered,
    /// It needs a timer.
    NotCovered,
    /// It cannot wait, since the current runtime shuts down.
    Shutdown,
}

impl WatchdogStatus {
    /// The task was spawned.
    pub(super) fn start(&self, runtime: Id) {
        let _ = self.runtime.set(runtime);
    }

    /// Returns whether it was the first end.
    pub(super) fn end(&self, end: WatchdogEnd) -> bool {
        self.end.set(end).is_ok()
    }

    /// For a waiter on the current runtime.
    ///
    /// Called after the waiter was registered: either the watchdog wakes the waiter, or the waiter finds
    /// its end.
    pub(super) fn on_current_runtime(&self) -> Watch {
        let is_here = self
            .runtime
            .get()
            .is_some_and(|id| Handle::try_current().is_ok_and(|current| current.id() == *id));
        match self.end.get() {
            None if is_here => Watch::Covered,
            Some(WatchdogEnd::Shutdown) if is_here => Watch::Shutdown,
            _ => Watch::NotCovered,
        }
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use std::{
        future::{Future as _, poll_fn},
        pin::pin,
        sync::atomic::{AtomicBool, Ordering},
        task::{Context, Poll, Wake, Waker},
        time::Duration,
    };

    use tokio::{
        runtime::Builder,
        task::AbortHandle,
        time::{Instant, advance},
    };

    use super::*;
    use crate::{
        cache::{
            Get, TokenCache, acquisition::Acquisition, inner::CacheInner, settings::Settings,
            state::Lookup, timed_waiter::new_timer,
        },
        error::ErrorKind,
        source::AcquireContext,
        sync::{Arc, lock},
        token::Token,
    };

    /// A cache with an acquisition that makes no progress, since its task was never started. The source
    /// answers later acquisitions.
    fn stuck() -> (TokenCache, Arc<Acquisition>, AbortHandle) {
        stuck_with(ABANDONED * 2)
    }

    fn stuck_with(wait_timeout: Duration) -> (TokenCache, Arc<Acquisition>, AbortHandle) {
        let source = |_: AcquireContext| async { Token::bearer("second") };
        let cache = TokenCache::builder(source).wait_timeout(wait_timeout).build();
        let (inner, now) = (&cache.inner, Instant::now());
        let (_, effects) = lock(&inner.state).decide(Lookup::Token, now, true, &inner.settings);
        let acquisition = effects.start.expect("an acquisition");
        let timer = new_timer(acquisition.plan.abandoned_at).expect("a timer");
        let watchdog = CacheInner::spawn_watchdog(&acquisition, timer).expect("a task");
        (cache, acquisition, watchdog)
    }

    async fn begin(get: &mut Get) {
        let mut get = pin!(get);
        poll_fn(|cx| {
            assert!(get.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    fn covers(acquisition: &Acquisition) -> bool {
        matches!(acquisition.watchdog.on_current_runtime(), Watch::Covered)
    }

    /// How long until a stuck acquisition counts as abandoned.
    const ABANDONED: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn it_ends_the_wait_of_waiters_without_a_timer() {
        let (cache, acquisition, _watchdog) = stuck();
        let mut get = cache.get();
        begin(&mut get).await;
        assert!(covers(&acquisition));
        let start = Instant::now();
        let token = tokio::time::timeout(ABANDONED * 2, get).await.expect("it hangs").unwrap();
        assert_eq!(token.secret(), "second");
        assert_eq!(start.elapsed(), ABANDONED);
        assert!(!covers(&acquisition));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_waiter_that_is_polled_a_late_result_is_used() {
        let (cache, acquisition, _watchdog) = stuck();
        let mut kept = cache.get();
        begin(&mut kept).await;
        advance(ABANDONED * 2).await;
        tokio::task::yield_now().await;
        assert!(!covers(&acquisition), "it has ended");
        let in_flight = cache.inner.in_flight().expect("still in flight");
        assert!(Arc::ptr_eq(&in_flight, &acquisition));
    }

    /// The deadline of the waiter passes at that moment.
    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_gives_up_starts_no_other_acquisition() {
        let (cache, acquisition, _watchdog) = stuck_with(ABANDONED);
        let error = cache.get().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WaitTimeout);
        assert!(cache.inner.in_flight().is_none_or(|it| Arc::ptr_eq(&it, &acquisition)));
    }

    /// It asked for the acquisition before the watchdog ended, and registers after that.
    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_comes_too_late_for_it_has_its_own_timer() {
        let (cache, acquisition, _watchdog) = stuck();
        advance(ABANDONED).await;
        tokio::task::yield_now().await;
        let mut get = cache.get();
        get.join(acquisition);
        let token = tokio::time::timeout(ABANDONED, get).await.expect("it hangs").unwrap();
        assert_eq!(token.secret(), "second");
    }

    #[test]
    fn it_covers_its_own_runtime_only_and_ends_with_it() {
        let runtime = || Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (own, other) = (runtime(), runtime());
        let (cache, acquisition, _watchdog) = own.block_on(async { stuck() });
        assert!(own.block_on(async { covers(&acquisition) }));
        assert!(!covers(&acquisition));
        assert!(!other.block_on(async { covers(&acquisition) }));
        let (handle, woken) = (own.handle().clone(), Arc::new(AtomicBool::new(false)));
        let waker = Waker::from(Arc::new(Flag(Arc::clone(&woken))));
        let mut get = pin!(cache.get());
        let mut poll = || {
            let _entered = handle.enter();
            get.as_mut().poll(&mut Context::from_waker(&waker))
        };
        assert!(poll().is_pending());
        drop(own);
        assert!(woken.load(Ordering::SeqCst));
        let Poll::Ready(Err(error)) = poll() else { panic!("no wait is possible there") };
        assert_eq!(error.kind(), ErrorKind::Runtime);
        let in_flight = cache.inner.in_flight().expect("it goes on");
        assert!(Arc::ptr_eq(&in_flight, &acquisition));
    }

    struct Flag(Arc<AtomicBool>);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_task_of_its_acquisition() {
        let cache = TokenCache::new(|_: AcquireContext| async { Token::bearer("first") });
        let mut get = cache.get();
        begin(&mut get).await;
        let acquisition = cache.inner.in_flight().expect("an acquisition");
        assert!(covers(&acquisition));
        get.await.unwrap();
        tokio::task::yield_now().await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
        assert_eq!(Arc::strong_count(&acquisition), 1, "nothing keeps it");
    }

    /// Otherwise each waiter of a cache with default settings would need a timer.
    #[test]
    fn by_default_an_acquisition_is_abandoned_before_its_waiters_give_up() {
        let settings = Settings::default();
        let abandoned = settings.acquisition_timeout + crate::cache::state::ABANDON_AFTER;
        assert_eq!(abandoned, ABANDONED);
        assert!(abandoned <= settings.wait_timeout);
    }
}
