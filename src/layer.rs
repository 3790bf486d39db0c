//! The layer and its settings.

use http::{HeaderName, header};
use tower_layer::Layer;

use crate::{
    authorize::OwnAuthorization,
    cache::TokenCache,
    challenge::Rejections,
    origins::Origins,
    replay::EmptyBodies,
    service::OAuthClientCredentials,
    settings::{Elsewhere, Settings},
};
#[cfg(feature = "keyed")]
use crate::{
    cache::KeyedTokenCache,
    keyed::{ByKey, KeyedOAuthClientCredentials, RequestHead},
};

/// Adds an access token to the requests of any HTTP service.
///
/// `P` is the [`ReplayPolicy`](crate::ReplayPolicy): which requests are sent once more, with
/// another token, after an API rejected the first.
///
/// `T` is where the tokens come from: one [`TokenCache`], or many (feature `keyed`).
///
/// * A fresh token is added and the service called at once: no wait, no lock, no allocation.
/// * Otherwise the request waits for the one acquisition in flight, with nothing reserved of the
///   service below, and at most for the cache's `wait_timeout`.
/// * A request to another origin, or with an `Authorization` of its own, passes untouched.
///
/// The error type is [`BoxError`](crate::BoxError); an [`Error`](crate::Error) of ours is found in
/// it by downcast.
///
/// Place it *below* a retry, timeout or redirect-following layer (closer to the client): so each
/// attempt gets the token that is current then, and each redirect is checked against the origins.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use http_body_util::Empty;
/// use tower::{ServiceBuilder, ServiceExt};
/// use tower_oauth2_client_credentials::{
///     AcquireContext, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
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
#[derive(Clone, Debug)]
#[must_use]
pub struct OAuthClientCredentialsLayer<P = EmptyBodies, T = TokenCache> {
    tokens: T,
    settings: Settings<P>,
}

impl OAuthClientCredentialsLayer {
    /// A layer that adds this cache's token to requests to these origins.
    pub fn new(cache: TokenCache, origins: Origins) -> Self {
        Self { tokens: cache, settings: Settings::new(origins) }
    }
}

#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
impl<K, F> OAuthClientCredentialsLayer<EmptyBodies, ByKey<K, F>>
where
    F: Fn(&RequestHead<'_>) -> Option<K>,
{
    /// A layer that adds one of many tokens to requests to these origins: that of the key that a
    /// closure picks from the request. `None`: it goes out without a token of ours.
    ///
    /// The closure is asked for requests that are to have a token: not for those to another origin,
    /// or with an authorization field of their own. See [`docs::tenants`](crate::docs::tenants).
    ///
    /// The look for the key takes a lock of the keyed cache's for a moment, and each request a
    /// small allocation, which the layer of a single cache does without.
    pub fn keyed(tokens: KeyedTokenCache<K>, origins: Origins, pick: F) -> Self {
        Self { tokens: ByKey::new(tokens, pick), settings: Settings::new(origins) }
    }
}

impl<P> OAuthClientCredentialsLayer<P> {
    pub(crate) fn cache(&self) -> &TokenCache {
        &self.tokens
    }
}

#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
impl<P, K, F> OAuthClientCredentialsLayer<P, ByKey<K, F>> {
    /// What to do with a request that has no key. Default: [`Elsewhere::Pass`].
    pub fn without_key(mut self, elsewhere: Elsewhere) -> Self {
        self.tokens.without_key = elsewhere;
        self
    }
}

impl<P, T> OAuthClientCredentialsLayer<P, T> {
    pub(crate) fn settings(&self) -> &Settings<P> {
        &self.settings
    }

    /// Which requests are sent again after a rejection. Default: [`EmptyBodies`].
    pub fn replay<Q>(self, policy: Q) -> OAuthClientCredentialsLayer<Q, T> {
        let Self { tokens, settings } = self;
        OAuthClientCredentialsLayer { tokens, settings: settings.with_policy(policy) }
    }

    /// What to do with a request to another origin. Default: [`Elsewhere::Pass`].
    pub fn elsewhere(mut self, elsewhere: Elsewhere) -> Self {
        self.settings.elsewhere = elsewhere;
        self
    }

    /// What to do with a request that carries its own authorization field. Default:
    /// [`OwnAuthorization::Pass`].
    pub fn own_authorization(mut self, own: OwnAuthorization) -> Self {
        self.settings.own = own;
        self
    }

    /// Which answers count as a rejection of the token. Default: [`Rejections::by_challenge`].
    pub fn rejections(mut self, rejections: Rejections) -> Self {
        self.settings.judge.rejections = rejections;
        self
    }

    /// The header field that carries the token. Default: `Authorization`. With
    /// `Proxy-Authorization`, answers are judged by 407 and `Proxy-Authenticate`.
    pub fn header_name(mut self, name: HeaderName) -> Self {
        self.settings.judge.proxy = name == header::PROXY_AUTHORIZATION;
        self.settings.header_name = (name != header::AUTHORIZATION).then_some(name);
        self
    }
}

impl<S, P: Clone> Layer<S> for OAuthClientCredentialsLayer<P> {
    type Service = OAuthClientCredentials<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        OAuthClientCredentials::new(inner, self.tokens.clone(), self.settings.clone())
    }
}

#[cfg(feature = "keyed")]
#[cfg_attr(docsrs, doc(cfg(feature = "keyed")))]
impl<S, P: Clone, K, F> Layer<S> for OAuthClientCredentialsLayer<P, ByKey<K, F>> {
    type Service = KeyedOAuthClientCredentials<S, K, F, P>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedOAuthClientCredentials::new(inner, self.tokens.clone(), self.settings.clone())
    }
}
