//! What waiters know about the timer of an acquisition.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::runtime::{Handle, Id};

/// Whether waiters can rely on the timer of an acquisition, and need none themselves.
///
/// The model check has no such timers, so the two fields are not modelled.
#[derive(Default)]
pub(super) struct WatchdogStatus {
    /// The runtime of the timer.
    runtime: OnceLock<Id>,
    has_fired: AtomicBool,
}

impl WatchdogStatus {
    /// The timer was registered.
    pub(super) fn start(&self, runtime: Id) {
        let _ = self.runtime.set(runtime);
    }

    /// Called before the waiters are woken.
    pub(super) fn fire(&self) {
        self.has_fired.store(true, Ordering::Release);
    }

    /// Whether the timer is on the current runtime. Then it fires wherever a timer of the waiter would.
    pub(super) fn is_here(&self) -> bool {
        let here = |id: &Id| Handle::try_current().is_ok_and(|current| current.id() == *id);
        self.runtime.get().is_some_and(here)
    }

    /// Read after the waiter was registered: either the timer wakes the waiter, or the waiter finds this.
    pub(super) fn has_fired(&self) -> bool {
        self.has_fired.load(Ordering::Acquire)
    }
}

#[cfg(all(test, not(oauth_loom)))]
mod tests {
    use std::{
        future::{Future as _, poll_fn},
        pin::{Pin, pin},
        task::{Context, Poll, Wake, Waker},
        time::Duration,
    };

    use tokio::{
        runtime::Builder,
        time::{Instant, Sleep, advance},
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
    fn stuck() -> (TokenCache, Arc<Acquisition>, Pin<Box<Sleep>>) {
        stuck_with(ABANDONED * 2)
    }

    fn stuck_with(wait_timeout: Duration) -> (TokenCache, Arc<Acquisition>, Pin<Box<Sleep>>) {
        let source = |_: AcquireContext| async { Token::bearer("second") };
        let cache = TokenCache::builder(source).wait_timeout(wait_timeout).build();
        let (inner, now) = (&cache.inner, Instant::now());
        let (_, effects) = lock(&inner.state).decide(Lookup::Token, now, true, &inner.settings);
        let acquisition = effects.start.expect("an acquisition");
        let timer = new_timer(acquisition.plan.abandoned_at).expect("a timer");
        let watchdog = CacheInner::watch(&acquisition, timer).expect("a timer");
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
        acquisition.watchdog.is_here() && !acquisition.watchdog.has_fired()
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

    /// A foreign executor polls it outside of the runtime later, with the same waker.
    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_was_registered_here_needs_no_runtime_to_go_on() {
        let (cache, _acquisition, _timer) = stuck();
        let mut get = pin!(cache.get());
        let waker = Waker::from(Arc::new(Flag(Arc::default())));
        let mut poll = || get.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
        assert!(poll());
        std::thread::scope(|scope| assert!(scope.spawn(poll).join().unwrap()));
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
