//! A store in files.

mod access;
mod directory;
mod lock;
mod operations;
mod permits;
mod record;
mod store;

pub use store::FileStore;
