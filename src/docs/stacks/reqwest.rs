//! reqwest, in a tower stack or under reqwest-middleware, and for the token requests of either.
//!
//! ```toml
//! [dependencies]
//! tower-oauth2-client-credentials = { version = "0.1", default-features = false, features = ["reqwest-middleware"] }
//! reqwest = "0.13"            # its features choose TLS, HTTP/2, compression
//! reqwest-middleware = "0.5"
//! ```
//!
//! For the tower stack alone, feature `reqwest` does. Without the default features, token requests
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
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, ProtectedApi};
//! # let idp = AuthorizationServer::builder().client("my-service", "s3cret").build();
//! # let (token_server, api_server) = (idp.listen().await?, ProtectedApi::new(&idp).listen().await?);
//! # let (token_url, api) = (token_server.token_url(), api_server.url());
//! use reqwest_middleware::ClientBuilder;
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, OAuthClientCredentialsMiddleware, Origins, ReqwestService,
//! };
//!
//! let http = ReqwestService::new(reqwest::Client::builder())?; // follows no redirects
//! let tokens = ClientCredentials::builder(token_url)
//!     .client_secret_basic("my-service", "s3cret")
//!     .transport(http.clone())
//!     .build()?
//!     .into_cache();
//! let client = ClientBuilder::new(http.client().clone())
//!     .with(OAuthClientCredentialsMiddleware::new(tokens, Origins::parse([&api])?))
//!     .build();
//!
//! let response = client.post(format!("{api}/invoices")).body("{}").send().await?;
//! assert_eq!(response.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! It waits for tokens, guards origins, reads 401s, sends again and makes proofs by the code of
//! [`OAuthClientCredentialsLayer`], and has its settings:
//! `OAuthClientCredentialsMiddleware::from(layer)`.
//!
//! * Add it after retries (`.with(retries).with(tokens)`): each attempt then gets the token that is
//!   current, and a retry does not see the 401 that another token mends.
//!   With reqwest-retry's default strategy, an error of [`OAuthClientCredentialsMiddleware`] is not
//!   retried, as none of a middleware is: the token's acquisition has had its own retries.
//! * Middlewares that are added after it see each sending, with its token. One that makes an answer
//!   of its own is to keep the URL (`reqwest::ResponseBuilderExt::url`): an answer without one counts
//!   as that of the URL that was asked for, and callers can't tell where it came from.
//! * [`SkipToken`] goes in with `with_extension(SkipToken)`.
//! * Its errors are in `reqwest_middleware::Error::Middleware`. [`Error::find`] finds them, also where
//!   reqwest-retry has wrapped them:
//!
//!   ```
//!   # #[cfg(feature = "reqwest-middleware")]
//!   fn needs_an_operator(error: &reqwest_middleware::Error) -> bool {
//!       tower_oauth2_client_credentials::Error::find(error).is_some_and(|it| it.is_terminal())
//!   }
//!   ```
//!
//! # A tower stack
//!
//! [`ReqwestService`] is reqwest's client over the types of the `http` crate:
//!
//! ```
//! # #[cfg(not(feature = "reqwest"))]
//! # fn main() {}
//! # #[cfg(feature = "reqwest")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, ProtectedApi};
//! # let idp = AuthorizationServer::builder().client("my-service", "s3cret").build();
//! # let (token_server, api_server) = (idp.listen().await?, ProtectedApi::new(&idp).listen().await?);
//! # let (token_url, api) = (token_server.token_url(), api_server.url());
//! use http::Request;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_http::follow_redirect::FollowRedirectLayer;
//! use tower_oauth2_client_credentials::{
//!     ClientCredentials, OAuthClientCredentialsLayer, Origins, ReqwestBodies, ReqwestService,
//! };
//!
//! let http = ReqwestService::new(reqwest::Client::builder())?;
//! let tokens = ClientCredentials::builder(token_url)
//!     .client_secret_basic("my-service", "s3cret")
//!     .transport(http.clone())
//!     .build()?
//!     .into_cache();
//! let client = ServiceBuilder::new()
//!     .layer(FollowRedirectLayer::new()) // where redirects are wanted: above the layer
//!     .layer(OAuthClientCredentialsLayer::new(tokens, Origins::parse([&api])?).replay(ReqwestBodies))
//!     .service(http);
//!
//! let request = Request::post(format!("{api}/invoices")).body(reqwest::Body::from("{}"))?;
//! let response = reqwest::Response::from(client.oneshot(request).await?);
//! assert_eq!(response.text().await?, r#"{"status":"ok"}"#);
//! # Ok(())
//! # }
//! ```
//!
//! Other bodies than reqwest's do too, as long as they are `Sync`. `reqwest::Response::from` loses
//! the URL. Of a request's extensions, reqwest takes its own (such as a timeout); others end here.
//!
//! # URLs
//!
//! [`ReqwestService`] sends a URI to the scheme, host and port that it has, or refuses it, so
//! [`Origins::fixed_upstream`] does not go with it. The path is changed on its way, as reqwest takes
//! URLs of the `url` crate only: `.` and `..` are resolved, also escaped ones (`/a/%2e%2e/b` is sent
//! as `/b`); `\` becomes `/`; what is not ASCII is escaped. Where an API tells paths apart by such
//! things, send what the `url` crate makes of them from the start.
//!
//! A DPoP proof names the URI as the layer sees it, above that change: one that is changed after it is
//! refused by the API. Under reqwest-middleware the URL is that of reqwest from the start.
//!
//! # Bodies
//!
//! [`ReqwestBodies`] sends again what reqwest's `try_clone` could clone: bodies in memory (`body`,
//! `json`, `form`), without copying them, and requests without one. It is the middleware's default;
//! the layer's is [`EmptyBodies`]. Streams and multipart forms get their 401 back, with the token
//! replaced for those that follow. Or buffer them up to a limit:
//! `.replay(BufferBodies::<reqwest::Body>::new(64 * 1024, reqwest::Body::wrap))`.
//!
//! # Redirects
//!
//! reqwest follows redirects by itself, ten at most, and below whatever is built on it: no layer and
//! no middleware sees the hops, and no request can turn it off. What it does with `Authorization`
//! (0.13.5; `tests/reqwest_clients/redirects.rs` shows it):
//!
//! | hop | `Authorization` |
//! | --- | --- |
//! | within an origin | goes along |
//! | to another scheme, host or port | is taken off |
//! | **from there to the same other origin** | **is back**: each hop is compared with the one before, and made from the first request's header fields |
//!
//! So an API that redirects to a site which redirects within itself hands the token to that site. A
//! field that [`header_name`](OAuthClientCredentialsLayer::header_name) names is taken off at no hop,
//! nor is a DPoP proof. And a 307 or 308 carries the body along, in which a token request has its
//! secret. Therefore:
//!
//! * [`ReqwestService`] takes a builder and turns redirects off, whatever the builder says. It is
//!   the only shape in which reqwest is to be a transport for token requests: a redirect of the
//!   token endpoint is then [`ErrorKind::Redirect`].
//! * In a tower stack, follow redirects above the layer, as in the example. Each hop is then compared
//!   with the [`Origins`].
//! * Under reqwest-middleware, take [`ReqwestService::client`], or build the client with
//!   [`same_origin_redirects`]: it follows within the origin and hands other redirects back, for you
//!   to follow with a client that has no token.
//!
//! The middleware sees only where an answer came from. If that is another origin, and not one of the
//! named [`Origins`], the token may have gone there or to a hop on the way. Then
//! [`Event::RedirectedElsewhere`] is reported at level WARN, at most once a minute for each origin,
//! and the token counts as rejected: it is replaced as after a 401, with the same limits, and stays
//! in use until then. The request is not sent again, and the caller gets the answer as it is.
//!
//! # What else runs below
//!
//! * **Timeouts** of a client or request are for one sending each. The wait for a token has its own
//!   ([`wait_timeout`](TokenCacheBuilder::wait_timeout)), and so has the token request. For all of it,
//!   put a timeout around the call.
//! * **Proxies** of [`ReqwestService`] are those of [`ProxySettings`], by default from the environment.
//!   Loopback traffic never goes through them. Other clients of reqwest send requests to loopback
//!   addresses through a proxy, plain `http` with all that is in it: list those in `NO_PROXY`, or
//!   turn proxies off (`no_proxy`).
//! * **Default header fields** are added last, where there are none of that name: an `Authorization`
//!   among them is not seen here, and ours goes instead. They go out with token requests too.
//! * **Compression**: with reqwest's `gzip` and others, token requests ask for it too. The
//!   [body cap](ClientCredentialsBuilder::body_cap) counts what came out.
//! * **`connection_verbose(true)`** writes all that goes over a connection to the log at level
//!   `trace`, with secrets and tokens in it: for test systems only.
//! * **Connections** are kept as the builder says. [`HyperTransport`] closes its connections to a host
//!   when a token request to it is given up. reqwest does not: HTTP/2 PINGs find a connection that
//!   died in silence within 25 s. A peer that only delays its answer looks alive: set a timeout.

// Names for the links above.
#[cfg(doc)]
use crate::*;
