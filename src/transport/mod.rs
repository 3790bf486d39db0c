//! Transports for token requests: any tower service for HTTP.
//!
//! The default is `HyperTransport` (feature `hyper-transport`). A transport must not follow redirects, since a
//! token request carries the client's credentials.

mod body;
mod explain;
mod failure;
#[cfg(feature = "hyper-transport")]
mod hyper;
#[cfg(any(feature = "hyper-transport", feature = "reqwest"))]
mod ping;
#[cfg(any(feature = "hyper-transport", feature = "reqwest"))]
mod proxy;
mod request;
#[cfg(feature = "reqwest")]
mod reqwest;
mod service;

pub use body::TokenRequestBody;
pub(crate) use failure::{describe, may_send_again, never_connected};
#[cfg(feature = "hyper-transport")]
pub(crate) use hyper::has_client_identity;
#[cfg(feature = "hyper-transport")]
pub use hyper::{
    ChainAndKey, ClientIdentity, HyperBody, HyperClient, HyperClientFuture, HyperTransport,
    HyperTransportBuilder, HyperTransportFuture,
};
#[cfg(any(feature = "hyper-transport", feature = "reqwest"))]
pub use proxy::ProxySettings;
pub use request::TokenRequest;
pub(crate) use request::{FreshConnection, TokenResponse};
#[cfg(feature = "reqwest")]
pub use reqwest::{ReqwestFuture, ReqwestService, same_origin_redirects};
pub(crate) use service::{Transport, from_service};
