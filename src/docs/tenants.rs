//! Many tokens behind one client: tenants, scopes, audiences (feature `keyed`).
//!
//! A service that calls on behalf of many customers, or of many departments of one, has a token for
//! each. [`KeyedTokenCache`] holds the tokens. The layer picks one for each request by a key.
//!
//! * [A token for each tenant](#a-token-for-each-tenant)
//! * [What belongs in the key](#what-belongs-in-the-key)
//! * [Tenants with separate APIs](#tenants-with-separate-apis)
//! * [When a tenant fails](#when-a-tenant-fails)
//! * [Events and settings for each tenant](#events-and-settings-for-each-tenant)
//! * [The state of all tenants](#the-state-of-all-tenants)
//! * [Without the layer](#without-the-layer)
//! * [Several APIs](#several-apis)
//!
//! # A token for each tenant
//!
//! Your code puts the tenant into the request's extensions, which are not sent.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Empty;
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_oauth2_client_credentials::{
//!     BoxError, ClientCredentials, KeyedTokenCache, OAuthClientCredentialsLayer, Origins,
//! };
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, RegisteredClient, ProtectedApi};
//!
//! #[derive(Clone, PartialEq, Eq, Hash)]
//! struct Tenant(Arc<str>);
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let idp = AuthorizationServer::builder().client(RegisteredClient::new("blue").secret("secret of blue")).path("/blue/token").build();
//! # let (transport, api) = (idp.service(), ProtectedApi::new(&idp));
//! # let http_client = api.service();
//! let tokens = KeyedTokenCache::new(move |tenant: &Tenant| {
//!     ClientCredentials::builder(format!("https://idp.test/{}/token", tenant.0))
//!         .client_secret_basic(&*tenant.0, format!("secret of {}", tenant.0))
//!         .transport(transport.clone()) // one for all tenants
//!         .build()
//! });
//! let origins = Origins::parse(["https://api.example.com"])?;
//! let client = ServiceBuilder::new()
//!     .layer(OAuthClientCredentialsLayer::keyed(tokens, origins, |request| {
//!         request.extensions().get::<Tenant>().cloned()
//!     }))
//!     .service(http_client);
//!
//! let request = Request::get("https://api.example.com/things")
//!     .extension(Tenant("blue".into()))
//!     .body(Empty::<Bytes>::new())?;
//! assert_eq!(client.oneshot(request).await?.status(), 200);
//! # assert_eq!((idp.token_requests(), api.accepted()), (1, 1));
//! # Ok(())
//! # }
//! ```
//!
//! A request without a key is sent without a token of this crate, unless
//! [`without_key`](OAuthClientCredentialsLayer::without_key) refuses it. Waiting, replays, origins
//! and requests with an existing `Authorization` field work as with one token.
//!
//! # What belongs in the key
//!
//! The key contains every value that changes the token, and nothing else: tenant, scope, audience,
//! resource. The closure that makes a source sees only the key.
//!
//! ```
//! # use tower_oauth2_client_credentials::{ClientCredentials, KeyedTokenCache};
//! #[derive(Clone, PartialEq, Eq, Hash)]
//! struct Key {
//!     tenant: u64,
//!     scope: &'static str,
//! }
//!
//! let tokens = KeyedTokenCache::new(|key: &Key| {
//!     ClientCredentials::builder("https://idp.example.com/token")
//!         .client_secret_basic(format!("client-{}", key.tenant), "s3cret")
//!         .scope(key.scope)
//! #       .transport(tower::service_fn(|_| async { Err::<http::Response<http_body_util::Empty<&[u8]>>, _>("none") }))
//!         .build()
//! });
//! # drop(tokens);
//! ```
//!
//! Two equal keys share a token, so an `Eq` that omits a part mixes tenants up. A secret that
//! rotates does not belong in the key: use a [`Secret`] that is read for each attempt. The calling
//! user does not belong in it either, because each user would get a separate token.
//!
//! Take the key from data that your code has verified, such as the caller's session, and not from a
//! header field that the caller chose, because the key selects the token. A key is cloned for each
//! request; an `Arc` makes that cheap.
//!
//! # Tenants with separate APIs
//!
//! The layer's origins apply to all keys. If tenants have separate APIs, the closure can compare
//! the address too. It then keeps one tenant's token away from another tenant's API, also below a
//! redirect follower:
//!
//! ```
//! # use tower_oauth2_client_credentials::{
//! #     KeyedTokenCache, OAuthClientCredentialsLayer, Origins, Token, layer::WithoutToken,
//! #     source::AcquireContext,
//! # };
//! # #[derive(Clone, PartialEq, Eq, Hash)]
//! # struct Tenant(String);
//! # let tokens = KeyedTokenCache::new(|_: &Tenant| Ok(|_: AcquireContext| async { Token::bearer("abc") }));
//! # let origins = Origins::parse(["https://blue.example.com", "https://red.example.com"])?;
//! let layer = OAuthClientCredentialsLayer::keyed(tokens, origins, |request| {
//!     let tenant = request.extensions().get::<Tenant>()?;
//!     let api = format!("{}.example.com", tenant.0);
//!     (request.uri().host() == Some(&*api)).then(|| tenant.clone())
//! })
//! .without_key(WithoutToken::Refuse);
//! # drop(layer);
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! # When a tenant fails
//!
//! Each key has its own failures, backoff and rejections, as described in
//! [outages](super::outages). A source that can't be made is a failure like any other: wrong
//! settings of one tenant affect its own requests only, and the closure is called again after the
//! cooldown.
//!
//! Tenants share a limit of 16 unfinished acquisitions that started in the last 250 ms. An older one
//! no longer counts, and tenants whose last acquisition failed have a separate limit. So a hundred
//! tenants whose servers hang delay a healthy tenant's first token by less than 2 s. A tenant that
//! gets no permit within half of its acquisition's time fails as
//! [`Overloaded`](ErrorKind::Overloaded), and is tried again after a cooldown.
//! [`acquisition_start_limit`](KeyedTokenCacheBuilder::acquisition_start_limit) sets the limit.
//!
//! An acquisition on a [stalled](super::outages#callers-clocks-and-runtimes) runtime, such as a
//! current-thread runtime between two calls of `block_on`, keeps its permit until the runtime runs
//! again or is dropped. An acquisition that waits for a permit blocks no others.
//!
//! # Events and settings for each tenant
//!
//! ```
//! # use tower_oauth2_client_credentials::{KeyedTokenCache, Token, source::AcquireContext};
//! use std::time::Duration;
//! use tower_oauth2_client_credentials::event::EventKind;
//!
//! # let source = |_: &u64| Ok(|_: AcquireContext| async { Token::bearer("abc") });
//! let tokens = KeyedTokenCache::builder(source)
//!     .name("billing")
//!     .name_keys(|tenant| tenant.to_string())
//!     .configure(|_, cache| {
//!         cache.wait_timeout(Duration::from_secs(5)).observer(|event| {
//!             if let EventKind::AcquisitionFailed { error, .. } = event.kind() {
//!                 eprintln!("{}: {error}", event.client()); // billing[7]: …
//!             }
//!         })
//!     })
//!     .build();
//! # drop(tokens);
//! ```
//!
//! [`name_keys`](KeyedTokenCacheBuilder::name_keys) adds the key to the name in events and errors. Without
//! it all tenants have the same name. Metrics count the tenants by readiness, without their keys, since each
//! key would be a time series.
//!
//! # The state of all tenants
//!
//! [`KeyedTokenCache::caches`] lists the keys with their caches, for gauges and an admin page. It requests
//! no token:
//!
//! ```
//! use tower_oauth2_client_credentials::{KeyedTokenCache, cache::Readiness};
//!
//! fn failing(tokens: &KeyedTokenCache<u64>) -> Vec<u64> {
//!     let caches = tokens.caches().into_iter();
//!     let failed = caches.filter(|(_, cache)| cache.readiness() == Readiness::Failed);
//!     failed.map(|(tenant, _)| tenant).collect()
//! }
//! # use tower_oauth2_client_credentials::{Token, source::AcquireContext};
//! # let source = |_: &u64| Ok(|_: AcquireContext| async { Token::bearer("abc") });
//! # assert!(failing(&KeyedTokenCache::new(source)).is_empty());
//! ```
//!
//! # Without the layer
//!
//! [`KeyedTokenCache::cache`] returns the [`TokenCache`] of a key. Use it for
//! [callbacks](super::programs#a-library-that-wants-a-credential-callback), and for clients that
//! belong to one tenant.
//!
//! # Several APIs
//!
//! If each API has its own token for all callers, no key is needed: use one layer for each, as in
//! [recipes](super::recipes#several-apis). Layers with different origins do not interact, also
//! across redirects. If the origins of two layers overlap, the outer layer's token is used.

// Names for the links above.
#[cfg(doc)]
use crate::docs::links::*;
