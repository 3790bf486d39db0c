//! A mock authorization server and a protected API, for tests and examples (feature `testing`).
//!
//! Both come in two shapes over the same state:
//!
//! - **in memory**: [`AuthorizationServer::service`] and [`ProtectedApi::service`] are tower
//!   services over any body. No sockets, so tests run in virtual time (`tokio::time::pause`):
//!   delays, hangs and token lifetimes all follow tokio's clock.
//! - **on loopback**: [`AuthorizationServer::listen`] and [`ProtectedApi::listen`] serve HTTP/1.1
//!   and h2c (HTTP/2 with prior knowledge) on a free port of 127.0.0.1; `listen_tls` (feature
//!   `testing-rustls`) does so over TLS, with client certificates. Use these with real time: a paused
//!   clock jumps ahead of sockets.
//!
//! The authorization server is strict where RFC 6749 is, so that what passes here passes elsewhere.
//! It decodes forms and Basic credentials itself and shares no code with this crate's client. Both
//! check DPoP proofs with a [`DpopVerifier`].
//!
//! # Examples
//!
//! An outage, and a token that expires, in virtual time:
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http::{Request, StatusCode};
//! use http_body_util::{Empty, Full};
//! use tower_oauth2_client_credentials::testing::{AuthorizationServer, MockResponse, ProtectedApi, RegisteredClient};
//! use tower_service::Service;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
//! # runtime.block_on(async {
//! # tokio::time::pause();
//! let idp = AuthorizationServer::builder()
//!     .client(RegisteredClient::new("my-service").secret("s3cret"))
//!     .lifetime(Duration::from_secs(60))
//!     .build();
//! let api = ProtectedApi::new(&idp);
//!
//! // Your service talks to these; here a request by hand stands in for it.
//! let ask = || {
//!     Request::post(idp.token_url())
//!         .header("content-type", "application/x-www-form-urlencoded")
//!         .body(Full::<Bytes>::from("grant_type=client_credentials&client_id=my-service&client_secret=s3cret"))
//!         .unwrap()
//! };
//! idp.script([MockResponse::StatusRetryAfter(503, 5)]);
//! assert_eq!(idp.service().call(ask()).await?.status(), StatusCode::SERVICE_UNAVAILABLE);
//! assert_eq!(idp.service().call(ask()).await?.status(), StatusCode::OK);
//! assert_eq!(idp.token_requests(), 2);
//!
//! let token = idp.issue();
//! let call = || {
//!     Request::get("https://api.test/things")
//!         .header("authorization", format!("Bearer {token}"))
//!         .body(Empty::<Bytes>::new())
//!         .unwrap()
//! };
//! assert_eq!(api.service().call(call()).await?.status(), StatusCode::OK);
//! tokio::time::advance(Duration::from_secs(60)).await;
//! assert_eq!(api.service().call(call()).await?.status(), StatusCode::UNAUTHORIZED);
//! # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
//! # }).unwrap();
//! ```

mod api;
#[cfg(feature = "testing-rustls")]
mod certificate;
mod dpop;
mod exchange;
mod form;
mod mock_body;
mod mock_response;
mod mock_server;
mod recorded;
mod server;
#[cfg(feature = "testing-rustls")]
mod tls;

pub use api::{ProtectedApi, ProtectedApiBuilder, ProtectedApiService};
pub use dpop::DpopVerifier;
pub use exchange::{ConnectionClosed, MockResponseFuture};
pub use mock_body::MockBody;
pub use mock_response::MockResponse;
pub use mock_server::MockServer;
pub use recorded::{ClientCertificate, RecordedRequest};
pub use server::{
    AuthorizationServer, AuthorizationServerBuilder, AuthorizationServerService, RegisteredClient,
    WellKnown,
};
