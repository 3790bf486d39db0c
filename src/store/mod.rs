//! A token that the processes of a fleet share through a store.

mod entry;
mod identity;
mod memory;
mod report;
mod sealing;
mod shared;
mod traits;

pub use memory::{MemoryFault, MemoryStore};
pub use sealing::SealingKey;
pub use shared::{Shared, SharedBuilder};
pub use traits::{Announcements, EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry};
