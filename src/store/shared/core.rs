//! The parts of a [`Shared`](super::Shared) that do not depend on the type of its source.

use std::sync::Arc;

use super::{entry::Entry, health::Health, settings::Settings};
use crate::{
    error::Error,
    source::{CacheHandle, Sharing},
    store::{identity::entry_id, traits::ErasedStore},
    sync::{Mutex, lock},
    token::Token,
};

/// Adds a proof of possession to a token of another process.
pub(super) type Adopt = dyn Fn(Token) -> Token + Send + Sync;

pub(super) struct Core {
    pub(super) store: Arc<dyn ErasedStore>,
    pub(super) settings: Settings,
    pub(super) health: Health,
    adopt: Box<Adopt>,
    caches: Mutex<Vec<CacheHandle>>,
    /// Another one after the certificate of the source was replaced.
    current: Mutex<Option<Arc<Entry>>>,
}

impl Core {
    pub(super) fn new(
        store: Arc<dyn ErasedStore>,
        settings: Settings,
        adopt: impl Fn(Token) -> Token + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            settings,
            health: Health::default(),
            adopt: Box::new(adopt),
            caches: Mutex::default(),
            current: Mutex::default(),
        }
    }

    /// The entry of a source with these properties now.
    ///
    /// # Errors
    ///
    /// Kind `Config`, if the token cannot be shared.
    pub(super) fn entry(self: &Arc<Self>, sharing: &Sharing) -> Result<Arc<Entry>, Error> {
        let id = entry_id(sharing, self.settings.namespace.as_deref())?;
        let mut current = lock(&self.current);
        if let Some(entry) = current.as_ref().filter(|entry| entry.id == id) {
            return Ok(Arc::clone(entry));
        }
        let entry = Entry::new(id, Arc::downgrade(self));
        *current = Some(Arc::clone(&entry));
        drop(current);
        Ok(entry)
    }

    pub(super) fn attach(&self, cache: CacheHandle) {
        let mut caches = lock(&self.caches);
        caches.retain(|known| !known.is_closed());
        caches.push(cache);
    }

    /// The caches of this process. Cloned, since a cache that is called may run any code.
    pub(super) fn caches(&self) -> Vec<CacheHandle> {
        lock(&self.caches).iter().filter(|it| !it.is_closed()).cloned().collect()
    }

    /// The token, if this process can present it.
    pub(super) fn adopt(&self, token: Token) -> Option<Token> {
        let token = (self.adopt)(token);
        (!token.is_bound() || token.proof().is_some()).then_some(token)
    }
}
