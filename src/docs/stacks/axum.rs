//! A backend service on axum that calls a protected API. [`examples/axum.rs`] is the whole program;
//! [`examples/sidecar.rs`] is a reverse proxy.
//!
//! The authorized client is a part of the state. axum clones it for each request, which is cheap.
//! All handlers share one token.
//!
//! ```toml
//! [dependencies]
//! tower-oauth2-client-credentials = "0.1"
//! tower = { version = "0.5", features = ["util"] }
//! tokio = { version = "1", features = ["full"] }
//! axum = "0.8"
//! ```
//!
//! ```
//! # #[cfg(not(feature = "hyper-transport"))]
//! # fn main() {}
//! # #[cfg(feature = "hyper-transport")]
//! # mod program {
//! use axum::{
//!     Router,
//!     body::Body,
//!     extract::State,
//!     http::{Request, StatusCode},
//!     response::Response,
//!     routing::get,
//! };
//! use tower::{Layer, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, OAuthClientCredentials, OAuthClientCredentialsLayer, Origins,
//!     transport::{HyperClient, HyperTransport},
//! };
//!
//! #[derive(Clone)]
//! struct Backend {
//!     client: OAuthClientCredentials<HyperClient<Body>>,
//!     api: String,
//! }
//!
//! async fn invoices(State(backend): State<Backend>) -> Result<Response, StatusCode> {
//!     let request = Request::get(format!("{}/invoices", backend.api)).body(Body::empty());
//!     let response = backend.client.oneshot(request.expect("a good URI")).await;
//!     // The reason is for the log, not for the caller.
//!     response.map(|response| response.map(Body::new)).map_err(|error| {
//!         eprintln!("the API gave no answer: {error}");
//!         StatusCode::BAD_GATEWAY
//!     })
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), BoxError> {
//!     let (token_url, api) = ("https://idp.example.com/oauth2/token", "https://api.example.com");
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient, ProtectedApi};
//! # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
//! # let (token_server, api_server) = (idp.listen().await?, ProtectedApi::new(&idp).listen().await?);
//! # let (token_url, api) = (&*token_server.token_url(), &*api_server.url());
//!     let tokens = ClientCredentials::builder(token_url)
//!         .client_secret_basic("my-service", "s3cret")
//!         .build()?
//!         .into_cache();
//!     let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse([api])?);
//!     // It has TLS, and the trust store and proxies of the token requests.
//!     let client = layer.layer(HyperTransport::builder().build_client()?);
//!     let app = Router::new()
//!         .route("/invoices", get(invoices))
//!         .with_state(Backend { client, api: api.to_owned() });
//! #   let response = app.clone().oneshot(Request::get("/invoices").body(Body::empty())?).await?;
//! #   assert_eq!(response.status(), StatusCode::OK);
//! #   if true { return Ok(()) }
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     Ok(axum::serve(listener, app).await?)
//! }
//! # pub fn run() -> Result<(), BoxError> { main() }
//! # }
//! # #[cfg(feature = "hyper-transport")]
//! # fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> { program::run() }
//! ```
//!
//! # What the caller gets
//!
//! * A 401 of the API, after a replay or without one, concerns this service. Return 502, because
//!   your callers would read a 401 as a request to log in.
//! * An [`Error`] in the layer's error means that the request was not sent, for lack of a token or
//!   because it was refused. [`Error::suggested_status`] is the status for your caller. Other errors
//!   come from the client: answer 502.
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
//! * The probe requests a token: `tokens.warm_up().await`. During the cooldown after a failure it
//!   fails at once. Give the probe a timeout that is longer than a token request. This needs no
//!   traffic and no task.
//! * The probe only reads: [`subscribe`](TokenCache::subscribe), with
//!   [`keep_warm`](TokenCacheBuilder::keep_warm), as in the sidecar.
//!
//! [`examples/axum.rs`]: https://docs.rs/crate/tower-oauth2-client-credentials/latest/source/examples/axum.rs
//! [`examples/sidecar.rs`]: https://docs.rs/crate/tower-oauth2-client-credentials/latest/source/examples/sidecar.rs

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
