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
//! * `T` is the source of tokens, by default [`TokenCache`], or
//!   [`ByKey`] for a keyed layer.
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
//! The compiler reports a missing bound where the service is *used*, at `call`, `ready` or
//! `oneshot`: often as `E0599`, "the method exists but its trait bounds were not satisfied". The
//! note below the error names the bound:
//!
//! | the note says | cause | what to do |
//! | --- | --- | --- |
//! | no method `oneshot` or `ready` | the trait is not imported | `use tower::ServiceExt;`, and tower's feature `util` |
//! | `B: Default` (for `EmptyBodies`) | the default policy recognizes an empty body by `B::default()` | choose a [policy](super::recipes#request-bodies-and-replays): `.replay(NoReplay)`, or `BufferBodies` |
//! | `B: Clone` (for `CloneBodies`) | the body can't be cloned | `BufferBodies`, or a closure |
//! | `S: Clone` | the inner service is not `Clone`, such as tower's `Balance` | put tower's `Buffer` between it and the layer |
//! | `reqwest::Client: Service<http::Request<_>>` | reqwest's client takes its own request type | [`ReqwestService`] around it |
//! | `Service<http::Request<B>>` with another `B` | the inner client was built for another body type | name the body: `HyperClient<Full<Bytes>>` |
//! | `Into<BoxError>` | the inner error has no conversion into a boxed `Error` | tower's `map_err` below the layer |
//! | `Response = http::Response<_>` | the inner service returns another response type | convert it with `map_response` *above* the layer |
//! | `B: Sync` (under `ReqwestService`) | reqwest needs bodies that are `Sync` | `reqwest::Body::wrap`, or `http_body_util::combinators::BoxBody` |
//! | `Future: Send` (at `tokio::spawn`) | the inner service's future is not `Send` | `tokio::task::spawn_local` |
//! | two types named `Request` or `Service` | two versions of `http` or tower in the dependency tree | `cargo tree --duplicates` |
//! | no `build` without a transport | the default features are off | [`transport`](crate::endpoint::ClientCredentialsBuilder::transport), or feature `hyper-transport` |

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
