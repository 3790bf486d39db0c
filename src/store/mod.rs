//! A token that the processes of a fleet share through a store.

mod sealing;
mod traits;

pub use sealing::SealingKey;
pub(crate) use traits::ErasedStore;
pub use traits::{Announcements, EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry};
