//! The default transport: hyper-util's client over rustls.

mod body;
mod builder;
mod byte_limit;
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
mod stream;
#[cfg(feature = "redis")]
mod stream_connector;
mod tls;
#[cfg(feature = "rustls")]
mod tls_config;
mod transport;
mod tunnel;

pub use body::HyperBody;
pub use builder::HyperTransportBuilder;
pub use client::{HyperClient, HyperClientFuture};
pub(super) use failure::Failure;
pub use identity::{ChainAndKey, ClientIdentity};
#[cfg(feature = "redis")]
pub(crate) use stream_connector::StreamConnector;
pub(crate) use transport::has_client_identity;
pub use transport::{HyperTransport, HyperTransportFuture};
