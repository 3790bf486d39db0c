//! The mock API behind bearer tokens.

mod builder;
mod protected_api;
mod service;

pub use builder::ProtectedApiBuilder;
pub use protected_api::ProtectedApi;
pub use service::ProtectedApiService;
