//! The cache's own single-flight and snapshot code under the model checker loom: every
//! interleaving of a few threads, and not only those that a test happens to meet.
//!
//! ```text
//! RUSTFLAGS="--cfg oauth_loom" cargo test --release --no-default-features --lib cache::model
//! ```
//!
//! The code that runs is the code that ships: `Flight`, `Seat`, `Wait`, `Acquiring`, `Replacing`,
//! `State`, `Shared::step` and the driver. [`sync::modelled`](crate::sync::modelled) says what
//! stands in for what below it.
//!
//! # What is checked
//!
//! * At most one acquisition flies at a time (P1), and how many there are in all.
//! * No wake-up is lost: a thread that nobody wakes is a deadlock. At the flight alone: who was
//!   told to wait is woken exactly once.
//! * A flight that ended has an outcome, the same for all.
//! * What is published is never followed by something older, and in the end it is what the state
//!   holds.
//!
//! # Bounds
//!
//! * Threads: up to five, the test's own and those that tasks run on among them.
//! * Preemptions: the first argument of `check`, for each scenario. `None` is every interleaving
//!   there is: so for two waiters of one flight. For the whole cache mostly three, and two with
//!   four threads. A switch where a thread waits or ends is not counted.
//!   `LOOM_MAX_PREEMPTIONS=n` sets another bound for all.
//! * Time passes where a scenario lets it, between any two steps. Timers don't fire, so a
//!   waiter's own deadline is not modelled; that it leaves is.
//! * Memory is as loom models it: acquire and release as in C11, `SeqCst` as no more than these.
//!
//! That it would notice is shown in [`faults`].

mod caches;
mod faults;
mod flights;

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
    event::Event,
    source::Acquire,
    sync::{
        Arc, lock,
        modelled::{Parker, atomic, thread, world},
    },
    token::Token,
};

/// Runs a scenario in every interleaving with so many preemptions, or in every one.
fn check(preemptions: impl Into<Option<usize>>, scenario: fn()) {
    // Its clock stands still but for `World::pass`, and nobody drives its timers.
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

/// The answer to the nth acquisition.
type Answer = fn(usize, &Acquire) -> Result<Token, Error>;

/// `t1`, `t2`, …: refreshed after 770 s, expired after 970 s.
fn token(serial: usize) -> Token {
    let token = Token::bearer(format!("t{serial}")).expect("a good token");
    token.with_lifetime(Duration::from_secs(1000))
}

fn serial(token: &Token) -> usize {
    token.secret()[1..].parse().expect("a token of ours")
}

fn published(cache: &TokenCache) -> usize {
    cache.shared.snapshot.load().as_ref().map_or(0, |snapshot| serial(snapshot.token()))
}

/// A cache, and what its source saw.
#[derive(Clone)]
struct World {
    cache: TokenCache,
    seen: Arc<Seen>,
}

struct Seen {
    /// loom's, so that two acquisitions at once are an interleaving of their own.
    flying: atomic::AtomicUsize,
    most_flying: AtomicUsize,
    acquisitions: AtomicUsize,
    abandoned: AtomicUsize,
}

impl World {
    /// A cache without a token.
    fn new(answer: Answer) -> Self {
        let seen = Arc::new(Seen {
            flying: atomic::AtomicUsize::new(0),
            most_flying: AtomicUsize::new(0),
            acquisitions: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
        });
        let source = Arc::clone(&seen);
        let observer = Arc::clone(&seen);
        let cache = TokenCache::builder(move |acquire: Acquire| {
            let seen = Arc::clone(&source);
            async move {
                let flying = seen.flying.fetch_add(1, SeqCst) + 1;
                // An assertion here would be caught as a source's panic.
                seen.most_flying.fetch_max(flying, SeqCst);
                let serial = seen.acquisitions.fetch_add(1, SeqCst) + 1;
                let answer = answer(serial, &acquire);
                seen.flying.fetch_sub(1, SeqCst);
                answer
            }
        })
        // The system's clocks would make the model depend on real time.
        .wall_clock(|| std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
        .first_refresh_lead(0.2..=0.2)
        .refresh_lead(0.2..=0.2)
        .observer(move |event| {
            if let Event::Abandoned { .. } = event {
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

    /// Time passes: between any two steps of other threads, as it is read under these locks, or
    /// right after them.
    fn pass(&self, seconds: u64) {
        let _state = lock(&self.cache.shared.state);
        let _published = self.cache.shared.snapshot.load();
        poll_once(tokio::time::advance(Duration::from_secs(seconds)));
    }

    /// Reads what is published, again and again: never something older.
    fn watch(&self) {
        let mut newest = 0;
        for _ in 0..3 {
            let published = published(&self.cache);
            assert!(published >= newest, "t{newest} was published before t{published}");
            newest = published;
        }
    }

    /// What holds at the end of every scenario.
    fn end(&self, acquisitions: RangeInclusive<usize>) {
        world::join_tasks();
        let abandoned = self.seen.abandoned.load(SeqCst);
        let most_flying = self.seen.most_flying.load(SeqCst);
        assert!(most_flying <= 1 + abandoned, "{most_flying} acquisitions were in flight at once");
        let made = self.seen.acquisitions.load(SeqCst);
        assert!(acquisitions.contains(&made), "{made} acquisitions instead of {acquisitions:?}");
        let shared = &self.cache.shared;
        let mut state = lock(&shared.state);
        let published = shared.snapshot.load();
        let held = state.settle(tokio::time::Instant::now());
        assert_eq!(
            published.as_ref().map(Arc::as_ptr),
            held.map(Arc::as_ptr),
            "what is published is not what is held"
        );
    }
}

fn join<T: Debug>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("a thread of the scenario does not panic")
}
