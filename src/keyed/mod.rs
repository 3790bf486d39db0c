//! The layer's form for many tokens: a closure picks the key of each request.

mod head;
mod service;

use std::fmt;

pub use self::{head::RequestHead, service::KeyedOAuthClientCredentials};
use crate::{cache::KeyedTokenCache, settings::Elsewhere, sync::Arc};

/// Many tokens and how one is picked, in an
/// [`OAuthClientCredentialsLayer`](crate::OAuthClientCredentialsLayer) that was made by
/// [`keyed`](crate::OAuthClientCredentialsLayer::keyed).
pub struct ByKey<K, F> {
    tokens: KeyedTokenCache<K>,
    pick: Arc<F>,
    pub(crate) without_key: Elsewhere,
}

impl<K, F> ByKey<K, F> {
    pub(crate) fn new(tokens: KeyedTokenCache<K>, pick: F) -> Self {
        Self { tokens, pick: Arc::new(pick), without_key: Elsewhere::default() }
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
