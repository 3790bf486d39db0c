//! State that the services of a layer share: the cache, the settings and the current token.

use std::sync::OnceLock;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::{authorized::AuthorizedToken, settings::Settings};
use crate::{
    cache::{Snapshot, TokenCache},
    sync::{Arc, stripe, stripes},
};

/// State that the services of a layer share. `T` selects the cache.
// The alignment keeps the reference count, which clones of a service write to, away from the rest.
#[derive(Debug)]
#[repr(align(128))]
pub struct LayerShared<T> {
    pub(crate) tokens: T,
    pub(crate) settings: Arc<Settings>,
    current: CurrentToken,
}

/// The current token, once for each stripe of threads, so that threads do not write to each
/// other's reference counts.
///
/// A replaced token does not stay here: the first thread that stores the next token removes it from
/// all stripes.
#[derive(Debug)]
enum CurrentToken {
    Striped(OnceLock<Box<[ArcSwapOption<AuthorizedToken>]>>),
    /// For a single request, which uses its token once.
    None,
}

impl<T> LayerShared<T> {
    pub(crate) fn new(tokens: T, settings: Settings) -> Self {
        let current = CurrentToken::Striped(OnceLock::new());
        Self { tokens, settings: Arc::new(settings), current }
    }
}

impl LayerShared<TokenCache> {
    /// For a single request that cannot use the state of its layer: one of a keyed cache, or a replay.
    pub(crate) fn for_request(cache: TokenCache, settings: Arc<Settings>) -> Self {
        Self { tokens: cache, settings, current: CurrentToken::None }
    }

    pub(crate) fn cache(&self) -> &TokenCache {
        &self.tokens
    }

    /// The current token, if a request can be sent with it without asking the cache.
    #[inline(never)]
    pub(crate) fn fresh(&self, now: Instant) -> Option<Arc<AuthorizedToken>> {
        let current = self.current.load();
        if let Some(token) = current.filter(|token| token.is_fresh(now)) {
            return Some(token);
        }
        self.cache().fresh(now).map(|snapshot| self.store(snapshot))
    }

    /// A snapshot of the cache, ready for requests.
    pub(crate) fn authorized(&self, snapshot: &Arc<Snapshot>) -> Arc<AuthorizedToken> {
        if let Some(token) = self.current.load().filter(|token| token.has_token_of(snapshot)) {
            return token;
        }
        // Stored for the other requests that waited, unless it is about to be replaced.
        if snapshot.is_fresh(Instant::now()) && !snapshot.is_replaced() {
            return self.store(Arc::clone(snapshot));
        }
        self.for_single_use(Arc::clone(snapshot))
    }

    fn for_single_use(&self, snapshot: Arc<Snapshot>) -> Arc<AuthorizedToken> {
        let (cache, settings) = (self.tokens.clone(), Arc::clone(&self.settings));
        Arc::new(AuthorizedToken::for_request(snapshot, cache, settings))
    }

    #[cold]
    pub(super) fn store(&self, snapshot: Arc<Snapshot>) -> Arc<AuthorizedToken> {
        let CurrentToken::Striped(slots) = &self.current else {
            return self.for_single_use(snapshot);
        };
        let (cache, settings) = (self.tokens.clone(), Arc::clone(&self.settings));
        let token = Arc::new(AuthorizedToken::for_stripe(snapshot, cache, settings));
        let slots = slots.get_or_init(|| (0..stripes()).map(|_| ArcSwapOption::empty()).collect());
        slots[stripe()].store(Some(Arc::clone(&token)));
        for slot in slots {
            // Empty slots are written too. A thread that stores an older token into one afterwards
            // then sees that its token was replaced, and removes it below.
            if slot.load().as_ref().is_none_or(|other| !other.shares_snapshot_with(&token)) {
                slot.store(None);
            }
        }
        if token.is_replaced() {
            slots[stripe()].store(None);
        }
        token
    }
}

impl CurrentToken {
    #[inline(always)]
    fn load(&self) -> Option<Arc<AuthorizedToken>> {
        match self {
            Self::Striped(slots) => slots.get()?[stripe()].load_full(),
            Self::None => None,
        }
    }
}
