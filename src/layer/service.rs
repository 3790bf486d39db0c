//! The service: selects an action for each request, and calls the inner service if a token is
//! cached.

use std::{
    fmt,
    marker::PhantomData,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    future::ResponseFuture,
    protocol::{Http, Protocol},
    replay::{EmptyBodies, ReplayPolicy},
    select::{Action, LastToken, SelectCache},
    shared::LayerShared,
};
use crate::{cache::TokenCache, error::BoxError, sync::Arc};

/// The service made by [`OAuthClientCredentialsLayer`](crate::OAuthClientCredentialsLayer).
///
/// Clones are cheap and share one token. Reusing one service saves a few nanoseconds per call.
///
/// # Readiness
///
/// `poll_ready` is that of the inner service, so its backpressure reaches the caller. It does not
/// wait for a token. `call` waits for one if none is cached. While it waits it holds no readiness
/// (permit, buffer slot) of the inner service.
///
/// `S: Clone` is required. To wait, `call` drops the ready inner service and keeps a clone, which it
/// makes ready once the token is available. A replay calls a clone too.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{
///     OAuthClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache,
/// };
/// use tower_layer::Layer;
///
/// struct Invoices<S> {
///     client: OAuthClientCredentials<S>,
/// }
///
/// impl<S> Invoices<S> {
///     fn new(tokens: TokenCache, client: S) -> Self {
///         Self { client: OAuthClientCredentialsLayer::new(tokens, Origins::any()).layer(client) }
///     }
/// }
/// ```
pub struct OAuthClientCredentials<S, P = EmptyBodies, T = TokenCache, M = Http> {
    inner: S,
    policy: P,
    shared: Arc<LayerShared<T>>,
    last: LastToken,
    protocol: PhantomData<fn() -> M>,
}

impl<S, P, T, M> OAuthClientCredentials<S, P, T, M> {
    pub(super) fn new(inner: S, policy: P, shared: Arc<LayerShared<T>>) -> Self {
        Self { inner, policy, shared, last: LastToken::default(), protocol: PhantomData }
    }

    /// The same layer around another service.
    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn around<I>(&self, inner: I) -> OAuthClientCredentials<I, P, T, M>
    where
        P: Clone,
    {
        OAuthClientCredentials::new(inner, self.policy.clone(), Arc::clone(&self.shared))
    }

    #[cfg(all(test, not(oauth_loom)))]
    pub(super) fn shared(&self) -> &Arc<LayerShared<T>> {
        &self.shared
    }

    /// A reference to the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// A mutable reference to the inner service. Calls made through it carry no token.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P, T, M, B, R> Service<Request<B>> for OAuthClientCredentials<S, P, T, M>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
    T: SelectCache,
    M: Protocol,
{
    type Response = Response<M::Body<R>>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, P, M>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Self { inner, policy, shared, last, .. } = self;
        match shared.select_action(last, &request) {
            Action::Send(token) if P::REPLAYS || token.needs_preparation() => {
                ResponseFuture::sending(token, policy, inner, request)
            }
            // The request is never sent again, so no copy is kept.
            Action::Send(token) => match token.authorize(&mut request) {
                Ok(is_authorized) => {
                    if is_authorized {
                        M::on_authorized(&mut request, &token);
                    }
                    ResponseFuture::calling(inner.call(request), is_authorized.then_some(token))
                }
                Err(why) => ResponseFuture::refused(policy, why, shared.tokens.client()),
            },
            Action::Wait(tokens) => {
                // Drops the ready service, and with it a permit that `poll_ready` may have acquired.
                // The token request may need that permit. The clones hold none.
                let idle = inner.clone();
                *inner = idle.clone();
                ResponseFuture::waiting(policy.clone(), tokens, idle, request)
            }
            Action::Pass => ResponseFuture::calling(inner.call(request), None),
            Action::Refuse(why) => ResponseFuture::refused(policy, why, shared.tokens.client()),
        }
    }
}

/// A clone loads the shared token at its first call, because most clones are called once. A service
/// that is called again keeps its own copy.
impl<S: Clone, P: Clone, T, M> Clone for OAuthClientCredentials<S, P, T, M> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.policy.clone(), Arc::clone(&self.shared))
    }
}

impl<S: fmt::Debug, P, T: fmt::Debug, M> fmt::Debug for OAuthClientCredentials<S, P, T, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClientCredentials")
            .field("inner", &self.inner)
            .field("tokens", &self.shared.tokens)
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}
