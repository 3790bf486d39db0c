//! How to do a particular thing. Separate chapters: [readiness, logs and metrics](super::observability),
//! [testing](super::testing), [extension grants](super::grants), [programs without a Tower
//! stack](super::programs), [types and compile errors](super::types).
//!
//! * [One cache for each client and scope](#one-cache-for-each-client-and-scope)
//! * [Secrets that rotate](#secrets-that-rotate)
//! * [A private CA, a proxy](#a-private-ca-a-proxy)
//! * [A custom transport](#a-custom-transport)
//! * [Several APIs](#several-apis)
//! * [Request bodies and replays](#request-bodies-and-replays)
//! * [Health checks without a token](#health-checks-without-a-token)
//! * [Another header field](#another-header-field)
//! * [Where in the stack](#where-in-the-stack)
//! * [Start-up, and keeping warm](#start-up-and-keeping-warm)
//! * [Tokens from another source](#tokens-from-another-source)
//! * [Tokens bound to a key (DPoP)](#tokens-bound-to-a-key-dpop)
//!
//! # One cache for each client and scope
//!
//! A [`TokenCache`] holds one token. Make one for each client registration, scope, audience or
//! resource at start-up, and clone it into every layer and client that uses that token. A cache
//! that is made for each request causes a token request for each request.
//!
//! # Secrets that rotate
//!
//! ```
//! use tower_oauth2_client_credentials::{ClientCredentials, client_auth::Secret};
//!
//! # fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
//! // A file, such as a mounted Kubernetes secret, or a closure; both are read for each attempt.
//! let source = ClientCredentials::builder("https://idp.example.com/token")
//!     .client_secret_post("my-service", Secret::from_file("/run/secrets/idp"));
//! let source = source
//!     .client_secret_basic("my-service", Secret::from_fn(|| Ok(std::env::var("IDP_SECRET")?)));
//! # drop(source);
//! # Ok(())
//! # }
//! ```
//!
//! The second call replaces the first. `client_secret_basic` is the method that RFC 6749 §2.3.1
//! requires of servers. Use `client_secret_post` if the server's documentation shows the secret in
//! the body, and `client_secret_basic_raw` for servers that do not decode Basic credentials.
//!
//! # A private CA, a proxy
//!
//! The token request and the API call are two connections, and a private CA usually signs both
//! servers. Use this crate's client for the API, so that one set of settings covers both:
//!
//! ```no_run
//! # #[cfg(feature = "hyper-transport")]
//! # fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials,
//!     transport::{HyperClient, HyperTransport},
//! };
//!
//! let settings = || {
//!     HyperTransport::builder()
//!         .extra_root_certificates_file("/etc/corporate/ca.pem")
//!         .proxy("http://proxy.internal:3128")
//! };
//! let tokens = ClientCredentials::builder("https://idp.internal/token")
//!     .client_secret_basic("my-service", "s3cret")
//!     .transport(settings().build()?)
//!     .build()?
//!     .into_cache();
//! let http_client: HyperClient<Full<Bytes>> = settings().build_client()?;
//! # drop((tokens, http_client));
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "hyper-transport"))]
//! # fn main() {}
//! ```
//!
//! Without a setting both trust the platform's root certificates and read the variables of
//! [`ProxySettings`]. A client that brings its own root certificates, as reqwest and hyper-rustls
//! can, needs the private CA too. Without it a token is acquired, and the API call fails. From the
//! environment (`OAUTH_CA_FILE` …), [`ClientCredentialsConfig::transport_builder`] gives the same settings
//! to both.
//!
//! A refused certificate is also logged by rustls-platform-verifier, at ERROR, in addition to this
//! crate's WARN. To drop that line, filter its target: `rustls_platform_verifier=off`.
//!
//! # A custom transport
//!
//! A transport is any Tower service that takes a [`TokenRequest`] and returns a response with any
//! body, such as your existing client with its layers. It must not follow redirects. It must not
//! contain this layer, because a token would be needed to get a token.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use tower::ServiceBuilder;
//! use tower_oauth2_client_credentials::{BoxError, ClientCredentials, transport::TokenRequest};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let client = tower::service_fn(|request: TokenRequest| async move {
//!     assert_eq!(request.uri(), "https://idp.example.com/token");
//!     let answer = r#"{"access_token":"abc","token_type":"Bearer","expires_in":3600}"#;
//!     Ok::<_, BoxError>(http::Response::new(Full::<Bytes>::from(answer)))
//! });
//! let transport = ServiceBuilder::new().concurrency_limit(1).service(client);
//!
//! let tokens = ClientCredentials::builder("https://idp.example.com/token")
//!     .client_secret_basic("my-service", "s3cret")
//!     .transport(transport)
//!     .build()?
//!     .into_cache();
//! let token = tokens.get().await?;
//! assert_eq!(token.secret(), "abc");
//! assert_eq!(token.lifetime(), Some(Duration::from_secs(3600)));
//! # Ok(())
//! # }
//! ```
//!
//! For a client with another body type, convert the body by tower's `map_request`: `|request:
//! TokenRequest| request.map(|body| Full::new(body.into_bytes()))`.
//!
//! The transport may share a concurrency limit with the API client: a request that waits for a
//! token holds no permit.
//!
//! # Several APIs
//!
//! If they accept the same token, name all of them, or share the cache between layers.
//!
//! If each needs its own token, make a cache for each. A layer passes requests to other origins on,
//! so the layers can be stacked on one client:
//!
//! ```
//! # use bytes::Bytes;
//! # use http::{Request, header::AUTHORIZATION};
//! # use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache,
//! };
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
//! # let transport = idp.service();
//! # let http_client = tower::service_fn(|request: Request<Empty<Bytes>>| async move {
//! #     let token = request.headers()[AUTHORIZATION].to_str().unwrap().to_owned();
//! #     Ok::<_, std::convert::Infallible>(http::Response::new(token))
//! # });
//! let for_audience = |audience: &str| -> Result<TokenCache, BoxError> {
//!     let source = ClientCredentials::builder("https://idp.test/token")
//!         .client_secret_basic("my-service", "s3cret")
//!         .transport(transport.clone())
//!         .audience(audience)
//!         .build()?;
//!     Ok(source.into_cache())
//! };
//! let layer = |audience, api| -> Result<_, BoxError> {
//!     Ok(OAuthClientCredentialsLayer::new(for_audience(audience)?, Origins::parse([api])?))
//! };
//! let client = ServiceBuilder::new()
//!     .layer(layer("invoices", "https://invoices.example.com")?)
//!     .layer(layer("people", "https://people.example.com")?)
//!     .service(http_client);
//!
//! let get = |url| Request::get(url).body(Empty::<Bytes>::new());
//! let first = client.clone().oneshot(get("https://invoices.example.com/1")?).await?;
//! let second = client.clone().oneshot(get("https://people.example.com/1")?).await?;
//! assert_ne!(first.body(), second.body()); // this API echoes the token
//! # Ok(())
//! # }
//! ```
//!
//! # Request bodies and replays
//!
//! After a 401 a request is replayed once with another token, if its body can be sent again. The
//! layer's replay policy decides which bodies can:
//!
//! | policy | replays | needs | cost of a successful request |
//! | --- | --- | --- | --- |
//! | [`EmptyBodies`], the default | empty bodies | `Body + Default` | a clone of its head |
//! | [`NoReplay`] | none | nothing | nothing |
//! | [`CloneBodies`] | all | `Clone`: for `Full<Bytes>` and similar | a clone of head and body |
//! | a closure `Fn(&B) -> Option<B>` | the bodies that it returns | nothing | the closure's |
//! | [`BufferBodies`] | streams up to a limit | a way to box the wrapper that records the bytes | a clone of its head, and a copy of the bytes |
//!
//! Other requests get their 401, and the token is replaced for later requests. An
//! [`EventKind::NotReplayed`] at level DEBUG gives the reason, once a minute for each reason. A replay
//! whose connection is lost is sent again on another connection, once, if its method is idempotent
//! (RFC 9110 §9.2.2) or nothing was sent.
//!
//! ```
//! # use bytes::Bytes;
//! # use http::{Request, StatusCode};
//! # use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, OAuthClientCredentialsLayer, Origins, replay::BufferBodies,
//! };
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, ProtectedApi};
//! # use tower_oauth2_client_credentials::ClientCredentials;
//!
//! type ApiBody = UnsyncBoxBody<Bytes, BoxError>;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let idp = AuthorizationServer::new();
//! # let api = ProtectedApi::new(&idp);
//! # let http_client = api.service();
//! # let tokens = ClientCredentials::builder(idp.token_url())
//! #     .client_secret_basic("a", "b").transport(idp.service()).build()?.into_cache();
//! let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse(["https://api.test"])?)
//!     .replay(BufferBodies::<ApiBody>::new(64 * 1024, |tee| tee.boxed_unsync()));
//! let client = ServiceBuilder::new().layer(layer).service(http_client);
//!
//! # let post = || {
//! #     let body: ApiBody = Full::from("hello").map_err(BoxError::from).boxed_unsync();
//! #     Request::post("https://api.test/things").body(body)
//! # };
//! # client.clone().oneshot(post()?).await?;
//! idp.revoke_all();
//! let response = client.clone().oneshot(post()?).await?;
//! assert_eq!(response.status(), StatusCode::OK); // 401, another token, replay
//! # assert_eq!((api.rejected(), api.accepted(), idp.token_requests()), (1, 2, 2));
//! # Ok(())
//! # }
//! ```
//!
//! Most APIs check the token before they act, so a POST that they rejected was not carried out. If
//! yours may act and still answer 401, use [`NoReplay`], or a closure that selects the bodies.
//!
//! # Health checks without a token
//!
//! ```
//! use tower_oauth2_client_credentials::layer::SkipToken;
//!
//! let request = http::Request::get("https://api.example.com/health").extension(SkipToken).body(())?;
//! # drop(request);
//! # Ok::<(), http::Error>(())
//! ```
//!
//! The request is sent unchanged, even if no token is available.
//!
//! # Another header field
//!
//! ```
//! # use tower_oauth2_client_credentials::{
//! #     OAuthClientCredentialsLayer, Origins, Token, TokenCache, source::AcquireContext,
//! # };
//! use http::HeaderName;
//!
//! # let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
//! let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse(["https://run.example.com"])?)
//!     .header_name(HeaderName::from_static("x-serverless-authorization"));
//! # drop(layer);
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! The caller's `Authorization` then passes untouched. With `Proxy-Authorization`, a 407 with
//! `Proxy-Authenticate` takes the place of a 401.
//!
//! # Where in the stack
//!
//! Put the layer below (closer to the connection than) retries, so that each attempt gets the
//! current token, and below redirects, so that each hop is checked ([why](super::security#redirects)). A
//! timeout or concurrency limit above the layer includes the wait for a token; one below does not.
//! Layers below see each request with its token, and a replayed request twice. A service that is
//! not `Clone`, such as tower's `Balance`, needs a `Buffer` between it and the layer.
//!
//! # Start-up, and keeping warm
//!
//! ```
//! # use std::time::Duration;
//! # use tower_oauth2_client_credentials::{Token, source::AcquireContext};
//! use tower_oauth2_client_credentials::TokenCache;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let source = |_: AcquireContext| async { Token::bearer("abc") };
//! let tokens = TokenCache::builder(source).keep_warm(true).build();
//! if let Err(error) = tokens.warm_up().await {
//!     eprintln!("starting without a token: {error}"); // the first request tries again
//! }
//! # }
//! ```
//!
//! [`warm_up`](TokenCache::warm_up) gets the first token before the first request needs it.
//! [`keep_warm`](TokenCacheBuilder::keep_warm) refreshes without traffic too, so that no request
//! waits. It costs one token request per lifetime and instance.
//!
//! # Tokens from another source
//!
//! A [`TokenSource`] makes one acquisition. A closure is one. It can ask a metadata service, read a
//! file that a sidecar writes, or wrap another source:
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_oauth2_client_credentials::{Error, Token, TokenCache, source::AcquireContext};
//!
//! let tokens = TokenCache::new(|_: AcquireContext| async {
//!     let text = tokio::fs::read_to_string("/run/tokens/api").await.map_err(Error::from_source)?;
//!     Ok(Token::bearer(text.trim())?.with_lifetime(Duration::from_secs(300)))
//! });
//! # drop(tokens);
//! ```
//!
//! # Tokens bound to a key (DPoP)
//!
//! With feature `dpop` ([RFC 9449]), one call is enough. The layer adds a proof to each request and
//! handles nonces.
//!
//! ```
//! # #[cfg(all(feature = "dpop", feature = "hyper-transport"))] {
//! use tower_oauth2_client_credentials::{ClientCredentials, dpop::DpopKey};
//!
//! let tokens = ClientCredentials::discover("https://idp.example.com")
//!     .client_secret_basic("my-service", "s3cret")
//!     .dpop(DpopKey::generate())
//!     .build()?
//!     .into_cache();
//! # }
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! A proof names method and URL. So nothing between the layer and the API may change them, and URIs
//! must be absolute, which excludes [`Origins::fixed_upstream`]. A request to an API that requires
//! a nonce is sent again, if its [body](#request-bodies-and-replays) allows that. Clients without
//! the layer call [`Token::authorize`] for each request and [`Token::observe_response`] for each
//! response.
//!
//! [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
