//! A token that the processes of a fleet share through a store.

mod memory;
mod sealing;
mod traits;

pub use memory::{MemoryFault, MemoryStore};
pub use sealing::SealingKey;
pub(crate) use traits::ErasedStore;
pub use traits::{Announcements, EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry};
