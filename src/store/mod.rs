//! A token that the processes of a fleet share through a store.

mod announcements;
mod entry;
#[cfg(feature = "file-store")]
mod file;
mod identity;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod report;
mod sealing;
mod shared;
mod traits;
mod values;

#[cfg(feature = "file-store")]
#[cfg_attr(docsrs, doc(cfg(feature = "file-store")))]
pub use file::FileStore;
pub use memory::{MemoryFault, MemoryStore};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use redis::{RedisStore, RedisStoreBuilder};
pub use sealing::SealingKey;
pub use shared::{Shared, SharedBuilder};
pub use traits::{
    AnnouncementReceiver, Announcements, EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry,
};
