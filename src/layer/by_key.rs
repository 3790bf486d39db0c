//! Many caches for one layer: a closure picks the key of each request.

use std::{fmt, hash::Hash};

use http::Request;
use tokio::time::Instant;

use super::{
    authorized::AuthorizedToken,
    request_head::RequestHead,
    select::{Action, LastToken, existing_authorization, sealed::SelectAction, select_by_cache},
    settings::WithoutToken,
    shared::{LayerShared, RequestTokens},
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

impl<K, F> SelectAction for ByKey<K, F>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    F: Fn(&RequestHead<'_>) -> Option<K>,
{
    fn select<B>(
        shared: &Arc<LayerShared<Self>>,
        _: &mut LastToken,
        request: &Request<B>,
    ) -> Action {
        let LayerShared { tokens: Self { tokens, pick, without_key }, settings, .. } = &**shared;
        // Checked first: such a request needs no token, and a key would create a cache.
        if settings.keeps_existing_authorization(request) {
            return existing_authorization(settings, request, shared.tokens.observer());
        }
        let Some(key) = pick(&RequestHead::of(request)) else {
            return shared.withhold(request, WithheldReason::NoKey, *without_key);
        };
        // Made for each request, because each may have another key.
        let (cache, settings) = (tokens.cache(&key), Arc::clone(settings));
        // The clock is read after the lookup, because the lookup can run user code.
        match cache.fresh(Instant::now()) {
            Some(snapshot) => {
                Action::Send(AuthorizedToken::for_request(snapshot, &cache, &settings))
            }
            None => select_by_cache(RequestTokens::Single { cache, settings }, request),
        }
    }

    /// A request without a key has no cache. The observer of the keyed cache receives its events.
    fn observer(&self) -> &Observer {
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
