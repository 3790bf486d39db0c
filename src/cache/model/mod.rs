//! Model checks of single-flight and of the published snapshot. loom runs each scenario in every
//! interleaving of its threads.
//!
//! ```text
//! RUSTFLAGS="--cfg oauth_loom" cargo test --release --no-default-features --lib cache::model
//! ```
//!
//! The code that runs is the code that ships: `Acquisition`, `Waiter`, `TimedWaiter`, `TokenWait`,
//! `Replacement`, `State`, `CacheInner` and the task of an acquisition.
//! [`sync::modelled`](crate::sync::modelled) says what is replaced below it.
//!
//! # Properties
//!
//! * At most one acquisition is in flight (P1), and the number of acquisitions is as expected.
//! * No wake-up is lost: a thread that is not woken is a deadlock. For a single acquisition: each
//!   pending waiter is woken exactly once.
//! * An acquisition that ended has an outcome, the same for all waiters.
//! * A published snapshot is never followed by an older one. At the end it is the one that the state
//!   holds.
//!
//! # Bounds
//!
//! * Threads: up to five, including the test's thread and those that run tasks.
//! * Preemptions: the first argument of `check`, for each scenario. `None` is no bound, as for two
//!   waiters of one acquisition. For the whole cache it is mostly three, and two with four threads. A
//!   switch where a thread waits or ends does not count. `LOOM_MAX_PREEMPTIONS=n` sets another bound
//!   for all.
//! * Time passes where a scenario lets it, between any two steps. Timers do not fire, so a waiter's own
//!   deadline is not modelled; that a waiter is dropped is. Acquisitions have no watchdog, so the race of a
//!   waiter with its end (`watchdog.rs`) is not modelled either.
//! * Memory is as loom models it: acquire and release as in C11, `SeqCst` no stronger than these.
//!
//! # Faults
//!
//! The checks must be able to fail. `.ci/model-faults` breaks a copy of the sources in one place after
//! the other, and fails unless a scenario notices each fault.

mod acquisitions;
mod caches;

use std::{
    fmt::Debug,
    future::Future,
    ops::RangeInclusive,
    pin::pin,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    task::Context,
    time::Duration,
};

use super::TokenCache;
use crate::{
    error::Error,
    event::EventKind,
    source::{AcquireContext, CacheHandle, TokenSource},
    sync::{
        Arc, lock,
        modelled::{Parker, atomic, thread, world},
    },
    token::Token,
};

/// Runs a scenario in every interleaving with at most this many preemptions.
fn check(preemptions: impl Into<Option<usize>>, scenario: fn()) {
    // Its clock moves in `World::pass` only, and its timers never fire.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    let _entered = runtime.enter();
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(preemptions.into());
    let explored = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&explored);
    model.check(move || {
        counter.fetch_add(1, SeqCst);
        world::begin();
        scenario();
    });
    let name = std::thread::current().name().unwrap_or_default().to_owned();
    println!("{name}: {} interleavings", explored.load(SeqCst));
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    Parker::new().block_on(future)
}

fn poll_once(future: impl Future) {
    let _ = pin!(future).poll(&mut Context::from_waker(&Parker::new().waker()));
}

/// The result of the nth acquisition.
type Answer = fn(usize, &AcquireContext) -> Result<Token, Error>;

/// `t1`, `t2`, …: refreshed after 770 s, expired after 970 s.
fn token(serial: usize) -> Token {
    let token = Token::bearer(format!("t{serial}")).expect("a good token");
    token.with_lifetime(Duration::from_secs(1000))
}

fn serial(token: &Token) -> usize {
    token.secret()[1..].parse().expect("a token of `token`")
}

fn published(cache: &TokenCache) -> usize {
    cache.inner.snapshot.load().as_ref().map_or(0, |snapshot| serial(snapshot.token()))
}

/// A cache, and what its source has seen.
#[derive(Clone)]
struct World {
    cache: TokenCache,
    seen: Arc<Seen>,
}

struct Source {
    seen: Arc<Seen>,
    answer: Answer,
}

impl TokenSource for Source {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        let seen = &self.seen;
        let in_flight = seen.in_flight.fetch_add(1, SeqCst) + 1;
        // An assertion here would be caught as a source's panic.
        seen.max_in_flight.fetch_max(in_flight, SeqCst);
        let serial = seen.acquisitions.fetch_add(1, SeqCst) + 1;
        let result = (self.answer)(serial, &context);
        seen.in_flight.fetch_sub(1, SeqCst);
        result
    }

    fn attach(&self, cache: CacheHandle) {
        assert!(self.seen.handle.set(cache).is_ok(), "attached twice");
    }
}

struct Seen {
    handle: std::sync::OnceLock<CacheHandle>,
    /// loom's, so that two acquisitions at once are a separate interleaving.
    in_flight: atomic::AtomicUsize,
    max_in_flight: AtomicUsize,
    acquisitions: AtomicUsize,
    abandoned: AtomicUsize,
}

impl World {
    /// A cache without a token.
    fn new(answer: Answer) -> Self {
        let seen = Arc::new(Seen {
            handle: std::sync::OnceLock::new(),
            in_flight: atomic::AtomicUsize::new(0),
            max_in_flight: AtomicUsize::new(0),
            acquisitions: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
        });
        let source = Arc::clone(&seen);
        let observer = Arc::clone(&seen);
        let cache = TokenCache::builder(Source { seen: source, answer })
            // The system's clocks would make the model depend on real time.
            .wall_clock(|| std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
            .first_refresh_lead(0.2..=0.2)
            .refresh_lead(0.2..=0.2)
            .observer(move |event| {
                if let EventKind::Abandoned { .. } = event.kind() {
                    observer.abandoned.fetch_add(1, SeqCst);
                }
            })
            .build();
        Self { cache, seen }
    }

    /// A cache that has made its first acquisition.
    fn after_one(answer: Answer) -> Self {
        let world = Self::new(answer);
        let _ = world::inline(|| block_on(world.cache.get()));
        assert_eq!(world.seen.acquisitions.load(SeqCst), 1);
        world
    }

    fn spawn<T: 'static>(
        &self,
        run: impl FnOnce(TokenCache) -> T + 'static,
    ) -> thread::JoinHandle<T> {
        let cache = self.cache.clone();
        thread::spawn(move || run(cache))
    }

    /// The source offers a token.
    fn offer(&self, serial: usize) -> bool {
        let handle = self.seen.handle.get().expect("attached");
        handle.offer(token(serial))
    }

    /// Time passes between any two steps of other threads. They read it under these locks, or right
    /// after them.
    fn pass(&self, seconds: u64) {
        let _state = lock(&self.cache.inner.state);
        let _published = self.cache.inner.snapshot.load();
        poll_once(tokio::time::advance(Duration::from_secs(seconds)));
    }

    /// Reads the published token several times. It is never followed by an older one.
    fn watch(&self) {
        let mut newest = 0;
        for _ in 0..3 {
            let published = published(&self.cache);
            assert!(published >= newest, "t{newest} was published before t{published}");
            newest = published;
        }
    }

    /// Checks the properties that hold at the end of every scenario.
    fn end(&self, acquisitions: RangeInclusive<usize>) {
        world::join_tasks();
        let abandoned = self.seen.abandoned.load(SeqCst);
        let max_in_flight = self.seen.max_in_flight.load(SeqCst);
        assert!(
            max_in_flight <= 1 + abandoned,
            "{max_in_flight} acquisitions were in flight at once"
        );
        let made = self.seen.acquisitions.load(SeqCst);
        assert!(acquisitions.contains(&made), "{made} acquisitions instead of {acquisitions:?}");
        let inner = &self.cache.inner;
        let mut state = lock(&inner.state);
        let published = inner.snapshot.load();
        let held = state.update_held(tokio::time::Instant::now());
        assert_eq!(
            published.as_ref().map(Arc::as_ptr),
            held.map(Arc::as_ptr),
            "the published token is not the held one"
        );
    }
}

fn join<T: Debug>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("a thread of the scenario does not panic")
}
