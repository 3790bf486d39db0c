//! The authorization server, the store and the processes of a simulated day.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, sleep_until};
use tower_oauth2_client_credentials::{
    Error, Token, TokenCache, TokenSource,
    source::{AcquireContext, Sharing},
    store::{
        Announcer, EntryId, Lease, LeaseOwner, MemoryFault, MemoryStore, Shared, Store, StoreError,
        StoredEntry,
    },
};

use crate::support::{LIFE, Wall, key, secs, server_error, token};

pub(crate) const MINUTES: usize = 24 * 60;
const HOUR: f64 = 3600.0;
const LATENCY: f64 = 0.2;
/// How often any process gets a token for a request, in seconds.
const REQUEST_INTERVAL: f64 = 1.0;
/// The share of acquisitions whose process dies, on a day of faults.
const DEATHS: f64 = 0.1;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Day {
    Healthy,
    Faults,
}

/// Times of faults: the start, and the end.
const SERVER_DOWN: [(f64, f64); 2] = [(3.0, 3.3), (15.0, 15.1)];
const STORE_DOWN: [(f64, f64); 2] = [(9.0, 10.0), (15.0, 15.1)];
/// All processes restart: during ten minutes, and at once.
const ROLLING_RESTART: f64 = 6.0;
const RESTART: f64 = 12.0;
/// The store loses its entries.
const STORE_LOSS: f64 = 18.0;

/// The results of a day.
pub(crate) struct Numbers {
    /// Token requests in each minute.
    pub(crate) minutes: Vec<usize>,
    pub(crate) dead_leaders: usize,
    pub(crate) dead_leaders_outside: usize,
    /// Requests without a token, while any process could have had a valid one.
    pub(crate) failed_requests: usize,
}

/// Whether the outages, or the lives of tokens that were acquired in them, include an hour.
fn is_in_outage(hour: f64) -> bool {
    let after = 1.1 * LIFE / HOUR;
    SERVER_DOWN.iter().chain(&STORE_DOWN).any(|(from, to)| (*from..to + after).contains(&hour))
}

impl Numbers {
    pub(crate) fn total(&self) -> usize {
        self.minutes.iter().sum()
    }

    pub(crate) fn outside_of_outages(&self) -> usize {
        let minutes = self.minutes.iter().enumerate();
        let outside = minutes.filter(|(minute, _)| !is_in_outage(*minute as f64 / 60.0));
        outside.map(|(_, count)| count).sum()
    }

    /// The token requests in the busiest minute after the first hour, and the mean.
    pub(crate) fn peak_and_mean(&self) -> (f64, f64) {
        let later = &self.minutes[(LIFE / 60.0) as usize..];
        let sum: usize = later.iter().sum();
        let peak = later.iter().max().copied().unwrap_or_default();
        (peak as f64, sum as f64 / later.len() as f64)
    }
}

struct Inner {
    day: Day,
    start: Instant,
    minutes: Mutex<Vec<usize>>,
    issued: AtomicUsize,
    last_issued: Mutex<Option<Instant>>,
    deaths: Mutex<Vec<f64>>,
    store: MemoryStore,
    wall: Wall,
    has_store: bool,
    /// The state of the random numbers.
    random: AtomicU64,
}

#[derive(Clone)]
pub(crate) struct World {
    inner: Arc<Inner>,
    processes: usize,
}

/// A process. When it is dead, nothing that it has begun continues.
#[derive(Clone)]
struct Process {
    inner: Arc<Inner>,
    is_dead: Arc<AtomicBool>,
    /// When it got a token from the authorization server itself.
    acquired_at: Arc<Mutex<Option<Instant>>>,
}

impl Inner {
    fn hour(&self) -> f64 {
        self.start.elapsed().as_secs_f64() / HOUR
    }

    fn is_faulty(&self, times: &[(f64, f64)]) -> bool {
        let hour = self.hour();
        self.day == Day::Faults && times.iter().any(|(from, to)| (*from..*to).contains(&hour))
    }

    /// Uniform in `[0, 1)`.
    fn random(&self) -> f64 {
        // SplitMix64.
        let mut z = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

impl Process {
    async fn stop_if_dead(&self) {
        if self.is_dead.load(Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    fn cache(&self) -> TokenCache {
        let builder = if self.inner.has_store {
            let shared = Shared::builder(self.clone(), self.clone()).sealed_with([key(1)]);
            let shared = shared.wall_clock(self.inner.wall.clock(0.0));
            TokenCache::builder(shared.build().unwrap())
        } else {
            TokenCache::builder(self.clone())
        };
        builder.keep_warm(true).wall_clock(self.inner.wall.clock(0.0)).build()
    }

    /// Whether the process could have a valid token for sure: one was issued less than half a life ago.
    /// With a store that works, any process may have got it; without a store, this one.
    fn has_valid_token(&self) -> bool {
        let inner = &self.inner;
        let last = if inner.has_store { &inner.last_issued } else { &*self.acquired_at };
        let is_fresh = last.lock().unwrap().is_some_and(|at| at.elapsed() < secs(LIFE / 2.0));
        is_fresh && inner.store.fault() == MemoryFault::None
    }
}

impl TokenSource for Process {
    async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
        self.stop_if_dead().await;
        let inner = &self.inner;
        let minute = (inner.hour() * 60.0) as usize;
        if let Some(count) = inner.minutes.lock().unwrap().get_mut(minute) {
            *count += 1;
        }
        if inner.day == Day::Faults && inner.random() < DEATHS {
            self.is_dead.store(true, Relaxed);
            inner.deaths.lock().unwrap().push(inner.hour());
        }
        sleep(secs(LATENCY)).await;
        self.stop_if_dead().await;
        if inner.is_faulty(&SERVER_DOWN) {
            return Err(server_error());
        }
        *inner.last_issued.lock().unwrap() = Some(Instant::now());
        *self.acquired_at.lock().unwrap() = Some(Instant::now());
        Ok(token(inner.issued.fetch_add(1, Relaxed), LIFE))
    }

    fn sharing(&self) -> Sharing {
        Sharing::new().with("client_id", "fleet")
    }
}

impl Store for Process {
    async fn read(&self, id: EntryId) -> Result<Option<StoredEntry>, StoreError> {
        self.stop_if_dead().await;
        Store::read(&self.inner.store, id).await
    }

    async fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<Lease, StoreError> {
        self.stop_if_dead().await;
        Store::lease(&self.inner.store, id, owner, duration).await
    }

    async fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        self.stop_if_dead().await;
        Store::renew(&self.inner.store, id, owner, duration).await
    }

    async fn release(&self, id: EntryId, owner: LeaseOwner) -> Result<(), StoreError> {
        self.stop_if_dead().await;
        Store::release(&self.inner.store, id, owner).await
    }

    async fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.stop_if_dead().await;
        Store::write(&self.inner.store, id, entry, ttl).await
    }

    fn subscribe(&self, announcements: Announcer) {
        Store::subscribe(&self.inner.store, announcements);
    }
}

impl World {
    pub(crate) fn new(processes: usize, day: Day, has_store: bool) -> Self {
        let store = MemoryStore::new();
        store.set_latency(secs(0.001));
        let inner = Inner {
            day,
            start: Instant::now(),
            minutes: Mutex::new(vec![0; MINUTES]),
            issued: AtomicUsize::new(1),
            last_issued: Mutex::default(),
            deaths: Mutex::default(),
            store,
            wall: Wall::new(),
            has_store,
            random: AtomicU64::new(0),
        };
        Self { inner: Arc::new(inner), processes }
    }

    pub(crate) async fn run(self) -> Numbers {
        let processes: Vec<_> =
            (0..self.processes).map(|number| tokio::spawn(self.clone().live(number))).collect();
        let faults = tokio::spawn(faults(Arc::clone(&self.inner)));
        let mut failed_requests = 0;
        for process in processes {
            failed_requests += process.await.unwrap();
        }
        faults.await.unwrap();
        let inner = &*self.inner;
        let deaths = inner.deaths.lock().unwrap().clone();
        Numbers {
            minutes: inner.minutes.lock().unwrap().clone(),
            dead_leaders: deaths.len(),
            dead_leaders_outside: deaths.into_iter().filter(|hour| !is_in_outage(*hour)).count(),
            failed_requests,
        }
    }

    /// The lives of one process after the other. Returns the number of failed requests.
    async fn live(self, number: usize) -> usize {
        let share = number as f64 / self.processes as f64;
        let restarts = match self.inner.day {
            Day::Healthy => vec![24.0],
            Day::Faults => vec![ROLLING_RESTART + share / 6.0, RESTART, 24.0],
        };
        let mut failed = 0;
        for restart in restarts {
            let until = self.inner.start + secs(restart * HOUR);
            while Instant::now() < until {
                failed += self.live_once(until, share).await;
            }
        }
        failed
    }

    /// Runs one process until it dies or is restarted. Returns the number of failed requests.
    async fn live_once(&self, until: Instant, share: f64) -> usize {
        let is_dead = Arc::new(AtomicBool::new(false));
        let process = Process {
            inner: Arc::clone(&self.inner),
            is_dead: Arc::clone(&is_dead),
            acquired_at: Arc::default(),
        };
        let cache = process.cache();
        // Not awaited: the process may die.
        drop(tokio::spawn({
            let cache = cache.clone();
            async move { cache.get().await.map(drop) }
        }));
        let interval = REQUEST_INTERVAL * self.processes as f64;
        let mut failed = 0;
        sleep(secs(30.0 + interval * share).min(until - Instant::now())).await;
        while Instant::now() < until && !is_dead.load(Relaxed) {
            failed += usize::from(cache.current().is_none() && process.has_valid_token());
            sleep_until((Instant::now() + secs(interval)).min(until)).await;
        }
        is_dead.store(true, Relaxed);
        // It is started again.
        sleep(secs(10.0).min(until.saturating_duration_since(Instant::now()))).await;
        failed
    }
}

async fn faults(inner: Arc<Inner>) {
    if inner.day == Day::Healthy {
        return;
    }
    let mut steps: Vec<_> = STORE_DOWN
        .iter()
        .flat_map(|(from, to)| [(*from, MemoryFault::Hanging), (*to, MemoryFault::None)])
        .collect();
    steps.push((STORE_LOSS, MemoryFault::None));
    steps.sort_by(|one, other| one.0.total_cmp(&other.0));
    for (hour, fault) in steps {
        sleep_until(inner.start + secs(hour * HOUR)).await;
        inner.store.set_fault(fault);
        if hour == STORE_LOSS {
            inner.store.clear();
        }
    }
}
