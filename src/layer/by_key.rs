//! Many caches for one layer: a closure picks the key of each request.

use std::{fmt, hash::Hash};

use http::Request;
use tokio::time::Instant;

use super::{
    authorized::AuthorizedToken,
    request_head::RequestHead,
    select::{Decision, LastToken, decide_by_cache, own_authorization, sealed::Decide},
    settings::WithoutToken,
    shared::LayerShared,
};
use crate::{
    cache::KeyedTokenCache,
    event::{Observer, WithheldReason},
    sync::Arc,
};

/// Many caches and the closure that picks one, in an
/// [`OAuthClientCredentialsLayer`](crate::OAuthClientCredentialsLayer) made by
/// [`keyed`](crate::OAuthClientCredentialsLayer::keyed).
pub struct ByKey<K, F> {
    tokens: KeyedTokenCache<K>,
    pick: Arc<F>,
    pub(crate) without_key: WithoutToken,
}

impl<K, F> ByKey<K, F> {
    pub(crate) fn new(tokens: KeyedTokenCache<K>, pick: F) -> Self {
        Self { tokens, pick: Arc::new(pick), without_key: WithoutToken::default() }
    }
}

impl<K, F> Decide for ByKey<K, F>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    F: Fn(&RequestHead<'_>) -> Option<K>,
{
    fn decide<B>(
        shared: &Arc<LayerShared<Self>>,
        _: &mut LastToken,
        request: &Request<B>,
    ) -> Decision {
        let LayerShared { tokens: Self { tokens, pick, without_key }, settings, .. } = &**shared;
        // Before a key is picked: the request needs none, and the key would start a cache.
        if settings.keeps_own_authorization(request) {
            return own_authorization(settings, request, &shared.tokens.observer());
        }
        let Some(key) = pick(&RequestHead::of(request)) else {
            return shared.withhold(request, WithheldReason::NoKey, *without_key);
        };
        // Nothing is shared between requests here, because each may have another key.
        let (cache, settings) = (tokens.cache(&key), Arc::clone(settings));
        match cache.fresh(Instant::now()) {
            Some(snapshot) => {
                let token = AuthorizedToken::for_request(snapshot, cache, settings);
                Decision::Send(Arc::new(token))
            }
            None => decide_by_cache(&Arc::new(LayerShared::for_request(cache, settings)), request),
        }
    }

    /// Such a request has no cache, so no cache's observer sees it.
    fn observer(&self) -> Observer {
        self.tokens.observer()
    }

    fn client(&self) -> &Arc<str> {
        self.tokens.client()
    }
}

impl<K, F> Clone for ByKey<K, F> {
    fn clone(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
            pick: Arc::clone(&self.pick),
            without_key: self.without_key,
        }
    }
}

impl<K, F> fmt::Debug for ByKey<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByKey")
            .field("tokens", &self.tokens)
            .field("without_key", &self.without_key)
            .finish_non_exhaustive()
    }
}
