//! The service for many tokens: as the other, with a cache that is picked for each request.

use std::{
    fmt,
    hash::Hash,
    task::{Context, Poll},
};

use http::{Request, Response};
use tokio::time::Instant;
use tower_service::Service;

use super::{ByKey, RequestHead};
use crate::{
    error::BoxError,
    event::{Observer, WithheldReason},
    future::{Chances, ResponseFuture, send},
    lease::{Badge, Shared},
    replay::{EmptyBodies, ReplayPolicy},
    service::{leave_alone, look_closer, withhold},
    settings::{Admission, Settings},
    sync::Arc,
};

/// The service that an [`OAuthClientCredentialsLayer`](crate::OAuthClientCredentialsLayer) makes which
/// was made by [`keyed`](crate::OAuthClientCredentialsLayer::keyed).
///
/// A request that is under way keeps its key's cache in use.
pub struct KeyedOAuthClientCredentials<S, K, F, P = EmptyBodies> {
    inner: S,
    by_key: ByKey<K, F>,
    settings: Arc<Settings<P>>,
}

impl<S, K, F, P> KeyedOAuthClientCredentials<S, K, F, P> {
    pub(crate) fn new(inner: S, by_key: ByKey<K, F>, settings: Settings<P>) -> Self {
        Self { inner, by_key, settings: Arc::new(settings) }
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

impl<S, K, F, P, B, R> Service<Request<B>> for KeyedOAuthClientCredentials<S, K, F, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    K: Clone + Eq + Hash + Send + Sync + 'static,
    F: Fn(&RequestHead<'_>) -> Option<K>,
    P: ReplayPolicy<B>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = ResponseFuture<S, B, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { inner, by_key, settings } = self;
        // Events about requests without a key have no cache whose observer could see them.
        let observer = Observer::default();
        match settings.admit(&request) {
            Admission::Authorize => {}
            Admission::Skip => return ResponseFuture::calling(inner.call(request), None),
            Admission::Withhold(reason) => {
                return withhold(settings, &observer, inner, request, reason, settings.elsewhere);
            }
        }
        // Before it is asked for a key: it needs none, and its key no cache.
        if settings.leaves_alone(&request) {
            return leave_alone(settings, inner, request);
        }
        let Some(key) = (by_key.pick)(&RequestHead::of(&request)) else {
            let (reason, elsewhere) = (WithheldReason::NoKey, by_key.without_key);
            return withhold(settings, &observer, inner, request, reason, elsewhere);
        };
        // Of this request alone: requests of many keys have little to share.
        let (cache, settings) = (by_key.tokens.cache(&key), Arc::clone(settings));
        match cache.fresh(Instant::now()) {
            Some(snapshot) => {
                let header = snapshot.token().header_value();
                let badge = Badge::for_one(header, snapshot, cache, settings);
                send(Arc::new(badge), inner, request, Chances::ALL)
            }
            None => {
                let shared = Shared::for_one(cache, settings);
                look_closer(&Arc::new(shared), inner, request)
            }
        }
    }
}

impl<S: Clone, K, F, P> Clone for KeyedOAuthClientCredentials<S, K, F, P> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            by_key: self.by_key.clone(),
            settings: Arc::clone(&self.settings),
        }
    }
}

impl<S: fmt::Debug, K, F, P> fmt::Debug for KeyedOAuthClientCredentials<S, K, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedOAuthClientCredentials")
            .field("inner", &self.inner)
            .field("by_key", &self.by_key)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
