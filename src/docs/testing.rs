//! Testing your service, with the `testing` feature.
//!
//! The [`testing`] module has an authorization server and an API that requires its tokens. In
//! memory they run in virtual time, so an hour of a token's lifetime passes at once:
//!
//! ```toml
//! [dev-dependencies]
//! tower-oauth2-client-credentials = { version = "0.1", features = ["testing"] }
//! tokio = { version = "1", features = ["full", "test-util"] }
//! ```
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http::{Request, StatusCode};
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins,
//!     testing::{AuthorizationServer, MockResponse, ProtectedApi, RegisteredClient},
//! };
//!
//! // In a test: #[tokio::test(start_paused = true)]
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! let idp = AuthorizationServer::builder()
//!     .client(RegisteredClient::new("my-service").secret("s3cret"))
//!     .lifetime(Duration::from_secs(3600))
//!     .build();
//! let api = ProtectedApi::new(&idp);
//!
//! // Your service, with its two external addresses replaced.
//! let tokens = ClientCredentials::builder(idp.token_url())
//!     .client_secret_basic("my-service", "s3cret")
//!     .transport(idp.service())
//!     .build()?
//!     .into_cache();
//! let client = ServiceBuilder::new()
//!     .layer(OAuthClientCredentialsLayer::new(tokens, Origins::parse([api.url()])?))
//!     .service(api.service());
//! let call = || {
//!     let request = Request::get(api.url()).body(Empty::<Bytes>::new()).unwrap();
//!     client.clone().oneshot(request)
//! };
//!
//! assert_eq!(call().await?.status(), StatusCode::OK);
//! idp.always(MockResponse::Status(503));
//! tokio::time::advance(Duration::from_secs(3000)).await; // the refresh is due, and fails
//! assert_eq!(call().await?.status(), StatusCode::OK);
//! tokio::time::advance(Duration::from_secs(600)).await; // the token has expired
//! let error = call().await.unwrap_err();
//! assert!(error.is::<tower_oauth2_client_credentials::Error>());
//! # Ok(())
//! # }
//! ```

#![cfg_attr(feature = "testing", doc = "", doc = "[`testing`]: mod@crate::testing")]
#![cfg_attr(not(feature = "testing"), doc = "", doc = "[`testing`]: crate#features")]
