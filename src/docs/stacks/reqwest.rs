//! reqwest, in a tower stack or under reqwest-middleware, and for the token requests of either.
//!
//! ```toml
//! [dependencies]
//! tower-oauth2-client-credentials = { version = "0.1", default-features = false, features = ["reqwest-middleware"] }
//! reqwest = "0.13"            # its features choose TLS, HTTP/2, compression
//! reqwest-middleware = "0.5"
//! tokio = { version = "1", features = ["full"] }
//! ```
//!
//! For the tower stack alone, use feature `reqwest`. Without the default features, token requests
//! need a [transport](ClientCredentialsBuilder::transport), which here is reqwest.
//!
//! # reqwest-middleware
//!
//! The client is used like reqwest's own:
//!
//! ```
//! # #[cfg(not(feature = "reqwest-middleware"))]
//! # fn main() {}
//! # #[cfg(feature = "reqwest-middleware")]
//! # mod program {
//! use reqwest_middleware::ClientBuilder;
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, Origins, middleware::OAuthClientCredentialsMiddleware,
//!     transport::ReqwestService,
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), BoxError> {
//!     let (token_url, api) = ("https://idp.example.com/oauth2/token", "https://api.example.com");
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient, ProtectedApi};
//! # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
//! # let (token_server, api_server) = (idp.listen().await?, ProtectedApi::new(&idp).listen().await?);
//! # let (token_url, api) = (&*token_server.token_url(), &*api_server.url());
//!     let http = ReqwestService::new(reqwest::Client::builder())?; // follows no redirects
//!     let tokens = ClientCredentials::builder(token_url)
//!         .client_secret_basic("my-service", "s3cret")
//!         .transport(http.clone())
//!         .build()?
//!         .into_cache();
//!     let client = ClientBuilder::new(http.client().clone())
//!         .with(OAuthClientCredentialsMiddleware::new(tokens, Origins::parse([api])?))
//!         .build();
//!
//!     let response = client.post(format!("{api}/invoices")).body("{}").send().await?;
//!     println!("{}", response.status());
//! #     assert_eq!(response.status(), 200);
//!     Ok(())
//! }
//! # pub fn run() -> Result<(), BoxError> { main() }
//! # }
//! # #[cfg(feature = "reqwest-middleware")]
//! # fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> { program::run() }
//! ```
//!
//! With settings from the environment, one line replaces the builder:
//! `ClientCredentialsConfig::from_env().into_cache_with(http.clone())?`
//! ([`into_cache_with`](ClientCredentialsConfig::into_cache_with)).
//!
//! The middleware waits for tokens, checks origins, reads 401s, replays and makes proofs with the
//! code of [`OAuthClientCredentialsLayer`], and has its settings:
//! `OAuthClientCredentialsMiddleware::from(layer)`.
//!
//! * Add it after retries (`.with(retries).with(tokens)`). Each attempt then gets the current
//!   token, and a retry does not see a 401 that a new token fixes. reqwest-retry's default strategy
//!   does not retry errors of middlewares, and so none of [`OAuthClientCredentialsMiddleware`]; the
//!   acquisition of the token has its own retries.
//! * reqwest-retry refuses streams and multipart forms before they reach this middleware.
//! * Middlewares that are added after it see each sent request with its token. A middleware that
//!   creates a response itself should set the URL (`reqwest::ResponseBuilderExt::url`). A response
//!   without one counts as a response from the requested URL, and callers can't tell where it came
//!   from.
//! * Pass [`SkipToken`] with `with_extension(SkipToken)`.
//! * Its errors are in `reqwest_middleware::Error::Middleware`. [`Error::find`] finds them, also if
//!   reqwest-retry has wrapped them:
//!
//!   ```
//!   # #[cfg(feature = "reqwest-middleware")]
//!   fn needs_an_operator(error: &reqwest_middleware::Error) -> bool {
//!       tower_oauth2_client_credentials::Error::find(error).is_some_and(|it| it.is_permanent())
//!   }
//!   ```
//!
//! # A tower stack
//!
//! [`ReqwestService`] is reqwest's client over the types of the `http` crate:
//!
//! ```toml
//! [dependencies]
//! tower-oauth2-client-credentials = { version = "0.1", default-features = false, features = ["reqwest"] }
//! reqwest = "0.13"
//! http = "1"
//! tower = { version = "0.5", features = ["util"] }
//! tower-http = { version = "0.7", features = ["follow-redirect"] }
//! tokio = { version = "1", features = ["full"] }
//! ```
//!
//! ```
//! # #[cfg(not(feature = "reqwest"))]
//! # fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # mod program {
//! use http::Request;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_http::follow_redirect::FollowRedirectLayer;
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins, replay::ReqwestBodies,
//!     transport::ReqwestService,
//! };
//!
//! #[tokio::main]
//! async fn main() -> Result<(), BoxError> {
//!     let (token_url, api) = ("https://idp.example.com/oauth2/token", "https://api.example.com");
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient, ProtectedApi};
//! # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
//! # let (token_server, api_server) = (idp.listen().await?, ProtectedApi::new(&idp).listen().await?);
//! # let (token_url, api) = (&*token_server.token_url(), &*api_server.url());
//!     let http = ReqwestService::new(reqwest::Client::builder())?;
//!     let tokens = ClientCredentials::builder(token_url)
//!         .client_secret_basic("my-service", "s3cret")
//!         .transport(http.clone())
//!         .build()?
//!         .into_cache();
//!     let layer = OAuthClientCredentialsLayer::new(tokens, Origins::parse([api])?);
//!     let client = ServiceBuilder::new()
//!         .layer(FollowRedirectLayer::new()) // above the layer, if you follow redirects
//!         .layer(layer.replay(ReqwestBodies))
//!         .service(http);
//!
//!     let request = Request::post(format!("{api}/invoices")).body(reqwest::Body::from("{}"))?;
//!     let response = reqwest::Response::from(client.oneshot(request).await?);
//!     let text = response.text().await?;
//!     println!("{text}");
//! #     assert_eq!(text, r#"{"status":"ok"}"#);
//!     Ok(())
//! }
//! # pub fn run() -> Result<(), BoxError> { main() }
//! # }
//! # #[cfg(feature = "reqwest")]
//! # fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> { program::run() }
//! ```
//!
//! Other bodies than reqwest's work too, if they are `Sync`. `reqwest::Response::from` loses the
//! URL. Of a request's extensions, reqwest reads its own (such as a timeout); others are dropped.
//!
//! # URLs
//!
//! [`ReqwestService`] sends a URI to its own scheme, host and port, or refuses it. So
//! [`Origins::fixed_upstream`] does not work with it. The path may change, because reqwest takes
//! URLs of the `url` crate: `.` and `..` are resolved, also escaped ones (`/a/%2e%2e/b` is sent as
//! `/b`); `\` becomes `/`; characters outside ASCII are escaped. If an API distinguishes such
//! paths, start from the URL that the `url` crate produces.
//!
//! A DPoP proof names the URI before that change, and the API refuses a proof whose URI was
//! changed. Under reqwest-middleware the URL is reqwest's from the start.
//!
//! # Bodies
//!
//! [`ReqwestBodies`] replays the bodies that reqwest's `try_clone` can clone: bodies in memory
//! (`body`, `json`, `form`), without copying them, and requests without a body. It is the
//! middleware's default; the layer's default is [`EmptyBodies`]. Streams and multipart forms get
//! their 401, and the token is replaced for later requests. To replay them, buffer them up to a
//! limit: `.replay(BufferBodies::<reqwest::Body>::new(64 * 1024, reqwest::Body::wrap))`.
//!
//! # Redirects
//!
//! reqwest follows up to ten redirects itself, below any layer or middleware. No layer and no
//! middleware sees the hops, and no request can turn it off. It treats `Authorization` as follows
//! (0.13.5; tested in `tests/reqwest_clients/redirects.rs`):
//!
//! | hop | `Authorization` |
//! | --- | --- |
//! | within an origin | is kept |
//! | to another scheme, host or port | is removed |
//! | **from there to the same other origin** | **is sent again**: each hop is compared with the previous one, and made from the first request's header fields |
//!
//! So an API that redirects to a site which redirects within itself gives the token to that site. A
//! field that [`header_name`](OAuthClientCredentialsLayer::header_name) names is removed at no hop,
//! and a DPoP proof is not removed either. A 307 or 308 also resends the body, which in a token
//! request contains the secret. Therefore:
//!
//! * [`ReqwestService`] takes a builder and always turns redirects off. Use
//!   only this service as a transport for token requests: a redirect of the token endpoint is then
//!   [`ErrorKind::Redirect`].
//! * In a tower stack, follow redirects above the layer, as in the example. Each hop is then
//!   compared with the [`Origins`].
//! * Under reqwest-middleware, use [`ReqwestService::client`], or build the client with
//!   [`same_origin_redirects`]. It follows redirects within the origin and returns other redirects,
//!   which you can follow with a client that has no token.
//!
//! The middleware sees only where a response came from. If that is another origin, and not one of
//! the named [`Origins`], the token may have been sent to that origin or to a hop on the way. Then
//! [`EventKind::RedirectedToOtherOrigin`] is reported at level WARN, at most once a minute for each origin.
//! The token counts as rejected: it is replaced as after a 401, with the same limits, and stays in
//! use until then. The request is not replayed, and the caller gets the response unchanged.
//!
//! # Other features of reqwest
//!
//! * **Timeouts** of a client or request apply to each sent request. The wait for a token has a
//!   separate timeout ([`wait_timeout`](TokenCacheBuilder::wait_timeout)), and so has the token
//!   request. For a total limit, put a timeout around the call.
//! * **Proxies** of [`ReqwestService`] are those of [`ProxySettings`], by default from the
//!   environment. Loopback traffic never goes through them. Other clients of reqwest send requests
//!   to loopback addresses through a proxy, in the clear over plain `http`. List those addresses in
//!   `NO_PROXY`, or turn proxies off (`no_proxy`).
//! * **Default header fields** are added last, unless the request has a field of that name. An
//!   `Authorization` among them is not visible to the layer, and the layer's field is sent instead.
//!   Token requests are sent with the default fields too.
//! * **Compression**: with reqwest's `gzip` and similar features, token requests ask for it too.
//!   The [body cap](ClientCredentialsBuilder::body_cap) counts decompressed bytes.
//! * **`connection_verbose(true)`** logs all bytes of a connection at level `trace`, with secrets
//!   and tokens. Use it in test systems only.
//! * **Connections** are kept as the builder says. [`HyperTransport`] closes its connections to a
//!   host when a token request to it is abandoned. reqwest does not; its HTTP/2 PINGs find a dead
//!   connection within 25 s. A peer that only delays its response looks alive: set a timeout.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
