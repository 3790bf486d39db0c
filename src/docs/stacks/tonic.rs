//! gRPC with tonic. The whole of it runs in [`examples/tonic.rs`].
//!
//! ```
//! # use tokio::net::TcpListener;
//! # use tonic::transport::{Endpoint, Server, server::TcpIncoming};
//! # use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! # use tower_oauth2_client_credentials::{BoxError, ClientCredentials, testing::AuthorizationServer};
//! use tonic::body::Body;
//! use tower::ServiceBuilder;
//! use tower_oauth2_client_credentials::{BufferBodies, OAuthClientCredentialsLayer, Origins};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let idp = AuthorizationServer::builder().client("my-service", "s3cret").build();
//! # let tokens = ClientCredentials::builder(idp.token_url())
//! #     .client_secret_basic("my-service", "s3cret").transport(idp.service()).build()?.into_cache();
//! # let listener = TcpListener::bind("127.0.0.1:0").await?;
//! # let channel = Endpoint::from_shared(format!("http://{}", listener.local_addr()?))?.connect_lazy();
//! # let (_reporter, health) = tonic_health::server::health_reporter();
//! # let router = Server::builder().add_service(health);
//! # tokio::spawn(router.serve_with_incoming(TcpIncoming::from(listener)));
//! let layer = OAuthClientCredentialsLayer::new(tokens, Origins::fixed_upstream())
//!     .replay(BufferBodies::<Body>::new(64 * 1024, Body::new))
//!     .grpc();
//! let channel = ServiceBuilder::new().layer(layer).service(channel); // the `Channel` as it was
//! let mut client = HealthClient::new(channel); // and any generated client over it
//! client.check(HealthCheckRequest::default()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where the token goes
//!
//! Where the channel goes: its requests have no authority of their own, which is what
//! [`Origins::fixed_upstream`] lets pass. So give the `Endpoint` an `https` address, or a local one.
//! A client made by `with_origin` does name an authority, but the channel decides all the same
//! where the call goes; leave it out, or name it by [`Origins::parse`].
//!
//! # Rejected tokens
//!
//! | the server says `UNAUTHENTICATED` | the token | the call |
//! | --- | --- | --- |
//! | at once, without a message | is replaced | is made once more, if the policy kept its body |
//! | after the answer began | is invalidated | gets its status |
//!
//! A message is never an empty body, so the default policy makes no call again. [`BufferBodies`]
//! copies messages while they are sent and until the answer begins: a unary call's one message, or
//! the first of a stream. A streaming request above the limit, or one that the connection still
//! holds on to, gets its status back, with the token invalidated for those that follow. A server
//! that passes on the `UNAUTHENTICATED` of another one, which it called in turn, looks the same as one
//! that did nothing: see [`grpc`] for what to do if its calls must not be made twice.
//!
//! If the status comes with a `www-authenticate` field, that is judged as in HTTP, and
//! [`rejections`](OAuthClientCredentialsLayer::rejections) counts here too. See [`grpc`] for how it
//! is done.
//!
//! # Without a token
//!
//! A call that gets no token was not sent. tonic makes an `Unknown` status of the error, with
//! [`Error`] as its source. If codes matter to you, map it above the layer:
//!
//! ```
//! use tonic::Status;
//! use tower_oauth2_client_credentials::{BoxError, Error};
//!
//! fn status(error: BoxError) -> Status {
//!     match error.downcast_ref::<Error>() {
//!         Some(ours) if ours.is_terminal() => Status::unauthenticated(ours.to_string()),
//!         Some(ours) => Status::unavailable(ours.to_string()),
//!         None => Status::from_error(error),
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
//! ```
//!
//! # Deadlines
//!
//! An `Endpoint`'s timeout and a request's `grpc-timeout` start below the layer: a wait for a token
//! comes on top, up to the cache's [`wait_timeout`](TokenCacheBuilder::wait_timeout). A tower
//! timeout above the layer bounds both.
//!
//! [`examples/tonic.rs`]: https://docs.rs/crate/tower-oauth2-client-credentials/latest/source/examples/tonic.rs

// Names for the links above.
#[cfg(doc)]
use crate::*;
