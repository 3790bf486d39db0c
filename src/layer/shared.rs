//! State that the services of a layer share: the cache, the settings and the cached token.

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
    /// A copy of the cached token for each stripe (group of threads), so that threads do not write
    /// to each other's reference counts.
    ///
    /// A replaced token does not stay here: the first thread that stores the next token removes it
    /// from all stripes.
    current: OnceLock<Box<[ArcSwapOption<AuthorizedToken>]>>,
}

/// The tokens of a request that is not sent at once.
#[derive(Debug)]
pub enum RequestTokens {
    /// Shared with the other requests of its layer.
    Shared(Arc<LayerShared<TokenCache>>),
    /// Tokens of this request only, because it has a key or is sent again.
    Single { cache: TokenCache, settings: Arc<Settings> },
}

impl<T> LayerShared<T> {
    pub(crate) fn new(tokens: T, settings: Settings) -> Self {
        Self { tokens, settings: Arc::new(settings), current: OnceLock::new() }
    }
}

impl LayerShared<TokenCache> {
    /// The cached token, if a request can be sent with it without asking the cache.
    #[inline(never)]
    pub(crate) fn fresh(&self, now: Instant) -> Option<Arc<AuthorizedToken>> {
        if let Some(token) = self.current().filter(|token| token.is_fresh(now)) {
            return Some(token);
        }
        self.tokens.fresh(now).map(|snapshot| self.store(snapshot))
    }

    /// A snapshot of the cache, ready for requests.
    pub(crate) fn authorized(&self, snapshot: &Arc<Snapshot>) -> Arc<AuthorizedToken> {
        // A source may return one token twice. The first snapshot of it has expired then.
        let is_usable = |token: &Arc<AuthorizedToken>| {
            token.is_from(snapshot)
                || token.has_token_of(snapshot) && token.is_fresh(Instant::now())
        };
        if let Some(token) = self.current().filter(is_usable) {
            return token;
        }
        // Stored for the other requests that waited, unless it is about to be replaced.
        if snapshot.is_fresh(Instant::now()) && !snapshot.is_replaced() {
            return self.store(Arc::clone(snapshot));
        }
        AuthorizedToken::for_request(Arc::clone(snapshot), &self.tokens, &self.settings)
    }

    #[inline(always)]
    fn current(&self) -> Option<Arc<AuthorizedToken>> {
        self.current.get()?[stripe()].load_full()
    }

    #[cold]
    pub(super) fn store(&self, snapshot: Arc<Snapshot>) -> Arc<AuthorizedToken> {
        let token = AuthorizedToken::for_stripe(snapshot, &self.tokens, &self.settings);
        let empty = || (0..stripes()).map(|_| ArcSwapOption::empty()).collect();
        let slots = self.current.get_or_init(empty);
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

impl RequestTokens {
    /// Returns the tokens of a request that was sent with this token.
    pub(crate) fn after(token: &AuthorizedToken) -> Self {
        Self::Single { cache: token.cache().clone(), settings: Arc::clone(token.settings()) }
    }

    pub(crate) fn cache(&self) -> &TokenCache {
        match self {
            Self::Shared(shared) => &shared.tokens,
            Self::Single { cache, .. } => cache,
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        match self {
            Self::Shared(shared) => &shared.settings,
            Self::Single { settings, .. } => settings,
        }
    }

    /// A snapshot of the cache, ready for requests.
    pub(crate) fn authorized(&self, snapshot: &Arc<Snapshot>) -> Arc<AuthorizedToken> {
        match self {
            Self::Shared(shared) => shared.authorized(snapshot),
            Self::Single { cache, settings } => {
                AuthorizedToken::for_request(Arc::clone(snapshot), cache, settings)
            }
        }
    }
}
