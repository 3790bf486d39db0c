//! The type to write in a struct field, and what to do if a stack does not compile.
//!
//! * [The type of a client](#the-type-of-a-client)
//! * [Types that cannot be written](#types-that-cannot-be-written)
//! * [Does not compile?](#does-not-compile)
//!
//! # The type of a client
//!
//! The layer's service is `OAuthClientCredentials<S, P, T, M>`:
//!
//! * `S` is the inner service.
//! * `P` is the replay policy, by default [`EmptyBodies`].
//! * `T` says where the layer takes tokens from: one [`TokenCache`], the default, or [`ByKey`] in a
//!   keyed layer.
//! * `M` is the protocol, by default [`Http`].
//!
//! | stack | type of the field |
//! | --- | --- |
//! | this crate's client | `OAuthClientCredentials<HyperClient<Full<Bytes>>>` |
//! | … with `.replay(CloneBodies)` | `OAuthClientCredentials<HyperClient<Full<Bytes>>, CloneBodies>` |
//! | hyper-util's client | `OAuthClientCredentials<Client<C, Full<Bytes>>>`, where `C` is its connector |
//! | axum, in the state | `OAuthClientCredentials<HyperClient<axum::body::Body>>` |
//! | reqwest, as a tower service | `OAuthClientCredentials<ReqwestService, ReqwestBodies>` |
//! | reqwest-middleware | `reqwest_middleware::ClientWithMiddleware` |
//! | tonic | `GreeterClient<OAuthGrpc<Channel>>`, with [`OAuthGrpc`] |
//! | … with `.replay(BufferBodies::new(…))` | `GreeterClient<OAuthGrpc<Channel, BufferBodies<tonic::body::Body>>>` |
//! | a token for each tenant | `OAuthClientCredentials<S, EmptyBodies, ByKey<Tenant, PickTenant>>`, where `PickTenant` is `fn(&RequestHead<'_>) -> Option<Tenant>` |
//! | redirects above the layer | `FollowRedirect<OAuthClientCredentials<S>>` |
//!
//! ```
//! # #[cfg(all(feature = "hyper-transport", feature = "reqwest-middleware"))]
//! # mod fields {
//! use axum::body::Body;
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use tonic::transport::Channel;
//! use tonic_health::pb::health_client::HealthClient;
//! use tower_http::follow_redirect::FollowRedirect;
//! use tower_oauth2_client_credentials::{
//!     OAuthClientCredentials, TokenCache, grpc::OAuthGrpc,
//!     replay::{BufferBodies, CloneBodies, ReqwestBodies},
//!     transport::{HyperClient, ReqwestService},
//! };
//!
//! #[derive(Clone)]
//! struct Clients {
//!     plain: OAuthClientCredentials<HyperClient<Full<Bytes>>>,
//!     cloning: OAuthClientCredentials<HyperClient<Full<Bytes>>, CloneBodies>,
//!     backend: OAuthClientCredentials<HyperClient<Body>>,
//!     reqwest: OAuthClientCredentials<ReqwestService, ReqwestBodies>,
//!     middleware: reqwest_middleware::ClientWithMiddleware,
//!     health: HealthClient<OAuthGrpc<Channel>>,
//!     replaying: HealthClient<OAuthGrpc<Channel, BufferBodies<tonic::body::Body>>>,
//!     redirects: FollowRedirect<OAuthClientCredentials<HyperClient<Full<Bytes>>>>,
//!     tokens: TokenCache, // for readiness and metrics
//! }
//! #     // Built here, so that each type is the one that the layer makes.
//! #     pub fn check() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! #         use tower::Layer;
//! #         use tower_http::follow_redirect::FollowRedirectLayer;
//! #         use tower_oauth2_client_credentials::{middleware::*, replay::*, source::*, transport::*, *};
//! #         let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
//! #         let origins = || Origins::parse(["https://api.example.com"]);
//! #         let layer = OAuthClientCredentialsLayer::new(tokens.clone(), origins()?);
//! #         let grpc = OAuthClientCredentialsLayer::new(tokens.clone(), Origins::fixed_upstream());
//! #         let channel = || Channel::from_static("https://api.example.com").connect_lazy();
//! #         let http = ReqwestService::new(reqwest::Client::builder())?;
//! #         let hyper = || HyperTransport::builder().build_client();
//! #         let middleware = OAuthClientCredentialsMiddleware::new(tokens.clone(), origins()?);
//! #         let buffer = BufferBodies::<tonic::body::Body>::new(1024, tonic::body::Body::new);
//! #         let clients = Clients {
//! #             plain: layer.layer(hyper()?),
//! #             cloning: layer.clone().replay(CloneBodies).layer(hyper()?),
//! #             backend: layer.layer(HyperTransport::builder().build_client()?),
//! #             reqwest: layer.clone().replay(ReqwestBodies).layer(http.clone()),
//! #             middleware: reqwest_middleware::ClientBuilder::new(http.client().clone())
//! #                 .with(middleware)
//! #                 .build(),
//! #             health: HealthClient::new(grpc.clone().grpc().layer(channel())),
//! #             replaying: HealthClient::new(grpc.replay(buffer).grpc().layer(channel())),
//! #             redirects: FollowRedirectLayer::new().layer(layer.layer(hyper()?)),
//! #             tokens,
//! #         };
//! #         let Clients { plain, cloning, backend, reqwest, middleware, .. } = clients.clone();
//! #         drop((plain, cloning, backend, reqwest, middleware));
//! #         drop((clients.health, clients.replaying, clients.redirects, clients.tokens));
//! #         Ok(())
//! #     }
//! # }
//! # #[cfg(all(feature = "hyper-transport", feature = "reqwest-middleware"))]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! #     fields::check()
//! # }
//! # #[cfg(not(all(feature = "hyper-transport", feature = "reqwest-middleware")))]
//! # fn main() {}
//! ```
//!
//! # Types that cannot be written
//!
//! The type of a closure has no name. It is part of the service's type if a closure is the replay
//! policy, picks the key of a keyed layer, or is an inner `service_fn`. Three ways out:
//!
//! * Convert a closure without captures to a function pointer: `OAuthClientCredentials<S, fn(&B) ->
//!   Option<B>>`.
//! * Box the stack. tower's `BoxCloneSyncService` hides every type, for one allocation per call.
//! * Make the struct generic over `S: Service<Request<B>>`.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{Empty, Full};
//! use tower::{ServiceBuilder, util::BoxCloneSyncService};
//! # use tower_oauth2_client_credentials::{Token, source::AcquireContext};
//! use tower_oauth2_client_credentials::{
//!     BoxError, OAuthClientCredentialsLayer, Origins, TokenCache,
//! };
//!
//! #[derive(Clone)]
//! struct Api {
//!     client: BoxCloneSyncService<Request<Full<Bytes>>, Response<Empty<Bytes>>, BoxError>,
//! }
//!
//! # fn main() -> Result<(), BoxError> {
//! # let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
//! # let http_client = tower::service_fn(|_: Request<Full<Bytes>>| async {
//! #     Ok::<_, BoxError>(Response::new(Empty::new()))
//! # });
//! let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse(["https://api.example.com"])?)
//!     .replay(|body: &Full<Bytes>| Some(body.clone()));
//! let stack = ServiceBuilder::new().layer(layer).service(http_client);
//! let api = Api { client: BoxCloneSyncService::new(stack) };
//! # drop(api.client);
//! # Ok(())
//! # }
//! ```
//!
//! # Does not compile?
//!
//! The compiler reports a missing bound where the service is *used*: at `oneshot`, `ready` or `call`,
//! as `E0599`, "the method exists but its trait bounds were not satisfied". For `oneshot` and `ready`
//! it does not say which bound. Ask for it with a line that names the body:
//!
//! ```compile_fail,E0277
//! # use std::{convert::Infallible, pin::Pin, task::{Context, Poll}};
//! # use bytes::Bytes;
//! # use http::{Request, Response};
//! # use http_body_util::Empty;
//! # use tower::Layer;
//! # use tower_oauth2_client_credentials::{BoxError, OAuthClientCredentialsLayer};
//! # struct Upload;
//! # impl http_body::Body for Upload {
//! #     type Data = Bytes;
//! #     type Error = Infallible;
//! #     fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>)
//! #         -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> { Poll::Ready(None) }
//! # }
//! # fn check(layer: OAuthClientCredentialsLayer) {
//! # let http_client = tower::service_fn(|_: Request<Upload>| async {
//! #     Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
//! # });
//! fn is_service<B>(_: &impl tower::Service<http::Request<B>>) {}
//!
//! let client = layer.layer(http_client);
//! is_service::<Upload>(&client);
//! # }
//! ```
//!
//! ```text
//! error[E0277]: `EmptyBodies` cannot replay bodies of type `Upload`
//!    |     is_service::<Upload>(&client);
//!    |     -------------------- ^^^^^^^ not a replay policy for `Upload`
//!    = note: `EmptyBodies`, the default, needs `Upload: Body + Default`, and `CloneBodies` needs `Upload: Clone`
//!    = note: for other bodies choose a policy of the layer: `.replay(NoReplay)`, …
//! ```
//!
//! | the compiler says | cause | what to do |
//! | --- | --- | --- |
//! | no method named `oneshot` or `ready` found | the trait is not imported | `use tower::ServiceExt;`, and tower's feature `util` |
//! | `EmptyBodies` cannot replay bodies of type `B` | the default policy makes an empty body by `B::default()` | choose a [policy](super::recipes#request-bodies-and-replays): `.replay(NoReplay)`, or `BufferBodies` |
//! | `CloneBodies` cannot replay bodies of type `B` | the body can't be cloned | `BufferBodies`, or a closure |
//! | expected a `Fn(&B)` closure | the value given to `replay` is not a policy | [`ReplayPolicy`] lists the policies |
//! | `S: Clone` is not satisfied | the inner service is not `Clone`, such as tower's `Balance` | put tower's `Buffer` between it and the layer |
//! | `Client: Service<http::Request<…>>` is not satisfied | reqwest's client takes its own request type | [`ReqwestService`] around it |
//! | mismatched types, or `Service<http::Request<B>>` is not satisfied | the inner client was built for another body type | name the body: `HyperClient<Full<Bytes>>` |
//! | `E: std::error::Error` is not satisfied | the inner error has no conversion into [`BoxError`] | tower's `map_err` below the layer |
//! | expected `Response<_>`, found another type | the inner service returns another response type | convert it with `map_response` *above* the layer |
//! | `B` cannot be shared between threads safely (under `ReqwestService`) | reqwest needs bodies that are `Sync` | `reqwest::Body::wrap`, or `http_body_util::combinators::BoxBody` |
//! | future cannot be sent between threads safely (at `tokio::spawn`) | the inner service's future is not `Send` | `tokio::task::spawn_local` |
//! | is not a source of tokens | the argument is not a [`TokenSource`], such as [`ClientCredentials`] or a closure of [`AcquireContext`] | [`TokenSource`] has an example |
//! | two types named `Request` or `Service` | two versions of `http` or tower in the dependency tree | `cargo tree --duplicates` |
//!
//! With the default features off, `build` compiles without a transport and returns an error: call
//! [`transport`](crate::endpoint::ClientCredentialsBuilder::transport), or turn on feature
//! `hyper-transport`.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
