//! Programs without a Tower stack: synchronous programs, functions that are frozen between calls,
//! and libraries that take a credential callback.
//!
//! * [A synchronous program](#a-synchronous-program)
//! * [A function that is frozen between calls](#a-function-that-is-frozen-between-calls)
//! * [A library that wants a credential callback](#a-library-that-wants-a-credential-callback)
//!
//! # A synchronous program
//!
//! [`TokenCache::get_blocking`] needs no runtime. It blocks the calling thread until there is a token:
//!
//! ```
//! use tower_oauth2_client_credentials::{BoxError, ClientCredentials, Error, TokenCache};
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient};
//!
//! /// The value of an `Authorization` field.
//! fn authorization(tokens: &TokenCache) -> Result<String, Error> {
//!     let token = tokens.get_blocking()?;
//!     Ok(format!("Bearer {}", token.secret()))
//! }
//!
//! # fn main() -> Result<(), BoxError> {
//! # let idp = AuthorizationServer::builder().client(RegisteredClient::new("my-service").secret("s3cret")).build();
//! # let (token_url, transport) = (idp.token_url(), idp.service());
//! let tokens = ClientCredentials::builder(token_url)
//!     .client_secret_basic("my-service", "s3cret")
//!     .transport(transport) // omit this to use the default transport
//!     .build()?
//!     .into_cache();
//!
//! let first = authorization(&tokens)?;
//! assert_eq!(authorization(&tokens)?, first); // the cached token: no second request
//! # assert_eq!(idp.token_requests(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! * **Threads.** All threads of the program can share one cache. They share one acquisition, and
//!   each waits for at most [`wait_timeout`](TokenCacheBuilder::wait_timeout).
//! * **HTTP clients.** Send the value with any client, such as ureq. If the API returns 401, call
//!   [`TokenCache::invalidate`] with the token and ask again.
//! * **Refreshes.** The first call that needs a token starts a thread with a tokio runtime, one for the
//!   whole process. Token requests and refreshes run there, also while the program makes no call.
//! * **Forks.** A child process starts its own thread at its first call.
//! * **Async code.** Inside an async context the call is an error, since it would block the other tasks.
//!   Await [`TokenCache::get`] there. On a thread of `spawn_blocking`, use
//!   `Handle::current().block_on(tokens.get())`.
//!
//! A program that has a runtime for other purposes can block on it:
//! `runtime.block_on(tokens.get())`. Use a multi-thread runtime. A current-thread runtime runs only
//! inside `block_on`: a refresh then makes progress only during the next call, and an acquisition
//! that makes no progress is abandoned after 30 s.
//!
//! # A function that is frozen between calls
//!
//! Serverless platforms freeze the process between calls. Keep the cache in a static, or build it
//! before the handler is registered, so that one instance of the function reuses its token:
//!
//! ```
//! use std::{sync::LazyLock, time::Duration};
//!
//! use tower_oauth2_client_credentials::{BoxError, ClientCredentials, TokenCache};
//! # use tower_oauth2_client_credentials::testing::AuthorizationServer;
//! # static IDP: LazyLock<AuthorizationServer> = LazyLock::new(AuthorizationServer::new);
//! # fn transport() -> impl tower::Service<
//! #     tower_oauth2_client_credentials::transport::TokenRequest,
//! #     Response = http::Response<impl http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + 'static>,
//! #     Error: Into<BoxError>,
//! #     Future: Send,
//! # > + Clone + Send + Sync + 'static {
//! #     IDP.service()
//! # }
//! # fn token_url() -> String { IDP.token_url() }
//!
//! static TOKENS: LazyLock<TokenCache> = LazyLock::new(|| {
//!     let source = ClientCredentials::builder(token_url())
//!         .client_secret_basic("my-function", "s3cret")
//!         .transport(transport()) // omit this to use the default transport
//!         .build()
//!         .expect("the settings of the client are valid");
//!     TokenCache::builder(source)
//!         .wait_timeout(Duration::from_secs(3)) // below the function's own timeout
//!         .build()
//! });
//!
//! async fn handler() -> Result<String, BoxError> {
//!     let token = TOKENS.get().await?;
//!     Ok(format!("called with a token of {} bytes", token.secret().len()))
//! }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # handler().await?;
//! # handler().await?;
//! # assert_eq!(IDP.token_requests(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! * **Expiry.** The monotonic clock may stop while the process is frozen. The cache also compares
//!   the wall clock at each request, and replaces a token that expired in the meantime before it is
//!   used ([details](super::security#suspended-machines-and-frozen-functions)).
//! * **Acquisitions.** An acquisition that was frozen continues. If the freeze used up its timeout, by the
//!   monotonic clock, it ends, and a later call starts another one. The cache works across runtimes, so the platform's runtime may be rebuilt between
//!   calls.
//! * **[`keep_warm`](TokenCacheBuilder::keep_warm)** has no effect while the process is frozen.
//!   Leave it off. The first call after the expiry waits for one acquisition.
//! * **Connections.** A connection that was idle during a freeze is usually closed by the server. A
//!   token request that fails on it is retried on a new connection within the same acquisition.
//! * **Many instances.** Each instance has its own token. If the server limits token requests,
//!   raise the token's lifetime at the server.
//!
//! # A library that wants a credential callback
//!
//! Object stores, database drivers and SDKs often take a closure that returns a token. Pass
//! [`TokenCache::get`], and they share the cache. The library may drop the future at any time.
//!
//! ```
//! use std::{future::Future, pin::Pin};
//!
//! use tower_oauth2_client_credentials::{BoxError, Token, TokenCache, source::AcquireContext};
//!
//! // The type of the library's callback:
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
//! If the library reports that a token was rejected, call [`TokenCache::invalidate`]. To retry
//! yourself, [`TokenCache::replacement`] waits for the next token. If only the text is known,
//! [`Token::bearer`] makes an equal token from it, because tokens are compared by their bytes. See
//! the example `credential_callback`.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
