//! A store with an entry of the input.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tower_oauth2_client_credentials::store::{
    EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry,
};

/// 2026-11-24, noon, in milliseconds.
pub const NOW_MS: u64 = 1_795_521_600_000;

pub(crate) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(NOW_MS)
}

/// A store that always has the same entry.
pub(crate) struct Planted {
    /// Whether the process can open the entry. If not, it must not overwrite it.
    pub(crate) opens: bool,
    /// Whether `content` is the whole stored value. Otherwise the header of a plain-text entry precedes it.
    pub(crate) is_raw: bool,
    pub(crate) content: Arc<[u8]>,
}

impl Planted {
    fn entry(&self, id: EntryId) -> StoredEntry {
        let plain_text = [&[0], &id.as_bytes()[..], &self.content].concat();
        let value = if self.is_raw { self.content.to_vec() } else { plain_text };
        StoredEntry::new(NOW_MS, value.into())
    }
}

impl Store for Planted {
    async fn read(&self, id: EntryId) -> Result<Option<StoredEntry>, StoreError> {
        Ok(Some(self.entry(id)))
    }

    async fn lease(&self, id: EntryId, _: LeaseOwner, _: Duration) -> Result<Lease, StoreError> {
        Ok(Lease::Granted { generation: NOW_MS + 1, entry: Some(self.entry(id)) })
    }

    async fn renew(&self, _: EntryId, _: LeaseOwner, _: Duration) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn release(&self, _: EntryId, _: LeaseOwner) -> Result<(), StoreError> {
        Ok(())
    }

    async fn write(&self, _: EntryId, _: StoredEntry, _: Duration) -> Result<bool, StoreError> {
        assert!(self.opens, "an entry that does not open is not overwritten");
        Ok(true)
    }
}
