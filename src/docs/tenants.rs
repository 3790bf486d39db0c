//! Many tokens behind one client: tenants, scopes, audiences (feature `keyed`).
//!
//! A service that calls on behalf of many customers, or of many parts of one, has a token for each.
//! [`KeyedTokenCache`] keeps them; the layer picks one for each request by a key.
//!
//! * [A token for each tenant](#a-token-for-each-tenant)
//! * [What belongs into the key](#what-belongs-into-the-key)
//! * [APIs of their own](#apis-of-their-own)
//! * [When a tenant is in trouble](#when-a-tenant-is-in-trouble)
//! * [Who is it?](#who-is-it)
//! * [Without the layer](#without-the-layer)
//! * [Several APIs](#several-apis)
//!
//! # A token for each tenant
//!
//! The tenant is what your code put into the request's extensions; these are not sent.
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
//! # use tower_oauth2_client_credentials::testing::{AuthorizationServer, ProtectedApi};
//!
//! #[derive(Clone, PartialEq, Eq, Hash)]
//! struct Tenant(Arc<str>);
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let idp = AuthorizationServer::builder().client("blue", "secret of blue").path("/blue/token").build();
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
//! A request without a key goes out without a token of ours;
//! [`without_key`](OAuthClientCredentialsLayer::without_key) refuses it. Everything else is as with one
//! token: waiting, replays, origins, a request's own `Authorization`.
//!
//! # What belongs into the key
//!
//! Everything that changes the token, and nothing else. The closure that makes a source sees the key
//! alone, so what it needs must be there: tenant, scope, audience, resource.
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
//! Two keys that are equal share a token, so an `Eq` that leaves a part out mixes tenants up. A secret
//! that rotates is no part of the key: use a [`Secret`] that reads it anew. Nor is who called you: a
//! key for each of your users would be a token for each.
//!
//! Take the key from what your code has checked, such as the caller's session, and not from a header
//! field that the caller chose: whoever picks the key picks whose token is used. A key is cloned
//! for each request; make that cheap with an `Arc`.
//!
//! # APIs of their own
//!
//! The layer's origins hold for all keys. Where tenants have APIs of their own the closure sees the
//! address too, and so can keep a tenant's token off another's API, also below a redirect follower:
//!
//! ```
//! # use tower_oauth2_client_credentials::{AcquireContext, Elsewhere, KeyedTokenCache, OAuthClientCredentialsLayer, Origins, Token};
//! # #[derive(Clone, PartialEq, Eq, Hash)]
//! # struct Tenant(String);
//! # let tokens = KeyedTokenCache::new(|_: &Tenant| Ok(|_: AcquireContext| async { Token::bearer("abc") }));
//! # let origins = Origins::parse(["https://blue.example.com", "https://red.example.com"])?;
//! let layer = OAuthClientCredentialsLayer::keyed(tokens, origins, |request| {
//!     let tenant = request.extensions().get::<Tenant>()?;
//!     let api = format!("{}.example.com", tenant.0);
//!     (request.uri().host() == Some(&*api)).then(|| tenant.clone())
//! })
//! .without_key(Elsewhere::Refuse);
//! # drop(layer);
//! # Ok::<(), tower_oauth2_client_credentials::Error>(())
//! ```
//!
//! # When a tenant is in trouble
//!
//! Each key has its own failures, pauses and rejections, as [outages](super::outages) tells them. A
//! source that can't be made is a failure like any other. So wrong settings of one tenant cost its
//! own requests, and the closure is asked again after the pause.
//!
//! Tenants share a limit: 16 acquisitions start at once. One that takes longer than 250 ms no longer
//! counts, and tenants whose last acquisition failed have a separate one. So a hundred tenants
//! whose servers hang delay a healthy tenant's first token by under 2 s. A tenant that gets no turn
//! within half of its acquisition's time fails as [`Overloaded`](ErrorKind::Overloaded), and is tried again
//! after a pause. [`concurrent_acquisitions`](KeyedTokenCacheBuilder::concurrent_acquisitions) sets the
//! limit.
//!
//! A turn is held by the runtime that drives the acquisition. One that is alive but not driven
//! (a `block_on` for each call) keeps it until it is driven again, or dropped. One that only waits for a
//! turn holds none up.
//!
//! # Who is it?
//!
//! Events and settings for each key:
//!
//! ```
//! # use tower_oauth2_client_credentials::{AcquireContext, KeyedTokenCache, Token};
//! use std::time::Duration;
//! use tower_oauth2_client_credentials::Event;
//!
//! # let source = |_: &u64| Ok(|_: AcquireContext| async { Token::bearer("abc") });
//! let tokens = KeyedTokenCache::builder(source)
//!     .configure(|tenant, cache| {
//!         let tenant = *tenant;
//!         cache.wait_timeout(Duration::from_secs(5)).observer(move |event| {
//!             if let Event::Failed { error, .. } = event {
//!                 eprintln!("tenant {tenant}: {error}");
//!             }
//!         })
//!     })
//!     .build();
//! # drop(tokens);
//! ```
//!
//! # Without the layer
//!
//! [`KeyedTokenCache::cache`] is the [`TokenCache`] of a key: for
//! [callbacks](super::recipes#a-library-that-wants-a-credential-callback), and for clients that belong
//! to one tenant anyway.
//!
//! # Several APIs
//!
//! If each API has its own token, whoever asks, no key is needed: a layer for each, as in
//! [recipes](super::recipes#several-apis). Layers with different origins never meet, also across
//! redirects; where the origins of two overlap, the outer one's token is used.

// Names for the links above.
#[cfg(doc)]
use crate::*;
