//! A store in Redis or Valkey.

mod address;
mod builder;
mod connect;
mod connection;
mod error;
mod script;
mod scripts;
mod store;
mod subscription;

pub use builder::RedisStoreBuilder;
pub use store::RedisStore;
