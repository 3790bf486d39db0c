//! Clients that are generated from an OpenAPI document.
//!
//! * [OpenAPI Generator](#openapi-generator)
//! * [progenitor](#progenitor)
//!
//! Both generate code over reqwest. The token belongs below the generated code, so both recipes give it a
//! client of [reqwest-middleware](super::reqwest) that has the token.
//!
//! ```toml
//! [dependencies]
//! tower-oauth2-client-credentials = { version = "0.1", default-features = false, features = ["reqwest-middleware"] }
//! reqwest = "0.13"
//! reqwest-middleware = "0.5"
//! # for progenitor, in addition to what its README lists (futures, serde)
//! http = "1"
//! progenitor = "0.15"
//! progenitor-client = "0.15"
//! ```
//!
//! ```
//! # #[cfg(feature = "reqwest-middleware")] {
//! use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, Origins, TokenCache,
//!     middleware::OAuthClientCredentialsMiddleware, transport::ReqwestService,
//! };
//!
//! /// The cache, and a client that adds its token to requests to `api`.
//! fn authorized(
//!     token_url: &str,
//!     api: &str,
//! ) -> Result<(TokenCache, ClientWithMiddleware), BoxError> {
//!     let http = ReqwestService::new(reqwest::Client::builder())?; // follows no redirects
//!     let tokens = ClientCredentials::builder(token_url)
//!         .client_secret_basic("my-service", "s3cret")
//!         .transport(http.clone())
//!         .build()?
//!         .into_cache();
//!     let layer = OAuthClientCredentialsMiddleware::new(tokens.clone(), Origins::parse([api])?);
//!     Ok((tokens, ClientBuilder::new(http.client().clone()).with(layer).build()))
//! }
//! # authorized("https://idp.example.com/token", "https://api.example.com").unwrap();
//! # }
//! ```
//!
//! Most documents declare a security scheme, so the generated code has a setting for the token. Leave it
//! empty. A request that has an `Authorization` field already passes this crate unchanged.
//!
//! # OpenAPI Generator
//!
//! Generate with the option `supportMiddleware` (7.26; library `reqwest` or `reqwest-trait`):
//!
//! ```sh
//! openapi-generator-cli generate -g rust -i api.yaml -o invoices \
//!     --additional-properties=packageName=invoices,library=reqwest,supportMiddleware=true,reqwestDefaultFeatures=rustls
//! ```
//!
//! The client is a field of the generated `Configuration`:
//!
//! ```
//! # #[cfg(feature = "reqwest-middleware")] {
//! # mod invoices { pub mod apis { pub mod configuration {
//! #     #[derive(Default)]
//! #     pub struct Configuration {
//! #         pub base_path: String,
//! #         pub client: reqwest_middleware::ClientWithMiddleware,
//! #         pub oauth_access_token: Option<String>,
//! #     }
//! # }}}
//! use invoices::apis::configuration::Configuration;
//!
//! # let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new()).build();
//! let configuration = Configuration {
//!     base_path: String::from("https://api.example.com"),
//!     client, // of `authorized`
//!     ..Configuration::default()
//! };
//! // invoices::apis::default_api::list_invoices(&configuration).await?
//! # drop(configuration);
//! # }
//! ```
//!
//! Without this option, `Configuration` has a plain `reqwest::Client`, into which nothing fits. Set
//! `oauth_access_token` from [`TokenCache::get`] for each call then. There are no replays.
//!
//! An error of this crate is in the generated `Error::ReqwestMiddleware`. [`Error::find`] finds it.
//!
//! # progenitor
//!
//! The generated `Client` (0.15) has a plain `reqwest::Client`, and hooks. The hook `exec` sends a request.
//! Put the cache and the client into the inner value, and implement the hooks:
//!
//! ```
//! # #[cfg(not(feature = "reqwest-middleware"))]
//! # fn main() {}
//! # #[cfg(feature = "reqwest-middleware")]
//! # mod program {
//! # // The part of progenitor-client that the recipe uses.
//! # mod progenitor_client {
//! #     pub enum Error<E> { Custom(String), #[allow(dead_code)] Other(E) }
//! #     pub struct OperationInfo;
//! #     pub trait ClientInfo<Inner> { fn inner(&self) -> &Inner; }
//! #     #[allow(async_fn_in_trait)]
//! #     pub trait ClientHooks<Inner>: ClientInfo<Inner> {
//! #         async fn pre<E>(&self, _: &mut reqwest::Request, _: &OperationInfo) -> Result<(), Error<E>>;
//! #         async fn exec(&self, _: reqwest::Request, _: &OperationInfo) -> reqwest::Result<reqwest::Response>;
//! #     }
//! # }
//! # mod invoices {
//! #     use super::{Authorized, progenitor_client::ClientInfo};
//! #     pub struct Client(Authorized);
//! #     impl ClientInfo<Authorized> for Client { fn inner(&self) -> &Authorized { &self.0 } }
//! # }
//! use invoices::Client;
//! use progenitor_client::{ClientHooks, ClientInfo, Error, OperationInfo};
//! use reqwest_middleware::ClientWithMiddleware;
//! use tower_oauth2_client_credentials::{Error as TokenError, TokenCache};
//!
//! // mod invoices {
//! //     progenitor::generate_api!(
//! //         spec = "api.json", inner_type = crate::Authorized, hooks = Expected,
//! //     );
//! // }
//!
//! #[derive(Clone, Debug)]
//! pub struct Authorized {
//!     pub tokens: TokenCache,
//!     pub http: ClientWithMiddleware,
//! }
//!
//! impl ClientHooks<Authorized> for Client {
//!     // `exec` can't return an error of this crate, so a missing token is reported here.
//!     async fn pre<E>(
//!         &self,
//!         _: &mut reqwest::Request,
//!         _: &OperationInfo,
//!     ) -> Result<(), Error<E>> {
//!         let token = self.inner().tokens.get().await;
//!         token.map(drop).map_err(|error| Error::Custom(error.to_string()))
//!     }
//!
//!     async fn exec(
//!         &self,
//!         request: reqwest::Request,
//!         _: &OperationInfo,
//!     ) -> reqwest::Result<reqwest::Response> {
//!         match self.inner().http.execute(request).await {
//!             Ok(response) => Ok(response),
//!             Err(reqwest_middleware::Error::Reqwest(error)) => Err(error),
//!             // Rare, after `pre`: the token was lost since then.
//!             Err(error) => {
//!                 let status = TokenError::find(&error).map(|error| error.suggested_status());
//!                 let mut response = http::Response::new(error.to_string());
//!                 *response.status_mut() = status.unwrap_or(http::StatusCode::BAD_GATEWAY);
//!                 Ok(response.into())
//!             }
//!         }
//!     }
//! }
//! # pub fn check(client: Client) -> impl ClientHooks<Authorized> { client }
//! # }
//! # #[cfg(feature = "reqwest-middleware")]
//! # fn main() {}
//! ```
//!
//! Then `Client::new_with_client(api, http, Authorized { tokens, http: client })`. `exec` does not use its
//! second argument, but progenitor needs one: pass a clone of the same reqwest client.
//!
//! Do not add the token in the hook `pre` only. That sends it wherever reqwest follows a redirect, and a
//! 401 then changes nothing.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
