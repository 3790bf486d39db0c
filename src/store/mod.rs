//! A token that the processes of a fleet share through a store.

#[cfg(feature = "file-store")]
mod file;
#[cfg(feature = "redis")]
mod redis;
mod sealing;
mod traits;

#[cfg(feature = "file-store")]
#[cfg_attr(docsrs, doc(cfg(feature = "file-store")))]
pub use file::FileStore;
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use redis::{RedisStore, RedisStoreBuilder};
pub use sealing::SealingKey;
pub(crate) use traits::ErasedStore;
pub use traits::{
    AnnouncementReceiver, Announcements, EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry,
};
