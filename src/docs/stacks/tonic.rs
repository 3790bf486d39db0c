//! gRPC with tonic. [`examples/tonic.rs`] is the whole program.
//!
//! ```toml
//! [dependencies]
//! tower-oauth2-client-credentials = "0.1"
//! tower = { version = "0.5", features = ["util"] }
//! tokio = { version = "1", features = ["full"] }
//! tonic = { version = "0.14", features = ["tls-aws-lc", "tls-native-roots"] }
//! tonic-health = "0.14"       # in place of your generated client
//! ```
//!
//! ```
//! # #[cfg(not(feature = "hyper-transport"))]
//! # fn main() {}
//! # #[cfg(feature = "hyper-transport")]
//! # mod program {
//! use tonic::{body::Body, transport::Endpoint};
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins, replay::BufferBodies,
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), BoxError> {
//!     let (token_url, api) = ("https://idp.example.com/oauth2/token", "https://api.example.com");
//! # use tonic::transport::{Server, server::TcpIncoming};
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient};
//! # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
//! # let token_server = idp.listen().await?;
//! # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! # let (token_url, api) = (token_server.token_url(), format!("http://{}", listener.local_addr()?));
//! # let (_reporter, health) = tonic_health::server::health_reporter();
//! # let router = Server::builder().add_service(health);
//! # tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
//!     let tokens = ClientCredentials::builder(token_url)
//!         .client_secret_basic("my-service", "s3cret")
//!         .build()?
//!         .into_cache();
//!     let layer = OAuthClientCredentialsLayer::new(tokens, Origins::fixed_upstream())
//!         .replay(BufferBodies::<Body>::new(64 * 1024, Body::new))
//!         .grpc();
//!     let channel = Endpoint::from_shared(api)?.connect_lazy(); // a plain `Channel`
//!     let channel = ServiceBuilder::new().layer(layer).service(channel);
//!     let mut client = HealthClient::new(channel); // any generated client
//!     let answer = client.check(HealthCheckRequest::default()).await?;
//!     println!("{:?}", answer.into_inner().status());
//!     Ok(())
//! }
//! # pub fn run() -> Result<(), BoxError> { main() }
//! # }
//! # #[cfg(feature = "hyper-transport")]
//! # fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> { program::run() }
//! ```
//!
//! # Where the token goes
//!
//! A channel's requests have no authority in their URI, and [`Origins::fixed_upstream`] allows such
//! requests. The token goes to the channel's peer, so give the `Endpoint` an `https` address, or a
//! local one. The requests of a client made by `with_origin` do name an authority, although the
//! channel decides where they go: leave `with_origin` out, or list that origin with
//! [`Origins::parse`].
//!
//! # Rejected tokens
//!
//! | the server says `UNAUTHENTICATED` | the token | the call |
//! | --- | --- | --- |
//! | at once, without a message | is replaced | is replayed, if the policy kept its body |
//! | after the response began | is invalidated | gets its status |
//!
//! A message is never an empty body, so the default policy replays no call. [`BufferBodies`] copies
//! messages while they are sent and until the response begins: the one message of a unary call, or
//! the first ones of a stream. A streaming request above the limit, or one whose body the
//! connection still holds, gets its status, and the token is invalidated for later calls. A server
//! that forwards the `UNAUTHENTICATED` of another server looks the same as one that did nothing.
//! See [`grpc`] for what to do if such calls must not run twice.
//!
//! If the status comes with a `www-authenticate` field, the field decides as in HTTP, and
//! [`rejection_policy`](OAuthClientCredentialsLayer::rejection_policy) applies here too. See [`grpc`] for the
//! details.
//!
//! # Without a token
//!
//! A call that gets no token was not sent. tonic makes an `Unknown` status of the error, with
//! [`Error`] as its source. To choose the status code, map the error above the layer:
//!
//! ```
//! use tonic::Status;
//! use tower_oauth2_client_credentials::{BoxError, Error};
//!
//! fn status(error: BoxError) -> Status {
//!     let Some(ours) = Error::find(&*error) else { return Status::from_error(error) };
//!     // The text is for the log. The refused credentials are not the caller's, so the
//!     // status is not `UNAUTHENTICATED`.
//!     eprintln!("no token: {ours}");
//!     if ours.is_permanent() {
//!         Status::internal("this service has no valid credentials")
//!     } else {
//!         Status::unavailable("this service has no token for now")
//!     }
//! }
//! # use tower::{Layer, ServiceBuilder};
//! # let layer = tower::layer::util::Identity::new();
//! # let channel = tower::service_fn(|_: http::Request<tonic::body::Body>| async {
//! #     Err::<http::Response<tonic::body::Body>, BoxError>("no connection".into())
//! # });
//!
//! let channel = ServiceBuilder::new().map_err(status).layer(layer).service(channel);
//! # let _ = channel;
//! # let permanent = Error::new(tower_oauth2_client_credentials::ErrorKind::Credentials);
//! # assert_ne!(status(permanent.into()).code(), tonic::Code::Unauthenticated);
//! ```
//!
//! # Deadlines
//!
//! An `Endpoint`'s timeout and a request's `grpc-timeout` start below the layer. The wait for a
//! token is added to them, up to the cache's [`wait_timeout`](TokenCacheBuilder::wait_timeout). A
//! tower timeout above the layer bounds both.
//!
//! [`examples/tonic.rs`]: https://docs.rs/crate/tower-oauth2-client-credentials/latest/source/examples/tonic.rs

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
