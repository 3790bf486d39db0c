//! A store in files.

mod directory;
mod lock;
mod operations;
mod record;
mod store;

pub use store::FileStore;
