//! A [Tower](tower_layer) layer for services that call OAuth-protected APIs *as themselves*.
//!
//! It gets access tokens by the client-credentials grant (RFC 6749 §4.4), keeps the current one,
//! replaces it before it expires with one token request however many callers there are, and adds
//! it to outgoing requests.
//!
//! # Quick start
//!
//! ```
//! # #[cfg(not(feature = "hyper"))]
//! # fn main() {}
//! # #[cfg(feature = "hyper")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! # use bytes::Bytes;
//! # use http::Request;
//! # use http_body_util::Empty;
//! # use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, ProtectedApi};
//! # let idp = AuthorizationServer::builder().client("my-service", "s3cret").build();
//! # let (token_server, api_server) = (idp.listen().await?, ProtectedApi::new(&idp).listen().await?);
//! # let (token_url, api) = (token_server.token_url(), api_server.url());
//! # let http_client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_oauth2_client_credentials::{ClientCredentials, OAuthClientCredentialsLayer, Origins};
//!
//! let tokens = ClientCredentials::builder(token_url)
//!     .client_secret_basic("my-service", "s3cret")
//!     .scope("invoices:read")
//!     .build()?
//!     .into_cache();
//!
//! let client = ServiceBuilder::new()
//!     .layer(OAuthClientCredentialsLayer::new(tokens.clone(), Origins::parse([&api])?))
//!     .service(http_client); // any Service<http::Request<B>> + Clone
//!
//! let request = Request::get(format!("{api}/invoices")).body(Empty::new())?;
//! let response = client.oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! [`TokenCache`] (here `tokens`) is the one handle to share: between layers, clients and whatever
//! else wants a token. [`Origins`] says where a token may go; that choice can't be left out.
//!
//! # How it behaves
//!
//! * **A token is at hand**: it is added, and the client called, at once. When its refresh is due, a
//!   request starts that beside the traffic and does not wait for it.
//! * **None is at hand**: all requests wait for the one acquisition in flight, each for 30 s at most,
//!   and share how it ends. Whoever started it may go away.
//! * **The authorization server fails**: a token that is still valid stays in use. Without one,
//!   requests fail at once with the remembered error, and the number of token requests follows a
//!   backoff and not the traffic.
//! * **The API rejects the token** (401): it is replaced and the request sent once more, if its body
//!   allows. An API that rejects fresh tokens too can't drive the token endpoint, nor starve the
//!   other requests.
//! * **Another origin, or a request with its own `Authorization`**: passes untouched.
//! * **Nobody calls**: nothing happens. There is no background task unless
//!   [`keep_warm`](TokenCacheBuilder::keep_warm) is on.
//!
//! Errors of the layer are [`BoxError`]. [`Error::find`] finds this crate's [`Error`] in one. It says
//! what to do next, and never shows a secret:
//!
//! ```
//! use tower_oauth2_client_credentials::{BoxError, Error};
//!
//! fn log(error: &BoxError) {
//!     match Error::find(&**error) {
//!         Some(ours) if ours.is_terminal() => eprintln!("someone must look at this: {ours}"),
//!         Some(ours) => eprintln!("no token for now: {ours}"),
//!         None => eprintln!("the client below failed: {error}"),
//!     }
//! }
//! ```
//!
//! What happens to tokens is told as [`Event`]s, to `tracing` and to a closure
//! ([`observer`](TokenCacheBuilder::observer)).
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `hyper` | yes | [`HyperTransport`], through which tokens are requested: hyper-util over rustls, with the platform's root certificates and the environment's proxy. Without it, [`transport`](ClientCredentialsBuilder::transport) takes any Tower service. |
//! | `jwt` | no | Client assertions that are signed here: [`private_key_jwt`](ClientCredentialsBuilder::private_key_jwt), [`client_secret_jwt`](ClientCredentialsBuilder::client_secret_jwt). |
//! | `dpop` | no | Tokens that are bound to a key (RFC 9449): [`dpop`](ClientCredentialsBuilder::dpop). |
//! | `keyed` | no | Many tokens, one for each tenant or other key: [`KeyedTokenCache`], [`keyed`](OAuthClientCredentialsLayer::keyed). |
//! | `reqwest` | no | [`ReqwestService`]: reqwest below the layer, and for token requests. |
//! | `reqwest-middleware` | no | [`OAuthClientCredentialsMiddleware`] for clients of reqwest-middleware. |
//! | `testing` | no | [`testing`], a mock authorization server and protected API, on loopback sockets or in memory under virtual time. |
//! | `testing-tls` | no | TLS and client certificates for these mocks. |
//!
//! Assertions that others make (files, closures), client certificates, public clients and discovery
//! need no feature beyond `hyper`, or none.
//!
//! # Chapters
//!
//! * [`docs::recipes`]: own transport, proxy, several APIs, bodies and replays, health checks …
//! * [`docs::tenants`]: many tokens behind one client
//! * [`docs::stacks`]: with hyper, axum, tonic, reqwest
//! * [`docs::configuration`]: settings from a file or the environment
//! * [`docs::grants`]: token exchange, service accounts and other extension grants
//! * [`docs::providers`]: settings for well-known authorization servers, and which client
//!   authentication to choose
//! * [`docs::testing`]: testing your service in virtual time
//! * [`docs::defaults`]: every default, and why it is what it is
//! * [`docs::outages`]: what your request and the authorization server see of each fault
//! * [`docs::security`]: where a token may go, redirects, what is wiped and what can't be
//!
//! And the types to start from: [`ClientCredentials`] (how a token is got), [`TokenCache`] (how it is
//! kept), [`OAuthClientCredentialsLayer`] (who gets it). [`TokenSource`] is the seam between the first
//! two; a closure is one.
#![cfg_attr(not(feature = "testing"), doc = "", doc = "[`testing`]: crate#features")]
// Without these features some links have no target; the full documentation has them all.
#![cfg_attr(
    not(all(
        feature = "hyper",
        feature = "jwt",
        feature = "dpop",
        feature = "keyed",
        feature = "reqwest-middleware"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod basic_auth;
mod cache;
mod client_auth;
mod clock;
mod config;
pub mod docs;
#[cfg(feature = "dpop")]
mod dpop;
mod endpoint;
mod error;
mod event;
#[cfg(any(feature = "jwt", feature = "dpop"))]
mod jose;
mod layer;
mod limits;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod net;
mod secret_file;
mod skew;
mod source;
mod sync;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod token;
mod transport;

pub use cache::{Get, Readiness, ReadinessWatch, Replacement, TokenCache, TokenCacheBuilder};
#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
pub use cache::{KeyedTokenCache, KeyedTokenCacheBuilder};
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub use client_auth::AssertionAudience;
pub use client_auth::Secret;
pub use clock::{SystemClock, WallClock};
pub use config::ClientCredentialsConfig;
#[cfg(feature = "dpop")]
#[cfg_attr(docsrs, doc(cfg(feature = "dpop")))]
pub use dpop::DpopKey;
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub use endpoint::SignedJwt;
pub use endpoint::{ClientCredentials, ClientCredentialsBuilder, ParameterValue, ServerMetadata};
pub use error::{BoxError, Error, ErrorKind};
pub use event::{Event, NotReplayedReason, Observer, Reason, RejectionAction, WithheldReason};
#[cfg(feature = "jwt")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwt")))]
pub use jose::{HmacAlgorithm, SigningKeySource};
#[cfg(any(feature = "jwt", feature = "dpop"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "jwt", feature = "dpop"))))]
pub use jose::{SigningAlgorithm, SigningKey};
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub use layer::ReqwestBodies;
pub use layer::grpc;
pub use layer::{
    BufferBodies, Buffered, CloneBodies, Elsewhere, EmptyBodies, Http, Never,
    OAuthClientCredentials, OAuthClientCredentialsLayer, Origins, OwnAuthorization, Protocol,
    Rejections, ReplayPolicy, ResponseFuture, SelectCache, SkipToken, Tee,
};
#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
pub use layer::{ByKey, RequestHead};
#[cfg(feature = "reqwest-middleware")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest-middleware")))]
pub use middleware::OAuthClientCredentialsMiddleware;
pub use source::{AcquireContext, CacheHandle, TokenSource};
pub use token::{ProofOfPossession, Token, TokenType};
#[cfg(any(feature = "hyper", feature = "reqwest"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "hyper", feature = "reqwest"))))]
pub use transport::ProxySettings;
#[cfg(feature = "hyper")]
#[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
pub use transport::{
    ClientIdentity, HyperClient, HyperClientFuture, HyperTransport, HyperTransportBuilder,
};
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub use transport::{ReqwestFuture, ReqwestService, same_origin_redirects};
pub use transport::{TokenRequest, TokenRequestBody};

impl ClientCredentials {
    /// A cache over this source, with the default settings;
    /// [`TokenCache::builder`] takes others.
    // Here and not beside the type: the token endpoint knows nothing of caches, nor they of it.
    pub fn into_cache(self) -> TokenCache {
        TokenCache::new(self)
    }
}

#[cfg(all(doctest, feature = "hyper"))]
#[doc = include_str!("../README.md")]
struct Readme;
