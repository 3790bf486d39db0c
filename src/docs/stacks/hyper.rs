//! This crate's client, hyper-util's, and custom pools and connections. [`examples/hyper.rs`] is
//! the whole program.
//!
//! # This crate's client
//!
//! [`HyperClient`] is hyper-util's client with the trust store, the proxies and the client
//! certificate of token requests. So an API and a token endpoint behind the same private CA need
//! one setting.
//!
//! ```toml
//! [dependencies]
//! tower-oauth2-client-credentials = "0.1"
//! tower = { version = "0.5", features = ["util"] }
//! tokio = { version = "1", features = ["full"] }
//! bytes = "1"
//! http = "1"
//! http-body-util = "0.1"
//! ```
//!
//! ```
//! # #[cfg(not(feature = "hyper-transport"))]
//! # fn main() {}
//! # #[cfg(feature = "hyper-transport")]
//! # mod program {
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins,
//!     transport::{HyperClient, HyperTransport},
//! };
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
//!     let client: HyperClient<Full<Bytes>> = HyperTransport::builder().build_client()?;
//!     let client = OAuthClientCredentialsLayer::new(tokens, Origins::parse([api])?).layer(client);
//!
//!     let request = Request::get(format!("{api}/things")).body(Full::default())?;
//!     let response = client.oneshot(request).await?;
//!     println!("{}", response.status());
//! #     assert_eq!(response.status(), 200);
//!     Ok(())
//! }
//! # pub fn run() -> Result<(), BoxError> { main() }
//! # }
//! # #[cfg(feature = "hyper-transport")]
//! # fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> { program::run() }
//! ```
//!
//! With settings from the environment, [`ClientCredentialsConfig::transport_builder`] gives both clients
//! the same settings: `config.transport_builder()?.build_client()?`.
//!
//! # hyper-util's client
//!
//! In addition to the dependencies above:
//!
//! ```toml
//! hyper-util = { version = "0.1", features = ["client-legacy", "http1", "http2", "tokio"] }
//! ```
//!
//! ```
//! # use tower_oauth2_client_credentials::{
//! #     ClientCredentials, testing::{AuthorizationServer, RegisteredClient, ProtectedApi},
//! # };
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower::{Layer, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, OAuthClientCredentialsLayer, Origins, TokenCache, replay::CloneBodies,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
//! # let tokens = ClientCredentials::builder(idp.token_url())
//! #     .client_secret_basic("my-service", "s3cret").transport(idp.service()).build()?.into_cache();
//! # let listening = ProtectedApi::new(&idp).listen().await?;
//! # call(tokens, &listening.url()).await
//! # }
//! #
//! async fn call(tokens: TokenCache, api: &str) -> Result<(), BoxError> {
//!     // For `https` use hyper-rustls' connector with the root certificates of the transport.
//!     let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
//!     let client = OAuthClientCredentialsLayer::new(tokens, Origins::parse([api])?)
//!         .replay(CloneBodies) // `Full<Bytes>` is cheap to clone
//!         .layer(client);
//!
//!     // Each task gets a clone. All share connections and token.
//!     let request = Request::post(format!("{api}/things")).body(Full::from("hello"))?;
//!     let response = client.clone().oneshot(request).await?;
//!     println!("{}", response.status());
//! #     assert_eq!(response.status(), 200);
//!     Ok(())
//! }
//! ```
//!
//! # Which policy for which body
//!
//! For `Empty<Bytes>` and `Full<Bytes>`, the default replays empty bodies and [`CloneBodies`]
//! replays all. For boxed and streaming bodies: [`BufferBodies`], or [`NoReplay`]. See [the
//! recipe](crate::docs::recipes#request-bodies-and-replays).
//!
//! # Custom pools and connections
//!
//! The layer takes any service of requests that is `Clone`. Put it above the pool (hyper-util's
//! `client::pool`, tower's `balance` …) and not around each connection. A request that waits for a
//! token then holds no connection, and a replay may use another one. The example has a pool of one
//! HTTP/2 connection.
//!
//! For one connection of `hyper::client::conn`, whose requests have no authority in their URI, use
//! [`Origins::fixed_upstream`]: the token goes to the peer of the connection, which has to be encrypted or local.
//!
//! # Held or cloned
//!
//! A task that makes many calls may hold its clone: `client.ready().await?.call(request)`. This
//! saves a few nanoseconds per call, because a held service finds a fresh token by comparing a pointer.
//!
//! [`examples/hyper.rs`]: https://docs.rs/crate/tower-oauth2-client-credentials/latest/source/examples/hyper.rs

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
