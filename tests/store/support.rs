//! Values and waiting.

use std::{
    error::Error as _,
    future::Future,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tower_oauth2_client_credentials::store::{EntryId, Lease, LeaseOwner, StoreError, StoredEntry};

/// For things that happen at once, on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Another id for each call, also in other processes.
pub(crate) fn id() -> EntryId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&std::process::id().to_be_bytes());
    hash[4..12].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let clock = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    hash[12..28].copy_from_slice(&clock.to_be_bytes());
    EntryId::new(hash)
}

pub(crate) fn owner(number: u128) -> LeaseOwner {
    LeaseOwner(number)
}

pub(crate) fn entry(generation: u64, value: &'static str) -> StoredEntry {
    StoredEntry::new(generation, Bytes::from_static(value.as_bytes()))
}

/// The generation and the entry of a lease that was granted.
pub(crate) fn granted(lease: Lease) -> (u64, Option<StoredEntry>) {
    match lease {
        Lease::Granted { generation, entry } => (generation, entry),
        held => panic!("{held:?}"),
    }
}

/// The remaining time and the entry of a lease that `of` has.
pub(crate) fn held(lease: Lease, of: LeaseOwner) -> (Duration, Option<StoredEntry>) {
    match lease {
        Lease::Held { owner, remaining, entry } => {
            assert_eq!(owner, of);
            (remaining, entry)
        }
        granted => panic!("{granted:?}"),
    }
}

/// The text that an operator reads.
pub(crate) fn cause(error: &StoreError) -> String {
    error.source().unwrap().to_string()
}

/// Repeats an operation until it returns something.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut operation: impl FnMut() -> F,
) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = operation().await {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
