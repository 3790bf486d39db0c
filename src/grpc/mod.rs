//! gRPC, where a rejected token is a status and not a 401:
//! [`OAuthClientCredentialsLayer::grpc`].
//!
//! A gRPC server answers 200 and says `UNAUTHENTICATED` by `grpc-status: 16`. Where it stands
//! decides what can be done about it:
//!
//! * among the *header fields*, in an answer without messages ("trailers only"): most often the call
//!   was not begun. It counts as a 401 with the same fields: the token is replaced, and the call made once
//!   more if the replay policy kept its body.
//!   A server that fails with the status of another one, which it called in turn, may have acted
//!   before; its calls are then made twice. Where that must not be, let it say which it is, by
//!   [`Rejections::when`](crate::Rejections::when) and a `www-authenticate` field, or choose no
//!   replay policy.
//! * in the *trailers*, after the answer began: the token is invalidated for those that follow, and
//!   the caller gets the status.
//!
//! In both cases the layer's [`Rejections`](crate::Rejections) decide, as for a 401 with these
//! header fields or trailers; a closure of [`Rejections::when`](crate::Rejections::when) is shown
//! that status. Nobody else sees it: the answer that is handed back has its 200. An HTTP 401, which
//! proxies give, is one here too.
//!
//! It needs no more of a client than HTTP types: a tonic `Channel` is one, see
//! [the chapter](crate::docs::stacks::tonic). It costs each call two reference counts more than HTTP
//! does; an answer that is being read counts as a handle of the cache.
//!
//! # Examples
//!
//! ```
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_oauth2_client_credentials::{CloneBodies, OAuthClientCredentialsLayer, Origins};
//!
//! # use tower_oauth2_client_credentials::{AcquireContext, Token, TokenCache};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! # let serial = std::sync::atomic::AtomicU32::new(0);
//! # let tokens = TokenCache::new(move |_: AcquireContext| {
//! #     let serial = serial.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
//! #     async move { Token::bearer(format!("token-{serial}")) }
//! # });
//! # let channel = tower::service_fn(|request: Request<Full<Bytes>>| async move {
//! #     let good = request.headers()["authorization"] != "Bearer token-0";
//! #     let status = if good { "0" } else { "16" };
//! #     Response::builder().header("grpc-status", status).body(Full::<Bytes>::default())
//! # });
//! // For tonic's bodies see the chapter.
//! let layer = OAuthClientCredentialsLayer::new(tokens, Origins::fixed_upstream())
//!     .replay(CloneBodies)
//!     .grpc();
//! let client = ServiceBuilder::new().layer(layer).service(channel);
//!
//! let call = Request::post("/grpc.health.v1.Health/Check").body(Full::from("a message"))?;
//! let answer = client.oneshot(call).await?;
//! assert_eq!(answer.headers()["grpc-status"], "0"); // 16, another token, and sent again
//! # Ok(())
//! # }
//! ```

mod status;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

pub use self::status::{StatusFuture, StatusWatch, WatchedBody};
use self::status::{TrailersOnly, Watch};
use crate::{
    error::BoxError,
    future,
    layer::OAuthClientCredentialsLayer,
    replay::{EmptyBodies, ReplayPolicy},
    service::OAuthClientCredentials,
    sync::Arc,
};

/// An [`OAuthClientCredentialsLayer`] that knows gRPC's `UNAUTHENTICATED`; made by its
/// [`grpc`](OAuthClientCredentialsLayer::grpc).
#[derive(Clone, Debug)]
#[must_use]
pub struct OAuthGrpcLayer<P = EmptyBodies> {
    layer: OAuthClientCredentialsLayer<P>,
    watch: Arc<Watch>,
}

impl<P> OAuthClientCredentialsLayer<P> {
    /// The same layer for gRPC clients: `grpc-status: 16` is a rejection of the token too. Set
    /// everything else before.
    ///
    /// A message is never an empty body, so for replays a policy is needed, such as
    /// [`BufferBodies`](crate::BufferBodies).
    pub fn grpc(self) -> OAuthGrpcLayer<P> {
        let settings = self.settings();
        let watch = Watch {
            cache: self.cache().clone(),
            judge: settings.judge.clone(),
            header_name: settings.header_name.clone(),
            throttle: Arc::clone(&settings.throttle),
        };
        OAuthGrpcLayer { layer: self, watch: Arc::new(watch) }
    }
}

impl<S, P: Clone> Layer<S> for OAuthGrpcLayer<P> {
    type Service = OAuthGrpc<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        OAuthGrpc { inner: self.layer.layer(StatusWatch::new(inner, Arc::clone(&self.watch))) }
    }
}

/// The service that [`OAuthGrpcLayer`] makes: an [`OAuthClientCredentials`] over a
/// [`StatusWatch`].
#[derive(Clone)]
pub struct OAuthGrpc<S, P = EmptyBodies> {
    inner: OAuthClientCredentials<StatusWatch<S>, P>,
}

impl<S, P, B, R> Service<Request<B>> for OAuthGrpc<S, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    type Response = Response<WatchedBody<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<future::ResponseFuture<StatusWatch<S>, B, P>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture { future: self.inner.call(request) }
    }
}

impl<S: fmt::Debug, P> fmt::Debug for OAuthGrpc<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OAuthGrpc").field(&self.inner).finish()
    }
}

pin_project! {
    /// The future of [`OAuthGrpc`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F, R> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<R>, BoxError>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut response = ready!(self.project().future.poll(cx))?;
        if response.status() == StatusCode::UNAUTHORIZED
            && response.extensions_mut().remove::<TrailersOnly>().is_some()
        {
            *response.status_mut() = StatusCode::OK;
        }
        Poll::Ready(Ok(response))
    }
}
