//! The default transport: hyper-util's client over rustls.

mod budget;
mod builder;
mod client;
mod connect;
mod dial;
mod failure;
mod identity;
#[cfg(not(target_os = "android"))]
mod platform;
mod pool;
mod progress;
mod resolve;
mod tls;
mod transport;
mod tunnel;

pub use builder::HyperTransportBuilder;
pub use client::{HyperClient, HyperClientFuture};
pub(super) use failure::Failure;
pub use identity::ClientIdentity;
pub use transport::HyperTransport;
pub(crate) use transport::has_client_identity;
