//! A store in the memory of this process, for tests.

use std::{
    collections::HashMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::{
    entry::millis,
    traits::{Announcer, EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry},
};
use crate::sync::{Arc, Mutex, lock};

/// A store in memory, for tests: clones share the entries, and each can stand for another process.
///
/// Its time is tokio's clock, so a fleet runs in virtual time under `tokio::time::pause`. It can
/// fail in the ways that a real store does, see [`MemoryFault`].
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::store::{MemoryFault, MemoryStore};
///
/// let store = MemoryStore::new();
/// let of_another_process = store.clone();
/// store.set_fault(MemoryFault::Down);
/// assert_eq!(of_another_process.fault(), MemoryFault::Down);
/// ```
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

/// A fault of a [`MemoryStore`].
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::store::{MemoryFault, MemoryStore};
///
/// let store = MemoryStore::new();
/// for fault in [MemoryFault::Hanging, MemoryFault::Full, MemoryFault::None] {
///     store.set_fault(fault);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryFault {
    /// It works.
    #[default]
    None,
    /// Each operation fails at once, as if nothing listened.
    Down,
    /// No operation completes.
    Hanging,
    /// Entries and leases cannot be written. Reads work.
    Full,
    /// Entries cannot be written. Leases work.
    EntriesRefused,
    /// Nothing can be changed, as on a replica.
    ReadOnly,
    /// An entry is dropped right after it was written and announced.
    Evicting,
    /// Values are replaced by other bytes when they are read.
    Garbage,
}

struct Inner {
    /// Milliseconds since 1970 when the store was made, and the same moment on tokio's clock.
    started_ms: u64,
    started: Instant,
    state: Mutex<State>,
    operations: AtomicU64,
}

#[derive(Default)]
struct State {
    entries: HashMap<EntryId, Entry>,
    leases: HashMap<EntryId, HeldLease>,
    subscriptions: Vec<Announcer>,
    fault: MemoryFault,
    latency: Duration,
    is_silent: bool,
}

struct Entry {
    stored: StoredEntry,
    kept_until: Instant,
}

struct HeldLease {
    owner: LeaseOwner,
    until: Instant,
}

/// What an operation writes, which decides the faults that it meets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Write {
    Nothing,
    NewLease,
    HeldLease,
    Entry,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let started_ms = since_1970.map_or(0, millis);
        Self(Arc::new(Inner {
            started_ms,
            started: Instant::now(),
            state: Mutex::default(),
            operations: AtomicU64::new(0),
        }))
    }

    /// Starts or ends a fault.
    pub fn set_fault(&self, fault: MemoryFault) {
        lock(&self.0.state).fault = fault;
    }

    /// The fault now.
    pub fn fault(&self) -> MemoryFault {
        lock(&self.0.state).fault
    }

    /// How long each operation takes. Default: no time.
    pub fn set_latency(&self, latency: Duration) {
        lock(&self.0.state).latency = latency;
    }

    /// Whether entries are written without an announcement, as in a store without subscriptions.
    /// Default: no.
    pub fn set_silent(&self, is_silent: bool) {
        lock(&self.0.state).is_silent = is_silent;
    }

    /// The ids of the entries.
    pub fn entry_ids(&self) -> Vec<EntryId> {
        lock(&self.0.state).entries.keys().copied().collect()
    }

    /// Drops all entries and leases.
    pub fn clear(&self) {
        let mut state = lock(&self.0.state);
        state.entries.clear();
        state.leases.clear();
    }

    /// How many operations were started.
    pub fn operations(&self) -> u64 {
        self.0.operations.load(Relaxed)
    }

    /// Begins an operation: the faults and the latency.
    async fn begin(&self, write: Write) -> Result<(), StoreError> {
        self.0.operations.fetch_add(1, Relaxed);
        let (fault, latency) = {
            let state = lock(&self.0.state);
            (state.fault, state.latency)
        };
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let cause = match (fault, write) {
            (MemoryFault::Hanging, _) => {
                std::future::pending::<()>().await;
                return Ok(());
            }
            (MemoryFault::Down, _) => "connection refused",
            (MemoryFault::Full, Write::NewLease | Write::Entry) => "out of memory",
            (MemoryFault::EntriesRefused, Write::Entry) => "out of memory",
            (MemoryFault::ReadOnly, write) if write != Write::Nothing => "read-only replica",
            _ => return Ok(()),
        };
        Err(StoreError::new(cause))
    }

    fn now_ms(&self, now: Instant) -> u64 {
        self.0.started_ms + millis(now.saturating_duration_since(self.0.started))
    }
}

impl State {
    fn entry(&mut self, id: EntryId, now: Instant) -> Option<StoredEntry> {
        self.entries.retain(|_, entry| now < entry.kept_until);
        let mut stored = self.entries.get(&id)?.stored.clone();
        if self.fault == MemoryFault::Garbage {
            stored.value = stored.value.iter().map(|byte| !byte).collect::<Vec<_>>().into();
        }
        Some(stored)
    }

    fn lease_of(&mut self, id: EntryId, now: Instant) -> Option<&mut HeldLease> {
        self.leases.get_mut(&id).filter(|lease| now < lease.until)
    }
}

impl Store for MemoryStore {
    async fn read(&self, id: EntryId) -> Result<Option<StoredEntry>, StoreError> {
        self.begin(Write::Nothing).await?;
        Ok(lock(&self.0.state).entry(id, Instant::now()))
    }

    async fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<Lease, StoreError> {
        self.begin(Write::NewLease).await?;
        let now = Instant::now();
        let mut state = lock(&self.0.state);
        let entry = state.entry(id, now);
        if let Some(held) = state.lease_of(id, now).filter(|held| held.owner != owner) {
            return Ok(Lease::Held { owner: held.owner, remaining: held.until - now, entry });
        }
        state.leases.insert(id, HeldLease { owner, until: now + duration });
        let after = entry.as_ref().map_or(0, |entry| entry.generation.saturating_add(1));
        Ok(Lease::Granted { generation: self.now_ms(now).max(after), entry })
    }

    async fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        self.begin(Write::HeldLease).await?;
        let now = Instant::now();
        let mut state = lock(&self.0.state);
        let held = state.lease_of(id, now).filter(|lease| lease.owner == owner);
        Ok(held.map(|lease| lease.until = now + duration).is_some())
    }

    async fn release(&self, id: EntryId, owner: LeaseOwner) -> Result<(), StoreError> {
        self.begin(Write::HeldLease).await?;
        let mut state = lock(&self.0.state);
        if state.leases.get(&id).is_some_and(|lease| lease.owner == owner) {
            state.leases.remove(&id);
        }
        Ok(())
    }

    async fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.begin(Write::Entry).await?;
        let now = Instant::now();
        let receivers = {
            let mut state = lock(&self.0.state);
            if state.entry(id, now).is_some_and(|stored| stored.generation > entry.generation) {
                return Ok(false);
            }
            state.entries.remove(&id);
            if state.fault != MemoryFault::Evicting {
                let kept_until = now + ttl;
                state.entries.insert(id, Entry { stored: entry.clone(), kept_until });
            }
            state.subscriptions.retain(|it| !it.is_closed());
            if state.is_silent { Vec::new() } else { state.subscriptions.clone() }
        };
        // Without the lock, since receivers may do anything.
        for announcer in receivers {
            let _is_open = announcer.announce(id, entry.clone());
        }
        Ok(true)
    }

    fn subscribe(&self, announcer: Announcer) {
        lock(&self.0.state).subscriptions.push(announcer);
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("fault", &self.fault()).finish_non_exhaustive()
    }
}
