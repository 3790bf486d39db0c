//! The service: decides on the spot for each request, and hands what must wait to its future.

use std::{
    fmt,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio::time::Instant;
use tower_service::Service;

use crate::{
    authorize::OwnAuthorization,
    cache::TokenCache,
    error::BoxError,
    event::{Observer, WithheldReason},
    future::{Chances, Held, ResponseFuture, send},
    lease::{Shared, View},
    replay::{EmptyBodies, ReplayPolicy},
    settings::{Admission, Elsewhere, HAS_OWN, Settings},
    sync::Arc,
};

/// The service that [`OAuthClientCredentialsLayer`](crate::OAuthClientCredentialsLayer) makes.
///
/// Cloning it clones the inner service and one handle. While a token is fresh that is one of the
/// thread's own, if the service that the layer made is kept: keep it, and clone it for each call. Or
/// hold one across calls, which saves the look for the token.
pub struct OAuthClientCredentials<S, P = EmptyBodies> {
    inner: S,
    view: View<P>,
}

impl<S, P> OAuthClientCredentials<S, P> {
    pub(crate) fn new(inner: S, cache: TokenCache, settings: Settings<P>) -> Self {
        Self { inner, view: View::new(Shared::new(cache, Arc::new(settings))) }
    }

    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn cache(&self) -> &TokenCache {
        self.view.cache()
    }

    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn settings(&self) -> &Settings<P> {
        self.view.settings()
    }

    /// The same around another service.
    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn around<T>(&self, inner: T) -> OAuthClientCredentials<T, P> {
        OAuthClientCredentials { inner, view: self.view.clone() }
    }

    /// The service below.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service below. Calls made through it carry no token.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The service below.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, P, B, R> Service<Request<B>> for OAuthClientCredentials<S, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, P>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let Self { inner, view } = self;
        match view.settings().admit(&request) {
            Admission::Authorize => {}
            Admission::Skip => return ResponseFuture::calling(inner.call(request), None),
            Admission::Withhold(reason) => {
                let (settings, observer) = (view.settings(), view.cache().observer());
                let elsewhere = settings.elsewhere;
                return withhold(settings, observer, inner, request, reason, elsewhere);
            }
        }
        let now = Instant::now();
        let badge = match view.badge(now) {
            Some(badge) => badge,
            None => match view.look_again(now) {
                Some(badge) if !badge.is_bound() => badge,
                Some(bound) => return send(bound, inner, request, Chances::ALL),
                None => return look_closer(view.shared(), inner, request),
            },
        };
        if P::REPLAYS {
            return send(badge, inner, request, Chances::ALL);
        }
        // As `send` does it, but in place: handing the request on is a copy of all of it.
        match badge.authorize(&mut request) {
            Ok(ours) => ResponseFuture::calling(inner.call(request), ours.then_some(badge)),
            Err(why) => ResponseFuture::refused(why),
        }
    }
}

/// The published token was no answer: asks the cache, and waits if there is none.
#[cold]
pub(crate) fn look_closer<S, B, P>(
    shared: &Arc<Shared<P>>,
    inner: &mut S,
    request: Request<B>,
) -> ResponseFuture<S, B, P>
where
    S: Service<Request<B>> + Clone,
    P: ReplayPolicy<B>,
{
    if shared.settings.leaves_alone(&request) {
        return leave_alone(&shared.settings, inner, request);
    }
    if let Some(snapshot) = shared.cache.current_without_wait() {
        return send(shared.badge(&snapshot), inner, request, Chances::ALL);
    }
    // Nothing stays reserved while the request waits: `inner` may hold a permit that the token
    // transport needs too. A clone holds none.
    let idle = inner.clone();
    *inner = idle.clone();
    ResponseFuture::waiting(Held { shared: Arc::clone(shared), service: idle, request })
}

/// For a request that must not carry the token.
#[cold]
pub(crate) fn withhold<S, B, P>(
    settings: &Settings<P>,
    observer: &Observer,
    inner: &mut S,
    request: Request<B>,
    reason: WithheldReason,
    elsewhere: Elsewhere,
) -> ResponseFuture<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    let refused = elsewhere == Elsewhere::Refuse;
    settings.report_withheld(&request, reason, refused, observer);
    if refused {
        return ResponseFuture::refused(reason.explanation());
    }
    ResponseFuture::calling(inner.call(request), None)
}

/// For a request with an authorization field of its own.
pub(crate) fn leave_alone<S, B, P>(
    settings: &Settings<P>,
    inner: &mut S,
    request: Request<B>,
) -> ResponseFuture<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    match settings.own {
        OwnAuthorization::Refuse => ResponseFuture::refused(HAS_OWN),
        _ => ResponseFuture::calling(inner.call(request), None),
    }
}

impl<S: Clone, P> Clone for OAuthClientCredentials<S, P> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), view: self.view.clone() }
    }
}

impl<S: fmt::Debug, P> fmt::Debug for OAuthClientCredentials<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClientCredentials")
            .field("inner", &self.inner)
            .field("cache", self.view.cache())
            .field("settings", self.view.settings())
            .finish_non_exhaustive()
    }
}
