//! Programs without a Tower stack: synchronous programs, and libraries that take a credential callback.
//!
//! * [A synchronous program](#a-synchronous-program)
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
