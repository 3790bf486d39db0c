//! A backend service on axum that calls a protected API. [`examples/axum.rs`] is the whole program;
//! [`examples/sidecar.rs`] is a reverse proxy.
//!
//! Outside of a test, build the client with
//! [`HyperTransport::builder().build_client()`](HyperTransportBuilder::build_client). It has TLS,
//! and the trust store and proxies of the token requests.
//!
//! The authorized client is a part of the state. axum clones it for each request, which is cheap.
//! All handlers share one token.
//!
//! ```
//! # use http::{Request, StatusCode};
//! # use hyper_util::{client::legacy::{Client, connect::HttpConnector}, rt::TokioExecutor};
//! # use tower_oauth2_client_credentials::{
//! #     ClientCredentials,
//! #     testing::{AuthorizationServer, ProtectedApi},
//! # };
//! use axum::{Router, body::Body, extract::State, response::Response, routing::get};
//! use tower::{Layer, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, OAuthClientCredentials, OAuthClientCredentialsLayer, Origins,
//! };
//!
//! #[derive(Clone)]
//! struct Backend {
//!     client: OAuthClientCredentials<Client<HttpConnector, Body>>,
//!     api: String,
//! }
//!
//! async fn invoices(State(backend): State<Backend>) -> Result<Response, StatusCode> {
//!     let request = Request::get(format!("{}/invoices", backend.api)).body(Body::empty());
//!     let response = backend.client.oneshot(request.expect("a good URI")).await;
//!     // The reason is for the log, not for the caller.
//!     response.map(|response| response.map(Body::new)).map_err(|_| StatusCode::BAD_GATEWAY)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let idp = AuthorizationServer::builder().client("my-service", "s3cret").build();
//! # let tokens = ClientCredentials::builder(idp.token_url())
//! #     .client_secret_basic("my-service", "s3cret").transport(idp.service()).build()?.into_cache();
//! # let listening = ProtectedApi::new(&idp).listen().await?;
//! # let api = listening.url();
//! let client = Client::builder(TokioExecutor::new()).build_http();
//! let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse([&api])?);
//! let app = Router::new()
//!     .route("/invoices", get(invoices))
//!     .with_state(Backend { client: layer.layer(client), api });
//! # let response = app.oneshot(Request::get("/invoices").body(Body::empty())?).await?;
//! # assert_eq!(response.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # What the caller gets
//!
//! * A 401 of the API, after a replay or without one, concerns this service. Answer 502, because
//!   your callers would read a 401 as a request to log in.
//! * An [`Error`] in the layer's error means that there was no token, and nothing was sent: answer
//!   503. Other errors come from the client: answer 502.
//!
//! # Bodies
//!
//! `axum::body::Body` is `Default`, so requests without a body are replayed after a rejection. For
//! others: `BufferBodies::<Body>::new(64 * 1024, Body::new)`.
//!
//! # Readiness
//!
//! There are two ways. See [`TokenCache::readiness`](TokenCache::readiness) for the details.
//!
//! * The probe requests a token: `tokens.warm_up().await`. During a pause after a failure it fails
//!   at once. Give the probe a timeout that is longer than a token request. This needs no traffic
//!   and no task.
//! * The probe only reads: [`subscribe`](TokenCache::subscribe), with
//!   [`keep_warm`](TokenCacheBuilder::keep_warm), as in the sidecar.
//!
//! [`examples/axum.rs`]: https://docs.rs/crate/tower-oauth2-client-credentials/latest/source/examples/axum.rs
//! [`examples/sidecar.rs`]: https://docs.rs/crate/tower-oauth2-client-credentials/latest/source/examples/sidecar.rs

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
