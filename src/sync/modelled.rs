//! Replaces the [real](super) synchronization while loom explores the interleavings.
//!
//! * `Mutex` is loom's. `Arc` and `Weak` are the standard library's, and are trusted.
//! * `OnceLock` is the standard library's behind a flag of loom's. A reader that is not ordered after
//!   the writer may miss the value, as on real hardware.
//! * `ArcSwap` is a mutex. That loads and swaps of arc-swap are linearizable is trusted, not checked.
//! * A spawned task is a thread. Timers are tokio's, on a paused clock that does not advance, so
//!   none fires.

use std::{
    cell::{Cell, RefCell},
    fmt,
    future::Future,
    ops::Deref,
    pin::pin,
    sync::{
        Arc,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Acquire, SeqCst},
        },
    },
    task::{Context, Poll, Wake, Waker},
};

use loom::sync::Condvar;
pub(crate) use loom::sync::atomic::AtomicBool;
pub(crate) use loom::{
    sync::{Mutex, MutexGuard, atomic},
    thread,
};

use super::lock;

pub(crate) struct OnceLock<T> {
    set: atomic::AtomicBool,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { set: atomic::AtomicBool::new(false), value: std::sync::OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.set.load(Acquire).then(|| self.value.get().expect("the flag says so"))
    }

    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        // loom switches threads at its own operations only: the two are one step.
        if self.set.swap(true, AcqRel) { Err(value) } else { self.value.set(value) }
    }
}

pub(crate) struct ArcSwapOption<T>(Mutex<Option<Arc<T>>>);

impl<T> ArcSwapOption<T> {
    pub(crate) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn load(&self) -> Guard<Option<Arc<T>>> {
        Guard(lock(&self.0).clone())
    }

    pub(crate) fn swap(&self, new: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut lock(&self.0), new)
    }
}

pub(crate) struct Guard<T>(T);

impl<T> Deref for Guard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The settings of one model. loom runs all threads of a model on the thread of its test, so they are
/// thread-locals.
pub(crate) mod world {
    use super::{Cell, RefCell, thread};

    thread_local! {
        pub(super) static TASKS: RefCell<Vec<thread::JoinHandle<()>>> = RefCell::default();
        pub(super) static INLINE: Cell<bool> = const { Cell::new(false) };
        pub(super) static DOOMED: Cell<usize> = const { Cell::new(0) };
    }

    /// A new execution begins.
    pub(crate) fn begin() {
        TASKS.take();
        INLINE.set(false);
        DOOMED.set(0);
    }

    /// Drops the next task without running it, as a runtime does that shuts down.
    pub(crate) fn doom_next_task() {
        DOOMED.set(DOOMED.get() + 1);
    }

    /// Runs tasks where they are spawned. For the part of a scenario before its threads.
    pub(crate) fn inline<T>(prelude: impl FnOnce() -> T) -> T {
        INLINE.set(true);
        let result = prelude();
        INLINE.set(false);
        result
    }

    /// Waits for every task that was spawned.
    pub(crate) fn join_tasks() {
        while let Some(task) = TASKS.with_borrow_mut(Vec::pop) {
            task.join().expect("a task does not panic");
        }
    }
}

/// The runtime.
pub(crate) struct Handle;

impl Handle {
    pub(crate) fn try_current() -> Result<Self, fmt::Error> {
        Ok(Self)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if world::INLINE.get() {
            return Parker::new().block_on(task);
        }
        let doomed = world::DOOMED.get();
        world::DOOMED.set(doomed.saturating_sub(1));
        let run = move || if doomed > 0 { drop(task) } else { Parker::new().block_on(task) };
        let thread = thread::spawn(run);
        world::TASKS.with_borrow_mut(|tasks| tasks.push(thread));
    }
}

/// A task that sleeps until it is woken, and has no timer. So a lost wake-up is a deadlock, which
/// loom reports.
pub(crate) struct Parker {
    wakes: AtomicUsize,
    woken: Mutex<bool>,
    wake: Condvar,
}

impl Parker {
    pub(crate) fn new() -> Arc<Self> {
        let (woken, wake) = (Mutex::new(false), Condvar::new());
        Arc::new(Self { wakes: AtomicUsize::new(0), woken, wake })
    }

    /// How often it was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.wakes.load(SeqCst)
    }

    pub(crate) fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    pub(crate) fn block_on<T>(self: &Arc<Self>, future: impl Future<Output = T>) -> T {
        let waker = self.waker();
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            let mut woken = lock(&self.woken);
            while !*woken {
                woken = self.wake.wait(woken).expect("loom poisons no lock");
            }
            *woken = false;
        }
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, SeqCst);
        *lock(&self.woken) = true;
        self.wake.notify_one();
    }
}
