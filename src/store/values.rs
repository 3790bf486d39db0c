//! The values that a store takes and returns.

use std::{fmt, time::Duration};

use bytes::Bytes;

use crate::error::BoxError;

/// Maximum length of a value in bytes, in `RedisStore` and `FileStore`. A sealed entry has about half of it.
#[cfg(any(feature = "redis", feature = "file-store"))]
pub(super) const MAX_VALUE_BYTES: usize = 512 * 1024;

/// The id of an entry: a hash of the public settings that determine its token. No secret is hashed.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::store::EntryId;
///
/// let id = EntryId::new([0xab; 32]);
/// assert_eq!(format!("tokens:{id}"), format!("tokens:{}", "ab".repeat(32)));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId([u8; 32]);

impl EntryId {
    /// The id with this hash. `Shared` computes ids by itself; tests of a store need others.
    pub fn new(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryId({self})")
    }
}

/// The owner of a lease: a random value of one acquisition, which a store keeps with the lease.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::store::LeaseOwner;
///
/// // As a store writes it.
/// assert_eq!(format!("{:032x}", LeaseOwner(10).0).len(), 32);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LeaseOwner(
    /// The value. A store writes it as 32 hexadecimal digits.
    pub u128,
);

/// An entry as a store keeps it. The store cannot read the value, unless it was written as plain text.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::store::StoredEntry;
///
/// let entry = StoredEntry::new(1_700_000_000_000, "sealed".into());
/// assert_eq!(entry.value, "sealed");
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredEntry {
    /// Orders entries: a store refuses an entry with a lower one. It is the time of the lease under which
    /// the entry was written, in milliseconds on the store's clock.
    pub generation: u64,
    /// The sealed value.
    pub value: Bytes,
}

impl StoredEntry {
    /// An entry of this generation.
    pub fn new(generation: u64, value: Bytes) -> Self {
        Self { generation, value }
    }
}

/// Without the value, which may be plain text.
impl fmt::Debug for StoredEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, value } = self;
        write!(f, "StoredEntry(generation {generation}, {} bytes)", value.len())
    }
}

/// The answer to a request for a lease, with the entry at that moment.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::store::{
///     EntryId, Lease, LeaseOwner, MemoryStore, Store, StoreError,
/// };
///
/// # fn main() -> Result<(), StoreError> {
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let (store, id) = (MemoryStore::new(), EntryId::new([7; 32]));
/// let duration = Duration::from_secs(5);
/// let first = store.lease(id, LeaseOwner(1), duration).await?;
/// assert!(matches!(first, Lease::Granted { .. }));
/// let second = store.lease(id, LeaseOwner(2), duration).await?;
/// assert!(matches!(second, Lease::Held { owner: LeaseOwner(1), .. }));
/// # Ok(()) })
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lease {
    /// The lease is the caller's until it ends. No other caller gets it before.
    Granted {
        /// The generation of an entry that is written under this lease: the store's clock in
        /// milliseconds, and greater than the generation of `entry`.
        generation: u64,
        /// The current entry.
        entry: Option<StoredEntry>,
    },
    /// Another process has the lease.
    Held {
        /// The acquisition that has the lease.
        owner: LeaseOwner,
        /// When the lease ends unless its owner renews it.
        remaining: Duration,
        /// The current entry.
        entry: Option<StoredEntry>,
    },
}

/// A store failed: it is unreachable, full or read-only, or it sent an invalid response.
///
/// [`source()`](std::error::Error::source) is the cause.
///
/// # Examples
///
/// ```
/// use std::error::Error as _;
/// use tower_oauth2_client_credentials::store::StoreError;
///
/// let error = StoreError::new("the disk is full; free some space");
/// assert_eq!(error.source().unwrap().to_string(), "the disk is full; free some space");
/// ```
#[derive(Debug)]
pub struct StoreError(BoxError);

impl StoreError {
    /// An error with this cause. Its text must hold no secret, such as a password in a URL.
    pub fn new(cause: impl Into<BoxError>) -> Self {
        Self(cause.into())
    }

    pub(crate) fn into_cause(self) -> BoxError {
        self.0
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store of shared tokens failed")
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}
