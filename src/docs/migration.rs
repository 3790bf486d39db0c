//! Moving to this crate: from hand-written code, from the `oauth2` crate, from a reqwest middleware.
//!
//! * [In two steps](#in-two-steps)
//! * [From hand-written code](#from-hand-written-code)
//! * [From the `oauth2` crate](#from-the-oauth2-crate)
//! * [From `middle`](#from-middle)
//! * [From `reqwest-auth`, or a custom middleware](#from-reqwest-auth-or-a-custom-middleware)
//! * [How other crates differ](#how-other-crates-differ)
//! * [Check the move](#check-the-move)
//!
//! # In two steps
//!
//! The cache and the token request are separate. So you can keep your token request for now, and take
//! the cache and the layer first. Any async closure that returns a token is a [`TokenSource`]:
//!
//! ```
//! use std::time::Duration;
//!
//! use tower_oauth2_client_credentials::{
//!     BoxError, Error, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
//!     source::AcquireContext,
//! };
//!
//! // Your function: one token request, and its `expires_in`.
//! async fn fetch_token() -> Result<(String, Duration), BoxError> {
//! #     Ok((String::from("abc"), Duration::from_secs(3600)))
//!     // ...
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let tokens = TokenCache::new(|_: AcquireContext| async {
//!     let (token, lifetime) = fetch_token().await.map_err(Error::from_source)?;
//!     Ok(Token::bearer(token)?.with_lifetime(lifetime))
//! });
//! let layer = OAuthClientCredentialsLayer::new(tokens.clone(), Origins::parse(["https://api.example.com"])?);
//! # drop(layer);
//! # assert_eq!(tokens.get().await?.lifetime(), Some(Duration::from_secs(3600)));
//! # Ok(())
//! # }
//! ```
//!
//! The second step replaces the closure with [`ClientCredentials`]. It adds retries with `Retry-After`,
//! typed errors, discovery, client authentication with keys and certificates, and DPoP.
//!
//! # From hand-written code
//!
//! Such code is usually a `Mutex<Option<(String, Instant)>>` and a function that locks it, compares the
//! expiry, and sends a token request if needed. This replaces all of it:
//!
//! ```
//! # #[cfg(feature = "hyper-transport")] {
//! use tower_oauth2_client_credentials::{ClientCredentials, TokenCache, client_auth::Secret};
//!
//! # fn tokens() -> Result<TokenCache, tower_oauth2_client_credentials::Error> {
//! let tokens: TokenCache = ClientCredentials::builder("https://idp.example.com/oauth2/token")
//!     .client_secret_basic("my-service", Secret::from_file("/run/secrets/idp"))
//!     .scope("invoices:read")
//!     .build()?
//!     .into_cache();
//! # Ok(tokens)
//! # }
//! # tokens().unwrap();
//! # }
//! ```
//!
//! | in your code | here |
//! | --- | --- |
//! | the mutex, and the check of the expiry | [`TokenCache`], cloned into each client |
//! | `get_token().await`, then `.bearer_auth(token)` | the layer, [or the middleware](super::stacks); [`TokenCache::get`] where neither fits |
//! | "30 seconds before it expires" | nothing: the refresh starts at 15 to 30 % of the lifetime before the expiry, in the background |
//! | a task that refreshes on a timer | remove it; [`keep_warm`](TokenCacheBuilder::keep_warm), if idle services need a token too |
//! | a retry loop around the token request | remove it; an acquisition has up to 3 attempts, and failures have a backoff |
//! | "on 401, fetch a token and try again" | remove it; the layer replaces the token, and [replays](super::recipes#request-bodies-and-replays) |
//! | a health check that fetches a token | [`TokenCache::readiness`], which sends no request |
//! | a mock of the token endpoint | [`testing`](super::testing) |
//!
//! Some habits of such code hide faults. Look for these when you remove it:
//!
//! * The lock is held during the token request. Then a slow authorization server stops all requests. Or it
//!   is not held, and a thousand requests send a thousand token requests.
//! * The HTTP client follows redirects, with the secret in the body.
//! * Each 401 fetches a token. An API that is broken then floods the authorization server.
//! * The error's text has the response's body, and some servers repeat the secret there.
//!
//! # From the `oauth2` crate
//!
//! `oauth2` sends one token request. These are its calls (5.0) for client credentials:
//!
//! | `oauth2` | here |
//! | --- | --- |
//! | `BasicClient::new(ClientId::new(id))`, `set_client_secret(…)` | [`client_secret_basic(id, secret)`](ClientCredentialsBuilder::client_secret_basic) |
//! | `set_auth_type(AuthType::RequestBody)` | [`client_secret_post(id, secret)`](ClientCredentialsBuilder::client_secret_post) |
//! | no secret | [`public_client(id)`](ClientCredentialsBuilder::public_client) |
//! | `set_token_uri(TokenUrl::new(url)?)` | [`ClientCredentials::builder(url)`](ClientCredentials::builder) |
//! | `exchange_client_credentials()` | [`into_cache`](ClientCredentials::into_cache): the cache sends the request when a token is needed |
//! | `.add_scope(Scope::new(scope))` | [`scope("a b")`](ClientCredentialsBuilder::scope): all scopes in one text |
//! | `.add_extra_param("audience", …)` | [`audience`](ClientCredentialsBuilder::audience), [`resource`](ClientCredentialsBuilder::resource), or [`parameter`](ClientCredentialsBuilder::parameter) |
//! | `.request_async(&http_client).await?` | [`TokenCache::get`] |
//! | `.request(&blocking_client)?` | [`TokenCache::get_blocking`] |
//! | `token.access_token().secret()` | [`Token::secret`] |
//! | `token.expires_in()` | [`Token::lifetime`], [`Token::expires_at`] |
//! | `RequestTokenError::ServerResponse(e)`, `e.error()` | [`Error::oauth_code`]; [`Error::kind`] for the rest |
//! | `exchange_refresh_token` | nothing: RFC 6749 §4.4.3 issues no refresh token for this grant |
//! | a reqwest client with `redirect::Policy::none()` | the default transport, which follows none; or [`ReqwestService`] |
//!
//! Keep `oauth2` for user logins. The two do not conflict: `oauth2` 5.0 uses reqwest 0.12, and the features
//! of this crate use 0.13.
//!
//! # From `middle`
//!
//! `middle` (0.5) wraps a reqwest client, or intercepts a tonic channel. The middleware of this crate is one
//! of [reqwest-middleware](super::stacks::reqwest), so `client.get(url)` returns a builder directly:
//!
//! ```
//! # #[cfg(feature = "reqwest-middleware")] {
//! use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, Origins, middleware::OAuthClientCredentialsMiddleware,
//!     transport::ReqwestService,
//! };
//!
//! fn client(token_url: &str, api: &str) -> Result<ClientWithMiddleware, BoxError> {
//!     let http = ReqwestService::new(reqwest::Client::builder())?; // follows no redirects
//!     let tokens = ClientCredentials::builder(token_url)
//!         .client_secret_basic("my-client-id", "my-client-secret")
//!         .scope("my-scope")
//!         .transport(http.clone())
//!         .build()?
//!         .into_cache();
//!     Ok(ClientBuilder::new(http.client().clone())
//!         .with(OAuthClientCredentialsMiddleware::new(tokens, Origins::parse([api])?))
//!         .build())
//! }
//! # client("https://idp.example.com/token", "https://api.example.com").unwrap();
//! # }
//! ```
//!
//! | `middle` | here |
//! | --- | --- |
//! | `BasicClientCredentialAuthorizer::basic_builder(id, secret, url)` | [`ClientCredentials::builder(url)`](ClientCredentials::builder), then [`client_secret_basic(id, secret)`](ClientCredentialsBuilder::client_secret_basic) |
//! | `add_scope`, `add_scopes` | [`scope("a b")`](ClientCredentialsBuilder::scope) |
//! | `add_extra_param(name, value)` | [`parameter(name, value)`](ClientCredentialsBuilder::parameter) |
//! | `.build().await?`, which fails if the first token request does | `.build()?.into_cache()`, which sends nothing; [`TokenCache::warm_up`] to fail at the start |
//! | `refresh_tolerance` | [`refresh_lead`](TokenCacheBuilder::refresh_lead), rarely needed |
//! | `set_max_retries`, `set_retry_interval` | [`attempts`](ClientCredentialsBuilder::attempts), [`retry_base`](ClientCredentialsBuilder::retry_base) |
//! | the background task | [`keep_warm(true)`](TokenCacheBuilder::keep_warm); the default refreshes only while there are requests |
//! | `disable_refresh` | nothing: a cache that is not used sends no token requests |
//! | `authorization_header()?` | [`TokenCache::get`] and [`Token::authorize`] |
//! | `BearerTokenAuthorizer` | a closure that returns [`Token::bearer`] |
//! | the tonic interceptor | the [layer for tonic](super::stacks::tonic), which also sees `UNAUTHENTICATED` |
//! | `HttpClient::get(url)` to any URL | [`Origins`]: a request to another origin carries no token |
//!
//! # From `reqwest-auth`, or a custom middleware
//!
//! `reqwest-auth` (1.0) asks your `TokenSource` for each request. The code of that source is the
//! [hand-written code](#from-hand-written-code) above. The middleware has the same place in the client:
//! add it after retries, so that each attempt gets the current token. It needs [`Origins`], because a
//! middleware sees requests to all servers.
//!
//! # How other crates differ
//!
//! As read in the source of the named versions.
//!
//! | crate | what it is | this crate |
//! | --- | --- | --- |
//! | [oauth2](https://docs.rs/oauth2) 5.0, [openidconnect](https://docs.rs/openidconnect) 4.1 | Protocol clients for many grants, including user logins. `exchange_client_credentials` is one token request. You cache and refresh the token. | Grants without a user, and everything after the token request. |
//! | [tower-http](https://docs.rs/tower-http) 0.7 `AddAuthorizationLayer` | Adds a fixed value. | The same place in a stack, for tokens that expire. |
//! | [reqwest-auth](https://docs.rs/reqwest-auth) 1.0 | A reqwest-middleware that asks your `TokenSource` for each request. You implement caching, refresh and 401. | Implements these, and restricts tokens to origins. |
//! | [middle](https://docs.rs/middle) 0.5 | Client credentials for reqwest and tonic, over `oauth2`. A background task refreshes 30 s before the expiry (a setting). Building fails if the first token request does. A 401 changes nothing. | Requests wait for a first token, and a 401 replaces it. |
//! | [cf-gears-toolkit-auth](https://docs.rs/cf-gears-toolkit-auth) 0.8 | The closest: Tower layers with one shared acquisition, background refresh, backoff and discovery. A 401 discards the token (at most once in 15 minutes) and repeats the request, for `Clone` bodies. Tied to the error type of its HTTP client. No origins. Each call boxes its future. | Any Tower client and body, origins, assertions, certificates and DPoP. A rejected token stays in use for other APIs. |
//! | [huskarl](https://docs.rs/huskarl) 0.11 | The widest protocol support: many grants, DPoP, JWT client authentication, discovery. Returns header fields; you send and replay. One caller waits for each refresh, and callers without a token retry one after another. | A layer that sends, replays and makes proofs. Failures are shared. |
//! | [google-cloud-auth](https://docs.rs/google-cloud-auth) 1.18, [azure_identity](https://docs.rs/azure_identity) 1.0 | The right choice for the APIs of one cloud. | Any RFC 6749 server. |
//!
//! # Check the move
//!
//! 1. `oauth-doctor --issuer https://idp.example.com --client-id my-service --secret-file /run/secrets/idp` probes
//!    the authorization server and prints the lines to use ([chapter](super::doctor), with its installation).
//! 2. At DEBUG the log shows `access token acquired` once for many requests, and `request without a token`
//!    for requests that go to other origins ([events](crate::event)).
//! 3. Revoke the token, or restart the API with other keys: a request succeeds again, and the
//!    authorization server has seen one more token request.
//! 4. Stop the authorization server for some minutes. Requests succeed until the token expires. After that
//!    they fail at once, and the number of token requests follows the [backoff](super::outages).

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
