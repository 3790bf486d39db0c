//! The data that all clones of a [`TokenCache`](super::TokenCache) share, the steps of its state,
//! and the task that runs an acquisition.
//!
//! Step and task are in one file because each needs the other: a step may start an acquisition, whose
//! task ends with a step.

use std::{
    future::Future as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Wake, Waker},
};

use tokio::time::{Instant, Sleep};
use tracing::Instrument;

#[cfg(feature = "keyed")]
use super::key_entry::KeyEntry;
use super::{
    acquisition::{Acquisition, Plan},
    call_source::call_source,
    names::ClientName,
    readiness::ReadinessUntil,
    settings::Settings,
    signal::Signal,
    snapshot::Snapshot,
    state::{Decision, Effects, Lookup, Rejection, Requirement, State},
    timed_waiter,
};
use crate::{
    error::Error,
    event::{EventKind, Observer},
    source::{CacheControl, ErasedSource},
    sync::{Arc, ArcSwapOption, Guard, Handle, Mutex, MutexGuard, Weak, lock},
    token::Token,
};

/// The shared part of a cache.
#[cfg_attr(feature = "keyed", repr(C))]
pub(crate) struct CacheInner {
    /// Set for a cache of a keyed cache. First, next to the reference count: a lookup reads these
    /// two, and with many caches they are rarely in the processor's cache.
    #[cfg(feature = "keyed")]
    pub(super) key_entry: Option<KeyEntry>,
    /// The token as requests read it.
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    /// Held only while `State` is updated. Never held across a wake-up, an event, a spawn or an await.
    pub(super) state: Mutex<State>,
    source: Box<dyn ErasedSource>,
    pub(super) name: ClientName,
    pub(super) settings: Arc<Settings>,
    pub(super) observer: Observer,
    /// Wakes the task that keeps the cache warm: the token was discarded or offered, or a cooldown
    /// was ended. Closed when the last clone of the cache is dropped.
    warm_signal: Signal,
    /// Notified when the readiness, or the time at which it ends by itself, changes.
    pub(super) readiness_changed: Signal,
}

impl CacheInner {
    pub(super) fn new(
        source: Box<dyn ErasedSource>,
        name: ClientName,
        settings: Arc<Settings>,
        observer: Observer,
    ) -> Self {
        Self {
            #[cfg(feature = "keyed")]
            key_entry: None,
            snapshot: ArcSwapOption::empty(),
            state: Mutex::default(),
            source,
            name,
            settings,
            observer,
            warm_signal: Signal::default(),
            readiness_changed: Signal::default(),
        }
    }

    pub(super) fn source(&self) -> &dyn ErasedSource {
        &*self.source
    }

    /// Runs one step of the state and publishes its token under the lock. Then carries out the
    /// effects of the step without the lock.
    fn step<T>(self: &Arc<Self>, step: impl FnOnce(&mut State, Instant) -> (T, Effects)) -> T {
        let mut state = lock(&self.state);
        // Read under the lock, so that the time of the state never runs backwards.
        let now = Instant::now();
        // Outlives the lock, see `State::foreign_values`.
        let _previous = state.foreign_values();
        let before = BeforeStep {
            readiness: state.readiness(now),
            suspended: state.observe_clocks(now, &self.settings),
        };
        let (result, effects) = step(&mut state, now);
        self.end_step(state, now, before, effects);
        result
    }

    /// Publishes the token, releases the lock, and carries out the effects.
    ///
    /// Not generic, so that it is compiled once and not for each kind of step.
    fn end_step(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State>,
        now: Instant,
        before: BeforeStep,
        effects: Effects,
    ) {
        let readiness_changed = state.readiness(now) != before.readiness;
        let readiness_event = state.readiness_event(now);
        let held = state.update_held(now).cloned();
        #[cfg(feature = "keyed")]
        if let Some(entry) = &self.key_entry {
            entry.store(state.backoff(), &self.settings.timing.backoff);
        }
        let published = self.snapshot.load();
        let held = held.filter(|held| {
            published.as_ref().is_none_or(|published| !Arc::ptr_eq(held, published))
        });
        let outdated = held.and_then(|held| {
            // Before the swap: a reader that sees the new snapshot finds the old one marked.
            if let Some(published) = published.as_ref() {
                published.replaced.set();
            }
            self.snapshot.swap(Some(held))
        });
        drop(state);
        drop((published, outdated));
        let waited = effects.end.and_then(|(acquisition, outcome)| acquisition.end(outcome));
        if readiness_changed {
            self.readiness_changed.notify();
        }
        // After the waiters were woken: a slow observer delays none of them. Before the start: its task
        // reports events too, and they come after those that led to it.
        let events = before.suspended.into_iter().chain(effects.events);
        for event in events.chain(readiness_event).chain(waited) {
            self.observer.emit(event);
        }
        if let Some(acquisition) = effects.start {
            self.start(acquisition);
        }
    }

    /// The snapshot, if a request may use it without the lock.
    pub(super) fn fresh(&self, now: Instant) -> Option<Guard<Option<Arc<Snapshot>>>> {
        let snapshot = self.snapshot.load();
        snapshot.as_ref().is_some_and(|it| it.is_fresh(now)).then_some(snapshot)
    }

    /// Decides what a request does. May start an acquisition.
    pub(super) fn decide(self: &Arc<Self>, lookup: Lookup) -> Decision {
        let can_start = Handle::try_current().is_ok();
        self.step(|state, now| state.decide(lookup, now, can_start, &self.settings))
    }

    /// The cached token if it meets the requirement. Starts a refresh that is due.
    pub(super) fn current(self: &Arc<Self>, requirement: Requirement) -> Option<Arc<Snapshot>> {
        let can_start = Handle::try_current().is_ok();
        self.step(|state, now| state.current(requirement, now, can_start, &self.settings))
    }

    /// `origin`: the API that rejected the token, if it is known.
    pub(super) fn reject(self: &Arc<Self>, token: &Token, origin: Option<String>) -> Rejection {
        let can_start = Handle::try_current().is_ok();
        self.step(|state, now| state.reject(token, origin, now, can_start, &self.settings))
    }

    pub(super) fn force_refresh(self: &Arc<Self>) -> Rejection {
        let can_start = Handle::try_current().is_ok();
        self.step(|state, now| state.force_refresh(now, can_start, &self.settings))
    }

    pub(super) fn end_cooldown(self: &Arc<Self>) -> bool {
        let ended = self.step(|state, now| state.end_cooldown(now));
        if ended {
            self.warm_signal.notify();
        }
        ended
    }

    fn complete(self: &Arc<Self>, acquisition: &Acquisition, result: Option<Result<Token, Error>>) {
        let draw = fastrand::f64();
        // Outlives the lock, see `State::foreign_values`.
        let _result = result.clone();
        self.step(|state, now| {
            ((), state.complete(acquisition, result, now, draw, &self.settings))
        });
    }

    /// A clone of the token for a caller. A cache of a keyed cache has no copy for each stripe
    /// (group of threads): there are many such caches, and few threads use the same one at a time.
    pub(super) fn clone_token(&self, snapshot: &Snapshot) -> Token {
        #[cfg(feature = "keyed")]
        if self.key_entry.is_some() {
            return snapshot.token().clone();
        }
        snapshot.clone_token()
    }

    pub(super) fn in_flight(&self) -> Option<Arc<Acquisition>> {
        lock(&self.state).in_flight()
    }

    pub(super) fn readiness(&self) -> ReadinessUntil {
        let state = lock(&self.state);
        state.readiness(Instant::now())
    }

    /// Starts the task of an acquisition. Without a runtime, or if the runtime is shutting down or
    /// has no timers, the acquisition ends at once and its waiters ask the cache again.
    fn start(self: &Arc<Self>, acquisition: Arc<Acquisition>) {
        let inner = Arc::clone(self);
        let mut task = AcquisitionTask { inner, acquisition, timer: None, completed: false };
        // Without timers the task would panic.
        if let Ok(runtime) = Handle::try_current()
            && let Some(timer) = timed_waiter::new_timer(task.acquisition.plan.abandoned_at)
        {
            task.timer = Self::watch(&task.acquisition, timer);
            let plan = &task.acquisition.plan;
            // All requests share the acquisition, so its span is not a child of the request's span.
            let span = tracing::debug_span!(
                parent: None,
                "acquire_token",
                client = &**self.name.get(),
                reason = plan.reason.as_str(),
                probe = plan.probe
            );
            span.follows_from(tracing::Span::current());
            runtime.spawn(task.run(span));
        }
    }

    /// Registers the timer of an acquisition, which wakes the waiters when the acquisition counts as
    /// stuck. The model check has none.
    ///
    /// Its waker is called where the runtime processes its timers. A task would do the same, but may be
    /// queued behind one that blocks a thread.
    pub(super) fn watch(acquisition: &Arc<Acquisition>, timer: Sleep) -> Option<Pin<Box<Sleep>>> {
        if cfg!(oauth_loom) {
            return None;
        }
        let waker = Waker::from(Arc::new(WakeWaiters(Arc::downgrade(acquisition))));
        let mut timer = Box::pin(timer);
        // tokio panics if the runtime has ended. Without its budget, a poll may only wake.
        let poll = || {
            let polled = pin!(tokio::task::unconstrained(timer.as_mut()));
            polled.poll(&mut Context::from_waker(&waker))
        };
        if catch_unwind(AssertUnwindSafe(poll)).ok()?.is_ready() {
            return None;
        }
        acquisition.watchdog.start(tokio::runtime::Handle::current().id());
        Some(timer)
    }

    /// Keeps the token fresh without requests: asks the state whenever a request might start an
    /// acquisition. Ends when a later acquisition starts or the last clone of the cache is dropped.
    ///
    /// The task of each acquisition continues here. So there is one such task, on the runtime of the
    /// newest acquisition. It does not keep the cache alive while it waits.
    async fn keep_warm(self: Arc<Self>, acquisition: u64) {
        let (weak, mut signal) = (Arc::downgrade(&self), self.warm_signal.subscribe());
        let mut strong = Some(self);
        while let Some(inner) = strong.take() {
            let next = lock(&inner.state).next_revalidation(acquisition, Instant::now());
            let Some(next) = next else { return };
            drop(inner);
            // An error means that the sender was dropped with the last clone of the cache.
            if let Ok(Err(_)) = tokio::time::timeout_at(next, signal.changed()).await {
                return;
            }
            strong = weak.upgrade();
            if let Some(inner) = &strong {
                inner.decide(Lookup::Token);
            }
        }
    }
}

/// The readiness before a step, and the event if a suspend was noticed.
struct BeforeStep {
    readiness: ReadinessUntil,
    suspended: Option<EventKind>,
}

impl Drop for CacheInner {
    fn drop(&mut self) {
        #[cfg(feature = "keyed")]
        if self.key_entry.as_ref().is_some_and(|entry| !entry.is_adopted()) {
            return;
        }
        self.observer.emit(EventKind::Closed);
    }
}

impl CacheControl for CacheInner {
    fn clear(self: Arc<Self>) {
        self.step(|state, now| ((), state.clear(now)));
        self.warm_signal.notify();
    }

    fn offer(self: Arc<Self>, token: Token) -> bool {
        let draw = fastrand::f64();
        // Outlives the lock, see `State::foreign_values`.
        let _offered = token.clone();
        let accepted = self.step(|state, now| state.offer(token, now, draw, &self.settings));
        if accepted {
            // The next refresh is due at another time.
            self.warm_signal.notify();
        }
        accepted
    }

    fn observer(&self, except: Option<&Arc<str>>) -> Option<Observer> {
        let is_other = except.is_none_or(|client| !Arc::ptr_eq(client, self.name.get()));
        is_other.then(|| self.observer.clone())
    }
}

/// The task of an acquisition, so that the request which started it may be dropped.
///
/// It completes the acquisition in any case: with the source's result, or without one when the task
/// is dropped because its runtime shuts down.
struct AcquisitionTask {
    inner: Arc<CacheInner>,
    acquisition: Arc<Acquisition>,
    /// Wakes the waiters if the source blocks a thread, since the time limits of this task do nothing
    /// then. Most waiters have no timer: it would cost each of them some 40 ns and 100 bytes.
    timer: Option<Pin<Box<Sleep>>>,
    completed: bool,
}

impl AcquisitionTask {
    async fn run(mut self, span: tracing::Span) {
        let acquire = async {
            let CacheInner { source, name, settings, observer, .. } = &*self.inner;
            let Plan { reason, probe, .. } = self.acquisition.plan;
            observer.emit(EventKind::AcquisitionStarted { reason, probe });
            let result =
                call_source(&**source, name.get(), &self.acquisition, settings, observer).await;
            self.inner.complete(&self.acquisition, result);
            self.completed = true;
        };
        acquire.instrument(span).await;
        if self.inner.settings.keep_warm {
            let (inner, id) = (Arc::clone(&self.inner), self.acquisition.plan.id);
            drop(self);
            inner.keep_warm(id).await;
        }
    }
}

impl Drop for AcquisitionTask {
    fn drop(&mut self) {
        if !self.completed {
            self.inner.complete(&self.acquisition, None);
        }
    }
}

/// The waker of an acquisition's timer.
///
/// The waiters that rely on the timer abandon the acquisition when they are polled.
struct WakeWaiters(Weak<Acquisition>);

impl Wake for WakeWaiters {
    fn wake(self: Arc<Self>) {
        if let Some(acquisition) = self.0.upgrade() {
            acquisition.watchdog.fire();
            acquisition.wake_waiters();
        }
    }
}
