//! The mock authorization server.

mod authorization_server;
mod builder;
mod client;
mod grant;
mod metadata;
mod metadata_endpoint;
mod respond;
mod service;
mod state;
mod tokens;

pub use authorization_server::AuthorizationServer;
pub use builder::AuthorizationServerBuilder;
pub use client::RegisteredClient;
pub use metadata::WellKnown;
pub use service::AuthorizationServerService;
