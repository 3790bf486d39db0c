//! A transport for token requests, made of a tower service.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
};

use bytes::Buf;
use http_body::Body;
use http_body_util::BodyExt;
use tower_service::Service;

use super::request::{TokenRequest, TokenResponse};
use crate::{
    error::BoxError,
    sync::{Mutex, lock},
};

pub(super) type TransportFuture =
    Pin<Box<dyn Future<Output = Result<TokenResponse, BoxError>> + Send>>;

/// Sends token requests. The boxes cost little next to a network call.
pub(crate) trait Transport: Send + Sync {
    fn send(&self, request: TokenRequest) -> TransportFuture;
}

/// Makes a transport of a tower service.
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

/// The mutex is held only while the service is cloned. It allows services that are not `Sync`.
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
    fn send(&self, request: TokenRequest) -> TransportFuture {
        let mut service = lock(&self.0).clone();
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
