//! Functions and machines that stop between calls: AWS Lambda, Cloud Run, Azure Functions, laptops, paused
//! virtual machines.
//!
//! * [A function that is frozen between calls](#a-function-that-is-frozen-between-calls)
//! * [Many short processes](#many-short-processes)
//! * [Suspended machines](#suspended-machines)
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
//!     let source = ClientCredentials::builder(token_url()) // such as "https://idp.example.com/oauth2/token"
//!         .client_secret_basic("my-function", "s3cret")
//!         .transport(transport()) // omit this to use the default transport
//!         .build()
//!         .expect("the settings of the client are valid");
//!     TokenCache::builder(source)
//!         .wait_timeout(Duration::from_secs(2)) // below the function's own timeout, 3 s by default on AWS Lambda
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
//!   used ([details](#suspended-machines)).
//! * **Acquisitions.** An acquisition that was frozen continues. If the freeze used up its timeout, by the
//!   monotonic clock, it ends, and a later call starts another one. The cache works across runtimes, so
//!   the platform's runtime may be rebuilt between calls.
//! * **[`keep_warm`](TokenCacheBuilder::keep_warm)** has no effect while the process is frozen.
//!   Leave it off. The first call after the expiry waits for one acquisition.
//! * **Connections.** A connection that was idle during a freeze is usually closed by the server. A
//!   token request that fails on it is retried on a new connection within the same acquisition.
//! * **Cold starts.** Call [`warm_up`](TokenCache::warm_up) while the platform initializes the function. The
//!   first call then finds a token.
//! * **Many instances.** Each instance has its own token, unless they [share
//!   one](#many-short-processes). If the server limits token requests, raise the token's lifetime at the
//!   server.
//!
//! # Many short processes
//!
//! Where each call is a new process, such as a command-line tool or a scheduled job, each one would request a
//! token. With the feature `file-store` the processes of one machine share a token in files. With `redis`
//! all instances of a function share one. The chapter `fleet` (feature `store`) has both recipes.
//!
//! # Suspended machines
//!
//! Expiry is measured on the monotonic clock, so a wrong or corrected wall clock can't end a
//! token's life. The monotonic clock may stop while a laptop sleeps, a virtual machine is paused or
//! a function is frozen between calls. A token then looks younger than it is. The cache therefore
//! compares both clocks for each request, which costs one cheap clock read. If the wall clock moved
//! forward over 5 s further than the monotonic clock, the refresh moves earlier by the difference. A token that has expired
//! by the wall clock alone triggers one acquisition. Requests wait for it for at most 1 s, then use
//! the cached token, because perhaps nothing was suspended and the wall clock was just corrected.
//!
//! A token that expires on its way to the API gets a 401 and is replaced. The request is replayed
//! if the [replay policy](OAuthClientCredentialsLayer::replay) covers it.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
