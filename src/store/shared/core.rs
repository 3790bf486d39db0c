//! The parts of a [`Shared`](super::Shared) that do not depend on the type of its source.

use std::sync::Arc;

use super::{health::Health, settings::Settings};
use crate::{
    source::{CacheHandle, Sharing},
    store::{
        identity::entry_id,
        traits::{EntryId, ErasedStore},
    },
    sync::{Mutex, lock},
    token::Token,
};

/// Adds a proof of possession to a token of another process.
pub(super) type Adopt = dyn Fn(Token) -> Token + Send + Sync;

pub(super) struct Core {
    /// A random number, by which failures name the process.
    pub(super) process: u64,
    pub(super) store: Arc<dyn ErasedStore>,
    pub(super) settings: Settings,
    pub(super) health: Health,
    adopt: Box<Adopt>,
    sharing: Box<dyn Fn() -> Sharing + Send + Sync>,
    caches: Mutex<Vec<CacheHandle>>,
}

impl Core {
    pub(super) fn new(
        store: Arc<dyn ErasedStore>,
        settings: Settings,
        adopt: impl Fn(Token) -> Token + Send + Sync + 'static,
        sharing: impl Fn() -> Sharing + Send + Sync + 'static,
    ) -> Self {
        Self {
            process: fastrand::u64(..),
            store,
            settings,
            health: Health::default(),
            adopt: Box::new(adopt),
            sharing: Box::new(sharing),
            caches: Mutex::default(),
        }
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

    /// Whether the source has this entry now: it has another one after its certificate was replaced.
    pub(super) fn has_entry(&self, id: EntryId) -> bool {
        let current = entry_id(&(self.sharing)(), self.settings.namespace.as_deref());
        current.is_ok_and(|current| current == id)
    }

    /// The token, if this process can present it.
    pub(super) fn adopt(&self, token: Token) -> Option<Token> {
        let token = (self.adopt)(token);
        (!token.is_bound() || token.proof().is_some()).then_some(token)
    }
}
