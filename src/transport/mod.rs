//! How a token request gets to the token endpoint: any tower service that speaks HTTP.
//!
//! The default is `HyperTransport` (feature `hyper`). A transport follows no redirects: a token
//! request carries the client's credentials.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

#[cfg(any(feature = "hyper", feature = "reqwest"))]
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::Body;
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use tower_service::Service;

use crate::error::BoxError;

mod body;
mod failure;
#[cfg(feature = "hyper")]
mod hyper;
#[cfg(any(feature = "hyper", feature = "reqwest"))]
mod proxy;
#[cfg(feature = "reqwest")]
mod reqwest;

pub use body::TokenRequestBody;
pub(crate) use failure::{describe, may_send_again, never_connected};
#[cfg(feature = "hyper")]
pub use hyper::{
    ClientIdentity, HyperClient, HyperClientFuture, HyperTransport, HyperTransportBuilder,
};
#[cfg(any(feature = "hyper", feature = "reqwest"))]
pub use proxy::ProxySettings;
#[cfg(feature = "reqwest")]
pub use reqwest::{ReqwestFuture, ReqwestService, same_origin_redirects};

/// A token request: a form POST whose body is in memory.
///
/// `Debug` shows no credentials: the body hides its form, and header values with credentials are
/// marked sensitive.
pub type TokenRequest = http::Request<TokenRequestBody>;

/// A connection with requests in flight that is silent for this long is sent an HTTP/2 PING.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// A connection whose PING is not answered in this time is closed.
#[cfg(any(feature = "hyper", feature = "reqwest"))]
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// In the extensions of a request: it is to be sent on a new connection, as far as the transport can.
#[derive(Clone)]
pub(crate) struct FreshConnection;

pub(crate) type TokenResponse = http::Response<UnsyncBoxBody<Bytes, BoxError>>;

type Sending = Pin<Box<dyn Future<Output = Result<TokenResponse, BoxError>> + Send>>;

/// A service behind one pointer: a token request is a network call, so a box or two are nothing.
pub(crate) trait Transport: Send + Sync {
    fn send(&self, request: TokenRequest) -> Sending;
}

/// Makes a transport of any tower service.
pub(crate) fn from_service<S, B>(service: S) -> Arc<dyn Transport>
where
    S: Service<TokenRequest, Response = http::Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    Arc::new(ServiceTransport(Mutex::new(service)))
}

/// Whether a transport is one of ours that has a client certificate.
pub(crate) fn shows_certificate<S: 'static>(service: &S) -> bool {
    #[cfg(feature = "hyper")]
    {
        let service: &dyn std::any::Any = service;
        service.downcast_ref().is_some_and(HyperTransport::has_client_identity)
    }
    #[cfg(not(feature = "hyper"))]
    {
        let _ = service;
        false
    }
}

/// The mutex is held for a clone only; it lets services in that are `Send` but not `Sync`.
struct ServiceTransport<S>(Mutex<S>);

impl<S, B> Transport for ServiceTransport<S>
where
    S: Service<TokenRequest, Response = http::Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    fn send(&self, request: TokenRequest) -> Sending {
        let mut service = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
            let response = service.call(request).await.map_err(Into::into)?;
            Ok(response.map(|body| {
                body.map_frame(|frame| {
                    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
                })
                .map_err(Into::into)
                .boxed_unsync()
            }))
        })
    }
}
