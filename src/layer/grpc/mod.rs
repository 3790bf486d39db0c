//! gRPC, where a rejected token is a status and not a 401:
//! [`OAuthClientCredentialsLayer::grpc`](crate::OAuthClientCredentialsLayer::grpc).
//!
//! A gRPC server answers with HTTP status 200 and reports `UNAUTHENTICATED` as `grpc-status: 16`.
//! The layer's reaction depends on where the status is sent:
//!
//! * In the *header fields* of a response without messages ("trailers only"). In most cases the
//!   call did not begin. The response counts as a 401 with the same header fields. The token is
//!   replaced, and the call is sent again if the replay policy kept its body.
//!
//!   A server that passes on the status of another server may have acted on the call. Such calls
//!   may run twice. If that is unsafe, disable replay or classify with
//!   [`RejectionPolicy::when`](crate::layer::RejectionPolicy::when) and a `www-authenticate` field.
//! * In the *trailers*, after the response began. The token is invalidated for later calls, and the
//!   caller gets the status.
//!
//! In both cases the layer's [`RejectionPolicy`](crate::layer::RejectionPolicy) decides. A closure
//! of [`RejectionPolicy::when`](crate::layer::RejectionPolicy::when) gets the status 401 and these
//! header fields or trailers. The caller's response keeps its status. An HTTP 401, which proxies
//! send, is a rejection too.
//!
//! The layer works with any client that uses HTTP types, such as a tonic `Channel`: see [the
//! chapter](crate::docs::stacks::tonic). A response that is being read keeps the cache alive.
//!
//! # Examples
//!
//! ```
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Full;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     OAuthClientCredentialsLayer, Origins, replay::CloneBodies,
//! };
//!
//! # use tower_oauth2_client_credentials::{Token, TokenCache, source::AcquireContext};
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
//!     .grpc()
//!     .replay(CloneBodies);
//! let client = ServiceBuilder::new().layer(layer).service(channel);
//!
//! let call = Request::post("/grpc.health.v1.Health/Check").body(Full::from("a message"))?;
//! let response = client.oneshot(call).await?;
//! // The first token got status 16, so the layer replaced it and sent the call again.
//! assert_eq!(response.headers()["grpc-status"], "0");
//! # Ok(())
//! # }
//! ```

mod body;

use std::task::Poll;

use http::{Response, StatusCode};

pub use self::body::ResponseBody;
use self::body::is_unauthenticated;
use super::{
    authorized::AuthorizedToken, protocol::sealed::ProtocolHooks, replay::EmptyBodies,
    service::OAuthClientCredentials,
};
use crate::{cache::TokenCache, error::BoxError, sync::Arc};

/// The service of a [`Grpc`] layer, to be named in a struct field.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::grpc::OAuthGrpc;
///
/// struct Backend<S> {
///     service: OAuthGrpc<S>,
/// }
/// # fn backend<S>(service: OAuthGrpc<S>) -> Backend<S> { Backend { service } }
/// ```
pub type OAuthGrpc<S, P = EmptyBodies, T = TokenCache> = OAuthClientCredentials<S, P, T, Grpc>;

/// gRPC: `grpc-status: 16` is a rejection of the token, as a 401 is. See the [module](self).
#[derive(Clone, Copy, Debug, Default)]
pub struct Grpc;

impl ProtocolHooks for Grpc {
    type Body<R> = ResponseBody<R>;

    fn status<R>(response: &Response<R>) -> StatusCode {
        if response.status().is_success() && is_unauthenticated(response.headers()) {
            StatusCode::UNAUTHORIZED
        } else {
            response.status()
        }
    }

    fn finish<R, E: Into<BoxError>>(
        result: Poll<Result<Response<R>, E>>,
        token: &mut Option<Arc<AuthorizedToken>>,
    ) -> Poll<Result<Response<ResponseBody<R>>, BoxError>> {
        result.map_err(Into::into).map_ok(|response| {
            // A response that is an error, or has its status in the header fields, is already
            // classified. Its trailers add nothing.
            let token = token.take().filter(|_| Self::status(&response).is_success());
            response.map(|body| ResponseBody::new(body, token))
        })
    }
}
