//! The handle of a store that several sources use.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use super::traits::{ErasedStore, Store};

/// A store that several [`Shared`](super::Shared) sources use. Clones are one store.
///
/// [`Shared::builder`](super::Shared::builder) takes a store or this handle. With a handle for the sources
/// of many tenants, a store that fails is one log line, and not one for each tenant. The line names the
/// client that noticed it first.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "keyed")] {
/// use tower_oauth2_client_credentials::{
///     KeyedTokenCache, Token,
///     source::AcquireContext,
///     store::{MemoryStore, SealingKey, Shared, SharedStore},
/// };
///
/// # let key = SealingKey::from_bytes(b"not a real key, just an example.").unwrap();
/// let store = SharedStore::from(MemoryStore::new());
/// let tokens = KeyedTokenCache::new(move |tenant: &String| {
///     # let source = |_: AcquireContext| async { Token::bearer("abc") };
///     Shared::builder(source, store.clone()).sealed_with([key.clone()]).namespace(tenant).build()
/// });
/// # drop(tokens);
/// # }
/// ```
#[derive(Clone)]
pub struct SharedStore {
    pub(super) store: Arc<dyn ErasedStore>,
    pub(super) health: Arc<StoreHealth>,
}

impl<S: Store> From<S> for SharedStore {
    fn from(store: S) -> Self {
        Self { store: Arc::new(store), health: Arc::default() }
    }
}

impl fmt::Debug for SharedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedStore").finish_non_exhaustive()
    }
}

/// The conditions of a store that were reported.
#[derive(Default)]
pub(super) struct StoreHealth {
    sharing_stopped: Flag,
    /// How many sources acquire without it.
    sources_without: AtomicUsize,
    pub(super) announcements_stopped: Flag,
}

impl StoreHealth {
    /// A source acquires without the store. `is_change`: it did not before. Returns whether that is to be
    /// reported.
    pub(super) fn stop(&self, is_change: bool) -> bool {
        if is_change {
            self.sources_without.fetch_add(1, Relaxed);
        }
        self.sharing_stopped.set(true)
    }

    /// A source uses the store. `is_change`: it did not before. Returns whether that is to be reported.
    ///
    /// A store can work for some sources only, such as a full one, which is read. Those do not report that it
    /// works, as long as others acquire without it.
    pub(super) fn resume(&self, is_change: bool) -> bool {
        if is_change {
            self.forget();
        }
        (is_change || self.sources_without.load(Relaxed) == 0) && self.sharing_stopped.set(false)
    }

    /// A source that acquires without the store was dropped.
    pub(super) fn forget(&self) {
        self.sources_without.fetch_sub(1, Relaxed);
    }
}

/// A condition that is reported when it changes.
#[derive(Default)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    /// Returns whether that is a change.
    pub(super) fn set(&self, value: bool) -> bool {
        // Read first, since it rarely changes.
        self.is_set() != value && self.0.swap(value, Relaxed) != value
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}
