//! A [Tower](tower_layer) layer for services that call OAuth-protected APIs *as themselves*.
//!
//! The layer gets access tokens with the client-credentials grant (RFC 6749 §4.4), caches the
//! current one, and adds it to outgoing requests. It refreshes the token before it expires, with one
//! token request for any number of callers.
//!
//! # Quick start
//!
//! ```
//! # #[cfg(not(feature = "hyper-transport"))]
//! # fn main() {}
//! # #[cfg(feature = "hyper-transport")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! # use bytes::Bytes;
//! # use http::Request;
//! # use http_body_util::Empty;
//! # use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient, ProtectedApi};
//! # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
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
//! [`TokenCache`] (here `tokens`) is cheap to clone: share it between layers, clients and other
//! code that needs a token. [`Origins`] says where a token may be sent. It has no default.
//! `token_url` and `api` are URLs, such as `"https://idp.example.com/oauth2/token"` and
//! `"https://api.example.com"`. `http_client` is your client, or this crate's
//! [`HyperClient`](transport::HyperClient).
//!
//! To see it work, without any setup: `cargo run --example quickstart` in a checkout. To try it with your
//! authorization server: [`oauth-doctor`](docs::doctor) probes it and prints the lines to use.
//!
//! # Behavior
//!
//! * **A token is cached.** The layer adds it and calls the client. If its refresh is due, the
//!   request starts the refresh in the background and does not wait for it.
//! * **No token is cached.** All requests wait for one *acquisition* (a token request with its
//!   retries), each for at most 30 s, and share its result. The request that started it may be
//!   dropped.
//! * **The authorization server fails.** A token that is still valid stays in use. Without one,
//!   requests share the acquisition's error. During the cooldown after it they fail at once with that
//!   error. The number of token requests follows a backoff and not the traffic.
//! * **The API rejects the token** (401). The token is replaced, and the request is sent again once
//!   if its body can be sent again. An API that rejects every token causes few token requests, and
//!   does not stop requests to other APIs.
//! * **Another origin, or a request with an existing `Authorization` field.** The request passes
//!   through unchanged.
//! * **The service is idle.** The cache sends no token requests and runs no background task, unless
//!   [`keep_warm`](cache::TokenCacheBuilder::keep_warm) is on.
//!
//! The layer's errors are [`BoxError`]. [`Error::find`] finds this crate's [`Error`] in one. Its
//! message says what to do next, and never shows a secret:
//!
//! ```
//! use tower_oauth2_client_credentials::{BoxError, Error};
//!
//! fn log(error: &BoxError) {
//!     match Error::find(&**error) {
//!         Some(ours) if ours.is_permanent() => eprintln!("needs an operator: {ours}"),
//!         Some(ours) => eprintln!("request failed: {ours}"),
//!         None => eprintln!("the inner client failed: {error}"),
//!     }
//! }
//! ```
//!
//! An [`Event`] reports each change of a token, to `tracing`, to an
//! [`observer`](cache::TokenCacheBuilder::observer) and to `metrics` (a feature). It names its client
//! ([`TokenCacheBuilder::name`](cache::TokenCacheBuilder::name)). The module [`event`] lists all events.
//!
//! # Chapters
//!
//! Each module's page has its reference. These are the longer texts:
//!
//! * **To build a client:** your [stack](docs::stacks) (hyper, axum, tonic, reqwest, generated OpenAPI
//!   clients) · your [authorization server](docs::providers) · [recipes](docs::recipes) (secrets, private CAs,
//!   several APIs, replays) · [settings from a file or the environment](docs::configuration) · [types, and
//!   stacks that do not compile](docs::types) · [tests in virtual time](docs::testing)
//! * **To move to it:** from hand-written code, `oauth2` or a reqwest middleware: [migration](docs::migration)
//! * **Without a secret:** [AWS, SPIFFE and Kubernetes identities](docs::workload_identity) · [extension
//!   grants](docs::grants)
//! * **Other programs:** [synchronous ones, and credential callbacks](docs::programs) · [serverless functions and
//!   suspended machines](docs::serverless)
//! * **Many tokens, many processes:** `docs::tenants` (feature `keyed`) · `docs::fleet` (feature `store`)
//! * **To operate it:** [logs, metrics, alerts, readiness](docs::observability) · [what each fault
//!   does](docs::outages) · [the doctor](docs::doctor), which probes a server
//! * **To review it:** [where a token may go](docs::security) · [the threat
//!   model](docs::security::threats) · [RFC 9700 and FAPI 2.0](docs::security::standards) · [FIPS
//!   mode](docs::security::cryptography) · [every default, with its
//!   reason](docs::defaults) · [how it works inside](docs::internals)
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `hyper-transport` | yes | [`HyperTransport`](transport::HyperTransport) and [`HyperClient`](transport::HyperClient): hyper-util over rustls, with the platform's root certificates and the environment's proxy. Without it, [`transport`](endpoint::ClientCredentialsBuilder::transport) takes any Tower service. |
//! | `jwt` | no | Client assertions that this crate signs: [`private_key_jwt`](endpoint::ClientCredentialsBuilder::private_key_jwt), [`client_secret_jwt`](endpoint::ClientCredentialsBuilder::client_secret_jwt). |
//! | `dpop` | no | Tokens that are bound to a key (RFC 9449): [`dpop`](endpoint::ClientCredentialsBuilder::dpop). |
//! | `keyed` | no | One token for each tenant or other key: [`KeyedTokenCache`], [`keyed`](OAuthClientCredentialsLayer::keyed). |
//! | `metrics` | no | `metrics`: counters, histograms and gauges of each client, through the `metrics` facade. |
//! | `reqwest`, `reqwest-middleware` | no | [`ReqwestService`](transport::ReqwestService): reqwest below the layer, and for token requests; a [middleware](middleware::OAuthClientCredentialsMiddleware) for reqwest-middleware. |
//! | `rustls` | no | [`build_tls_config`](transport::HyperTransportBuilder::build_tls_config): the TLS settings of the default transport, for other clients of rustls. |
//! | `store`, `redis`, `file-store` | no | [`store`]: one token for all processes of a fleet, in [Redis or Valkey](store::RedisStore) or in [files](store::FileStore) of one machine. |
//! | `testing`, `testing-rustls` | no | [`testing`]: a mock authorization server and protected API, on loopback sockets or in memory under virtual time; with TLS and client certificates. |
//! | `doctor` | no | The program `oauth-doctor`, see [`docs::doctor`]. Not for libraries. |
//!
//! Assertions that you supply (files, closures), public clients and discovery need no feature. Client
//! certificates need `hyper-transport`, or your own transport that presents them.
// Without the feature `testing` its module does not exist, so the links go to the table above.
#![cfg_attr(not(feature = "testing"), doc = "", doc = "[`testing`]: crate#features")]
// Without these features some links have no target; the full documentation has them all.
#![cfg_attr(
    not(all(
        feature = "hyper-transport",
        feature = "jwt",
        feature = "dpop",
        feature = "keyed",
        feature = "reqwest-middleware",
        feature = "rustls",
        feature = "redis",
        feature = "file-store",
        feature = "testing"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod basic_auth;
pub mod cache;
pub mod client_auth;
pub mod clock;
pub mod config;
pub mod docs;
#[cfg(feature = "dpop")]
#[cfg_attr(docsrs, doc(cfg(feature = "dpop")))]
pub mod dpop;
pub mod endpoint;
mod error;
pub mod event;
#[cfg(any(feature = "jwt", feature = "dpop"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "jwt", feature = "dpop"))))]
pub mod jose;
mod json_members;
pub mod layer;
mod limits;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub mod metrics;
#[cfg(feature = "reqwest-middleware")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest-middleware")))]
pub mod middleware;
mod net;
mod secret_file;
mod skew;
pub mod source;
#[cfg(feature = "store")]
#[cfg_attr(docsrs, doc(cfg(feature = "store")))]
pub mod store;
mod sync;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod timing;
pub mod token;
pub mod transport;

#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
#[doc(inline)]
pub use cache::KeyedTokenCache;
#[doc(inline)]
pub use cache::TokenCache;
#[doc(inline)]
pub use endpoint::ClientCredentials;
pub use error::{BoxError, Error, ErrorKind};
#[doc(inline)]
pub use event::Event;
#[doc(inline)]
pub use layer::{OAuthClientCredentials, OAuthClientCredentialsLayer, Origins, grpc, replay};
#[doc(inline)]
pub use source::TokenSource;
#[doc(inline)]
pub use token::Token;

impl ClientCredentials {
    /// Makes a cache over this source with the default settings. [`TokenCache::builder`] takes
    /// others.
    // In this file, because `endpoint` and `cache` do not import each other.
    #[must_use = "an acquisition starts when the cache is used"]
    pub fn into_cache(self) -> TokenCache {
        TokenCache::new(self)
    }
}

#[cfg(all(doctest, feature = "hyper-transport"))]
#[doc = include_str!("../README.md")]
struct Readme;
