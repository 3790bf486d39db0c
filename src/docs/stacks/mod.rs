//! The crate in your stack, a chapter for each.
//!
//! * [`axum`]: a backend service that calls a protected API
//! * [`hyper`]: this crate's client, hyper-util's, and custom connections
//! * [`reqwest`]: in a tower stack, under reqwest-middleware, and for token requests
//! * [`tonic`]: gRPC, unary and streaming
//! * [`openapi`]: clients that are generated from an OpenAPI document
//!
//! # Extra lines of code per stack
//!
//! With settings from the environment ([`ClientCredentialsConfig`](crate::config::ClientCredentialsConfig))
//! a stack needs two or three more lines than without authorization. With the builder, four lines
//! replace the first one. Each stack also needs one or two `use` statements.
//!
//! ```no_run
//! # #[cfg(not(all(feature = "hyper-transport", feature = "reqwest-middleware")))]
//! # fn main() {}
//! # #[cfg(all(feature = "hyper-transport", feature = "reqwest-middleware"))]
//! # fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
//! # use tower::Layer;
//! # use tower_oauth2_client_credentials::{config::*, middleware::*, transport::*, *};
//! # const API: &str = "https://api.example.com";
//! # let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
//! #     .build_http::<http_body_util::Empty<bytes::Bytes>>();
//! # let channel = tonic::transport::Channel::from_static(API).connect_lazy();
//! # let http = ReqwestService::new(reqwest::Client::builder())?;
//! // All stacks:
//! let tokens = ClientCredentialsConfig::from_env().into_cache()?;
//!
//! // hyper, axum's state, reqwest as a tower service:
//! # let cache = tokens.clone();
//! let client = OAuthClientCredentialsLayer::new(tokens, Origins::parse([API])?).layer(client);
//!
//! // reqwest-middleware, over `ReqwestService::new(reqwest::Client::builder())?`, which follows no
//! // redirects. reqwest's own client would send the token to other origins:
//! # let tokens = cache.clone();
//! let builder = reqwest_middleware::ClientBuilder::new(http.client().clone())
//!     .with(OAuthClientCredentialsMiddleware::new(tokens, Origins::parse([API])?));
//!
//! // tonic (a replay policy for messages adds two lines):
//! # let tokens = cache.clone();
//! let layer = OAuthClientCredentialsLayer::new(tokens, Origins::fixed_upstream()).grpc();
//! let channel = layer.layer(channel);
//! # let _ = (client, builder, channel);
//! # Ok(())
//! # }
//! ```

pub mod axum;
pub mod hyper;
pub mod openapi;
pub mod reqwest;
pub mod tonic;
