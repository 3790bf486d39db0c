//! How to do a particular thing. [Testing](super::testing) and [extension grants](super::grants)
//! have their own chapters.
//!
//! * [One cache for each client and scope](#one-cache-for-each-client-and-scope)
//! * [Secrets that rotate](#secrets-that-rotate)
//! * [A private CA, a proxy](#a-private-ca-a-proxy)
//! * [A transport of your own](#a-transport-of-your-own)
//! * [Several APIs](#several-apis)
//! * [Request bodies and replays](#request-bodies-and-replays)
//! * [Health checks without a token](#health-checks-without-a-token)
//! * [Another header field](#another-header-field)
//! * [Where in the stack](#where-in-the-stack)
//! * [Start-up, and keeping warm](#start-up-and-keeping-warm)
//! * [Readiness](#readiness)
//! * [Metrics and alerts](#metrics-and-alerts)
//! * [A library that wants a credential callback](#a-library-that-wants-a-credential-callback)
//! * [Tokens from somewhere else](#tokens-from-somewhere-else)
//! * [Tokens bound to a key (DPoP)](#tokens-bound-to-a-key-dpop)
//!
//! # One cache for each client and scope
//!
//! A [`TokenCache`] holds one token. Make one for each client registration, scope, audience or
//! resource, at start-up, and clone it into every layer and client that calls with that token. A
//! cache that is made for each request asks for a token for each request.
//!
//! # Secrets that rotate
//!
//! ```
//! use tower_oauth2_client_credentials::{ClientCredentials, Secret};
//!
//! # fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
//! // A file, such as a mounted Kubernetes secret, or a closure; both are read at each attempt.
//! let source = ClientCredentials::builder("https://idp.example.com/token")
//!     .client_secret_post("my-service", Secret::from_file("/run/secrets/idp"));
//! let source = source
//!     .client_secret_basic("my-service", Secret::from_fn(|| Ok(std::env::var("IDP_SECRET")?)));
//! # drop(source);
//! # Ok(())
//! # }
//! ```
//!
//! The second choice replaces the first. `client_secret_basic` is what RFC 6749 §2.3.1 wants
//! servers to support; take `client_secret_post` where the server's documentation shows the secret
//! in the body, and `client_secret_basic_raw` for servers that do not decode Basic credentials.
//!
//! # A private CA, a proxy
//!
//! The default transport reads the variables of [`ProxySettings`] by itself. For more:
//!
//! ```no_run
//! # #[cfg(feature = "hyper")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_oauth2_client_credentials::{ClientCredentials, HyperTransport};
//!
//! let transport = HyperTransport::builder()
//!     .extra_root_certificates_file("/etc/corporate/ca.pem")
//!     .proxy("http://proxy.internal:3128")
//!     .build()?;
//! let tokens = ClientCredentials::builder("https://idp.internal/token")
//!     .client_secret_basic("my-service", "s3cret")
//!     .transport(transport)
//!     .build()?
//!     .into_cache();
//! # drop(tokens);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "hyper"))]
//! # fn main() {}
//! ```
//!
//! [`build_client`](HyperTransportBuilder::build_client) makes a client of the API with these settings;
//! [`ClientCredentialsConfig::transport`] has them from the environment (`OAUTH_CA_FILE` …).
//!
//! # A transport of your own
//!
//! Any Tower service that takes a [`TokenRequest`] and gives a response with any body; for instance
//! the client that you have, with the layers that you like. It must not follow redirects, and must
//! not be a client that this layer is in: a token would be needed to get one.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use tower::ServiceBuilder;
//! use tower_oauth2_client_credentials::{BoxError, ClientCredentials, TokenRequest};
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
//! A client with another body type takes it through tower's `map_request`, with
//! `|request: TokenRequest| request.map(|body| Full::new(body.into_bytes()))`.
//!
//! A concurrency limit that the API client shares is no danger: a request that waits for a token
//! holds no permit.
//!
//! # Several APIs
//!
//! Under one token: name them all, or share the cache between layers.
//!
//! With a token each from one authorization server: a cache each. The layer of one lets requests to
//! the others pass, so they can be stacked on one client:
//!
//! ```
//! # use bytes::Bytes;
//! # use http::{Request, header::AUTHORIZATION};
//! # use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache,
//! };
//! # use tower_oauth2_client_credentials::testing::AuthorizationServer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let idp = AuthorizationServer::builder().client("my-service", "s3cret").build();
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
//! assert_ne!(first.body(), second.body()); // this API answers with the token that it got
//! # Ok(())
//! # }
//! ```
//!
//! # Request bodies and replays
//!
//! After a 401 a request is sent once more with another token, if its body can be sent again. Which
//! bodies can is the layer's replay policy:
//!
//! | policy | sends again | asks of the body | costs a request that succeeds |
//! | --- | --- | --- | --- |
//! | [`EmptyBodies`], the default | empty bodies | `Body + Default` | a clone of its head |
//! | [`Never`] | none | nothing | nothing |
//! | [`CloneBodies`] | all | `Clone`: for `Full<Bytes>` and the like | a clone of head and body |
//! | a closure `Fn(&B) -> Option<B>` | what it returns | nothing | what it does |
//! | [`BufferBodies`] | streams up to a limit | a way to box the copying body | a clone of its head, and the bytes once more |
//!
//! Other requests get their 401 back, and the token is replaced for those that follow. An
//! [`Event::NotReplayed`] at level DEBUG says why, once a minute for each reason. A replay whose
//! connection is lost is sent again on another, once, if its method is idempotent (RFC 9110 §9.2.2)
//! or nothing was sent.
//!
//! ```
//! # use bytes::Bytes;
//! # use http::{Request, StatusCode};
//! # use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, BufferBodies, OAuthClientCredentialsLayer, Origins,
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
//! assert_eq!(response.status(), StatusCode::OK); // 401, another token, and sent again
//! # assert_eq!((api.rejected(), api.accepted(), idp.token_requests()), (1, 2, 2));
//! # Ok(())
//! # }
//! ```
//!
//! A POST that an API *rejected* has not been carried out, so sending it again is safe. Where an API
//! can't be trusted with that, use [`Never`], or a closure that looks.
//!
//! # Health checks without a token
//!
//! ```
//! use tower_oauth2_client_credentials::SkipToken;
//!
//! let request = http::Request::get("https://api.example.com/health").extension(SkipToken).body(())?;
//! # drop(request);
//! # Ok::<(), http::Error>(())
//! ```
//!
//! It goes out as it is, also while there is no token to be had.
//!
//! # Another header field
//!
//! ```
//! # use tower_oauth2_client_credentials::{AcquireContext, OAuthClientCredentialsLayer, Origins, Token, TokenCache};
//! use http::HeaderName;
//!
//! # let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
//! let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse(["https://run.example.com"])?)
//!     .header_name(HeaderName::from_static("x-serverless-authorization"));
//! # drop(layer);
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! The caller's `Authorization` is then left alone. With `Proxy-Authorization`, answers are judged
//! by 407 and `Proxy-Authenticate`.
//!
//! # Where in the stack
//!
//! Below (closer to the client than) retries, so that each attempt gets the token that is current
//! then; below redirects, so that each hop is checked ([why](super::security#redirects)). A timeout
//! above includes the wait for a token, one below does not; and so for concurrency limits. Layers
//! below see each request with its token, and a replayed request twice. What is no `Clone`, such as
//! tower's `Balance`, goes below a `Buffer`.
//!
//! # Start-up, and keeping warm
//!
//! ```
//! # use std::time::Duration;
//! # use tower_oauth2_client_credentials::{AcquireContext, Token};
//! use tower_oauth2_client_credentials::TokenCache;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # let source = |_: AcquireContext| async { Token::bearer("abc") };
//! let tokens = TokenCache::builder(source).keep_warm(true).build();
//! if let Err(error) = tokens.warm_up().await {
//!     eprintln!("starting without a token: {error}"); // the first request will try again
//! }
//! # }
//! ```
//!
//! [`warm_up`](TokenCache::warm_up) gets the first token before the first request does.
//! [`keep_warm`](TokenCacheBuilder::keep_warm) refreshes without traffic too, so no request waits. It
//! costs the authorization server a request each lifetime for each instance.
//!
//! # Readiness
//!
//! ```
//! use http::StatusCode;
//! use tower_oauth2_client_credentials::TokenCache;
//!
//! // A token whose refresh fails, or that an API rejected, is still one: `Degraded`.
//! fn probe(tokens: &TokenCache) -> StatusCode {
//!     let ready = tokens.readiness().has_token();
//!     if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
//! }
//! ```
//!
//! Nothing but a request, `warm_up` or `keep_warm` gets a token: a service that is taken out of
//! traffic for want of one needs one of the latter two to come back. To be told of changes:
//! [`subscribe`](TokenCache::subscribe).
//!
//! # Metrics and alerts
//!
//! ```
//! # use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
//! # use tower_oauth2_client_credentials::{AcquireContext, Token};
//! use tower_oauth2_client_credentials::{Event, TokenCache};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
//! # let source = |_: AcquireContext| async { Token::bearer("abc") };
//! let acquired = Arc::new(AtomicU64::new(0));
//! let counter = Arc::clone(&acquired);
//! let tokens = TokenCache::builder(source)
//!     .observer(move |event| match event {
//!         Event::Acquired { .. } | Event::RefreshedAhead { .. } => {
//!             counter.fetch_add(1, Ordering::Relaxed);
//!         }
//!         Event::Failed { error, failures, .. } if error.is_terminal() || *failures > 5 => {
//!             eprintln!("someone must look at this: {error}");
//!         }
//!         _ => {}
//!     })
//!     .build();
//! tokens.get().await?;
//! assert_eq!(acquired.load(Ordering::Relaxed), 1);
//! # Ok(())
//! # }
//! ```
//!
//! # A library that wants a credential callback
//!
//! Object stores, database drivers and SDKs often take a closure that returns a token. Give them
//! [`TokenCache::get`], and they share the cache. The library may drop the future at any time.
//!
//! ```
//! use std::{future::Future, pin::Pin};
//!
//! use tower_oauth2_client_credentials::{AcquireContext, BoxError, Token, TokenCache};
//!
//! // What such a library asks for:
//! type Callback = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Result<String, BoxError>> + Send>>>;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
//! let callback: Callback = Box::new(move || {
//!     let tokens = tokens.clone();
//!     Box::pin(async move { Ok(tokens.get().await?.secret().to_owned()) })
//! });
//! assert_eq!(callback().await?, "abc");
//! # Ok(())
//! # }
//! ```
//!
//! If it tells you that a token was rejected, pass that on with [`TokenCache::invalidate`]; to send
//! something again yourself, [`TokenCache::replacement`] waits for the next token. Where it knows the
//! text alone, [`Token::bearer`] makes the same token of it, as tokens are known by their bytes. The
//! example `credential_callback` is a whole one.
//!
//! # Tokens from somewhere else
//!
//! A [`TokenSource`] is one acquisition; a closure is one. It can ask a metadata service, read a
//! file that a sidecar writes, or wrap another source:
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_oauth2_client_credentials::{AcquireContext, Error, Token, TokenCache};
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
//! One call, with feature `dpop` ([RFC 9449]): the layer adds a proof to each request, and takes
//! care of nonces.
//!
//! ```
//! # #[cfg(all(feature = "dpop", feature = "hyper"))] {
//! use tower_oauth2_client_credentials::{ClientCredentials, DpopKey};
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
//! A proof names method and URL, so nothing between the layer and the API may change them, and
//! URIs must be whole ([`Origins::fixed_upstream`] does not do). A request to an API that wants a
//! nonce is sent again, if its [body](#request-bodies-and-replays) allows that. Clients without
//! the layer use [`Token::authorize`] for each request and [`Token::observe_response`] for each
//! answer.
//!
//! [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449

// Names for the links above.
#[cfg(doc)]
use crate::*;
