//! The Tower layer, its service, and the types of its settings.
//!
//! Replay policies are in [`replay`], and gRPC is in [`grpc`].

// The life of a request:
//
// 1. `service` decides (`select`) whether the request is sent with a token, waits for one, is
//    sent without one, or is refused. The layer's `settings` and `origins` take part.
// 2. A token that is ready for requests (`authorized`) is shared by the services of a layer
//    (`shared`). It adds its header field (`authorize`).
// 3. `future` polls a plain call. A request that waits, is sent again or is refused is a `slow`
//    request. It has a `stage` for each thing that it can wait for.
// 4. `challenge` classifies the response. After a rejection the `replay` policy says whether
//    the request can be sent again.
// 5. `protocol` holds the differences between HTTP and gRPC (`grpc`).

mod authorize;
pub(crate) mod authorized;
#[cfg(feature = "keyed")]
mod by_key;
mod challenge;
mod connection;
mod future;
pub mod grpc;
mod origins;
mod prepare;
pub(crate) mod protocol;
pub mod replay;
mod replay_request;
#[cfg(feature = "keyed")]
mod request_head;
mod select;
mod service;
mod settings;
mod shared;
mod slow;
mod stage;
#[cfg(all(test, not(oauth_loom)))]
mod tests;

use std::{fmt, marker::PhantomData};

use http::{HeaderName, header};
use tower_layer::Layer;

pub use self::{
    authorize::ExistingAuthorization,
    challenge::RejectionPolicy,
    future::ResponseFuture,
    origins::Origins,
    protocol::{Http, Protocol},
    select::SelectCache,
    service::OAuthClientCredentials,
    settings::{SkipToken, WithoutToken},
};
#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
pub use self::{by_key::ByKey, request_head::RequestHead};
use self::{grpc::Grpc, replay::EmptyBodies, settings::Settings, shared::LayerShared};
#[cfg(feature = "keyed")]
use crate::cache::KeyedTokenCache;
use crate::{cache::TokenCache, sync::Arc};

/// Adds an access token to the requests of any HTTP service.
///
/// * `P` is the [`ReplayPolicy`](replay::ReplayPolicy). It selects the requests that are sent
///   again with another token after an API rejected the first one.
/// * `T` says where the layer takes tokens from: one [`TokenCache`], or `ByKey` (feature `keyed`).
/// * `M` is the protocol: [`Http`], or [`Grpc`].
///
/// For each request:
///
/// * If an unexpired token is cached, the layer adds it and calls the inner service. A refresh that
///   is due starts in the background. Only that start takes a lock. The layer allocates once, to keep
///   the request for a replay. [`NoReplay`](replay::NoReplay) allocates nothing.
/// * A request waits only if no unexpired token is cached, or up to 1 s after a rejection or a
///   suspend. It waits at most for the cache's `wait_timeout`. While it waits it holds no readiness
///   (permit, buffer slot) of the inner service.
/// * A request to another origin, or with an existing `Authorization` field, passes through
///   unchanged.
///
/// The error type is [`BoxError`](crate::BoxError). [`Error::find`](crate::Error::find) finds this
/// crate's [`Error`](crate::Error) in it.
///
/// Place the layer *below* a retry, timeout or redirect-following layer (closer to the connection).
/// Each attempt then gets the token that is current at that time, and each redirect is checked
/// against the origins.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Empty;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_oauth2_client_credentials::{
///     OAuthClientCredentialsLayer, Origins, Token, TokenCache, source::AcquireContext,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_oauth2_client_credentials::BoxError> {
/// let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
/// # let http_client = tower::service_fn(|request: http::Request<Empty<Bytes>>| async move {
/// #     assert_eq!(request.headers()["authorization"], "Bearer abc");
/// #     Ok::<_, std::convert::Infallible>(http::Response::new(Empty::<Bytes>::new()))
/// # });
/// let client = ServiceBuilder::new()
///     .layer(OAuthClientCredentialsLayer::new(tokens, Origins::parse(["https://api.example.com"])?))
///     .service(http_client);
///
/// let request = http::Request::get("https://api.example.com/things").body(Empty::new())?;
/// let response = client.oneshot(request).await?;
/// assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct OAuthClientCredentialsLayer<P = EmptyBodies, T = TokenCache, M = Http> {
    tokens: T,
    policy: P,
    settings: Settings,
    protocol: PhantomData<fn() -> M>,
}

impl OAuthClientCredentialsLayer {
    /// A layer that adds this cache's token to requests to these origins.
    pub fn new(cache: TokenCache, origins: Origins) -> Self {
        Self::with_tokens(cache, origins)
    }
}

#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
impl<K, F> OAuthClientCredentialsLayer<EmptyBodies, ByKey<K, F>>
where
    F: Fn(&RequestHead<'_>) -> Option<K>,
{
    /// A layer that adds one of many tokens to requests to these origins. The closure picks the key
    /// from the request. If the closure returns `None`, the request is sent without a token.
    ///
    /// The closure is called only for requests that need a token. It is not called for requests to
    /// another origin, or for requests with an existing authorization field. See
    /// [`docs::tenants`](crate::docs::tenants).
    ///
    /// Each request briefly locks the keyed cache and makes one small allocation. A layer with a
    /// single cache takes no lock for a cached token, and does not make this allocation.
    pub fn keyed(tokens: KeyedTokenCache<K>, origins: Origins, pick: F) -> Self {
        Self::with_tokens(ByKey::new(tokens, pick), origins)
    }
}

#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
impl<P, K, F, M> OAuthClientCredentialsLayer<P, ByKey<K, F>, M> {
    /// Sets what to do with a request that has no key. Default: [`WithoutToken::Pass`].
    pub fn without_key(mut self, action: WithoutToken) -> Self {
        self.tokens.without_key = action;
        self
    }
}

impl<T> OAuthClientCredentialsLayer<EmptyBodies, T> {
    fn with_tokens(tokens: T, origins: Origins) -> Self {
        let settings = Settings::new(origins);
        Self { tokens, policy: EmptyBodies, settings, protocol: PhantomData }
    }
}

impl<P, T, M> OAuthClientCredentialsLayer<P, T, M> {
    /// Sets which requests are sent again after a rejection. Default: [`EmptyBodies`].
    pub fn replay<Q>(self, policy: Q) -> OAuthClientCredentialsLayer<Q, T, M> {
        let Self { tokens, settings, protocol, .. } = self;
        OAuthClientCredentialsLayer { tokens, policy, settings, protocol }
    }

    /// Treats gRPC's `grpc-status: 16` as a rejection of the token too. See [`grpc`].
    ///
    /// The body of a gRPC call is never empty, so replays need a policy such as [`BufferBodies`](replay::BufferBodies).
    pub fn grpc(self) -> OAuthClientCredentialsLayer<P, T, Grpc> {
        self.with_protocol()
    }

    pub(crate) fn with_protocol<N>(self) -> OAuthClientCredentialsLayer<P, T, N> {
        let Self { tokens, policy, settings, .. } = self;
        OAuthClientCredentialsLayer { tokens, policy, settings, protocol: PhantomData }
    }

    /// Sets what to do with a request that must not carry the token, see
    /// [`Origins`]: to another origin, with a `Host` field that differs, or with
    /// the method `TRACE`. Default: [`WithoutToken::Pass`].
    pub fn withheld(mut self, action: WithoutToken) -> Self {
        self.settings.withheld = action;
        self
    }

    /// Sets what to do with a request that has an existing authorization field. Default:
    /// [`ExistingAuthorization::Pass`].
    pub fn existing_authorization(mut self, action: ExistingAuthorization) -> Self {
        self.settings.existing_authorization = action;
        self
    }

    /// Sets which responses count as a rejection of the token. Default:
    /// [`RejectionPolicy::by_challenge`].
    pub fn rejection_policy(mut self, rejections: RejectionPolicy) -> Self {
        self.settings.classifier.rejections = rejections;
        self
    }

    /// Sets the header field that carries the token. Default: `Authorization`. With
    /// `Proxy-Authorization`, responses are classified by 407 and `Proxy-Authenticate`.
    pub fn header_name(mut self, name: HeaderName) -> Self {
        self.settings.classifier.is_proxy = name == header::PROXY_AUTHORIZATION;
        self.settings.header_name = (name != header::AUTHORIZATION).then_some(name);
        self
    }
}

impl<S, P: Clone, T: Clone, M> Layer<S> for OAuthClientCredentialsLayer<P, T, M> {
    type Service = OAuthClientCredentials<S, P, T, M>;

    fn layer(&self, inner: S) -> Self::Service {
        let shared = LayerShared::new(self.tokens.clone(), self.settings.clone());
        OAuthClientCredentials::new(inner, self.policy.clone(), Arc::new(shared))
    }
}

impl<P: Clone, T: Clone, M> Clone for OAuthClientCredentialsLayer<P, T, M> {
    fn clone(&self) -> Self {
        let Self { tokens, policy, settings, protocol } = self;
        Self {
            tokens: tokens.clone(),
            policy: policy.clone(),
            settings: settings.clone(),
            protocol: *protocol,
        }
    }
}

impl<P, T: fmt::Debug, M> fmt::Debug for OAuthClientCredentialsLayer<P, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClientCredentialsLayer")
            .field("tokens", &self.tokens)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
