//! Many tokens: one cache for each key.
//!
//! What is found quickly (`at_hand`) is bounded and drops what is not used. What must not be lost
//! with it is in the register: which caches are still alive, so that no key ever has two of them,
//! and the pauses of those that are gone.

mod builder;
mod register;
mod source;
#[cfg(all(test, not(oauth_loom)))]
mod tests;
mod turns;

use std::{
    cell::RefCell,
    fmt,
    hash::{Hash, RandomState},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use quick_cache::{UnitWeighter, sync::Cache};
use tokio::time::Instant;

pub use self::builder::KeyedTokenCacheBuilder;
pub(super) use self::register::Place;
use self::{
    builder::Each,
    register::Register,
    source::{KeyedSource, Sources},
};
use super::{Get, TokenCache, TokenCacheBuilder};
use crate::{
    error::Error,
    source::TokenSource,
    sync::{Arc, Mutex, lock},
    token::Token,
};

/// An idle time is so many ticks, and a use is noted once a tick: so that lookups of one key by
/// many threads seldom write to what they share.
const TICKS: u32 = 8;

/// Keeps many tokens: a [`TokenCache`] for each key, made when the key is first asked for.
///
/// For clients that call on behalf of many tenants, or with many scopes, audiences or resources. A
/// handle: clone it freely, every clone is the same.
///
/// The key is all that a source learns about a request. So it must hold *everything that changes
/// the token*: the tenant and the scope, if both do. Nothing of one key is ever used for another.
///
/// * A key has one cache at any time, and so one acquisition at a time.
/// * It is bounded: above the capacity the caches least in use are dropped, and so are those
///   that nobody asked for in the idle time. One that is still in use elsewhere stays that key's.
/// * Cooldowns after failures, and the budget of rejections, outlive a cache that was dropped. So
///   no load on other keys resets them.
/// * At most 16 acquisitions run at once. Others wait in line for their turn, at most for half of
///   their bound (`acquisition_timeout`), so that those that get one have time enough; then they
///   fail as [`Crowded`](crate::ErrorKind::Crowded). More than the capacity don't wait: they fail
///   at once.
///
/// `K`'s `Hash`, `Eq`, `Clone` and `Drop` run under locks of this cache: they must not use it, nor
/// panic. A source must not ask its own keyed cache for another key: it would hold a turn while it
/// waits for one. Give what it needs a cache of its own.
///
/// There is no task behind it: what is idle is dropped when any key is asked for.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{Acquire, KeyedTokenCache, Token};
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct Tenant(String);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
/// let tokens = KeyedTokenCache::new(|tenant: &Tenant| {
///     // Most often this builds `ClientCredentials`, with this tenant's parameters.
///     let token = format!("token-of-{}", tenant.0);
///     Ok(move |_: Acquire| std::future::ready(Token::bearer(token.as_str())))
/// });
/// let [a, b] = ["a", "b"].map(|name| Tenant(name.into()));
/// assert_eq!(tokens.get(&a).await?.secret(), "token-of-a");
/// assert!(tokens.current(&b).is_none());
/// # Ok(())
/// # }
/// ```
pub struct KeyedTokenCache<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    // SipHash: a key may come from whoever sent a request.
    at_hand: Cache<K, TokenCache, UnitWeighter, RandomState>,
    register: Mutex<Register<K>>,
    sources: Arc<Sources<K>>,
    each: Box<Each<K>>,
    began: Instant,
    tick: Duration,
    /// The tick in which what is idle was last looked for.
    swept: AtomicU32,
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> KeyedTokenCache<K> {
    /// A cache that makes a source for each key, with the default settings.
    ///
    /// The closure runs within a key's acquisition, until it has succeeded once. Its failure is
    /// that acquisition's: remembered, and tried again after the pause. Let all sources
    /// share one transport.
    pub fn new<S: TokenSource>(
        source: impl Fn(&K) -> Result<S, Error> + Send + Sync + 'static,
    ) -> Self {
        Self::builder(source).build()
    }

    /// The same, with settings of your own.
    pub fn builder<S: TokenSource>(
        source: impl Fn(&K) -> Result<S, Error> + Send + Sync + 'static,
    ) -> KeyedTokenCacheBuilder<K> {
        KeyedTokenCacheBuilder::new(source)
    }

    /// This key's cache. Nothing is acquired by asking for it.
    ///
    /// It may be kept; for as long as it is, it stays this key's cache.
    pub fn cache(&self, key: &K) -> TokenCache {
        let now = Instant::now();
        let ticks = self.inner.ticks(now);
        let at_hand = self.inner.at_hand.get(key);
        let cache = at_hand.unwrap_or_else(|| self.inner.admit(key, ticks, now));
        if let Some(place) = &cache.shared.place {
            place.touch(ticks);
        }
        if self.inner.swept.load(Relaxed) < ticks {
            self.inner.sweep(ticks, now);
        }
        cache
    }

    /// A token for this key: the one at hand, or the next one.
    ///
    /// # Errors
    ///
    /// As [`TokenCache::get`]; also the failure of the closure that makes the source, and
    /// [`Crowded`](crate::ErrorKind::Crowded) if too many acquisitions of other keys were ahead.
    pub fn get(&self, key: &K) -> Get {
        self.cache(key).get()
    }

    /// The token at hand for this key, as [`TokenCache::current`]. Never waits.
    pub fn current(&self, key: &K) -> Option<Token> {
        let cache = self.inner.known(key)?;
        // A use like any other.
        if let Some(place) = &cache.shared.place {
            place.touch(self.inner.ticks(Instant::now()));
        }
        cache.current()
    }

    /// Tells the key's cache that an API rejected this token, as [`TokenCache::invalidate`].
    pub fn invalidate(&self, key: &K, rejected: &Token) {
        if let Some(cache) = self.inner.known(key) {
            cache.invalidate(rejected);
        }
    }

    /// Forgets a key's token, for instance of a tenant who is gone. Pauses after failures stay.
    ///
    /// A cache that is still in use elsewhere, by a request under way, stays this key's with the
    /// source it has, and one that is kept warm gets another token.
    pub fn remove(&self, key: &K) {
        let known = self.inner.known(key);
        self.inner.at_hand.remove(key);
        if let Some(cache) = known {
            cache.drop_token();
        }
    }

    /// How many caches are at hand.
    pub fn len(&self) -> usize {
        self.inner.at_hand.len()
    }

    /// Whether no cache is at hand.
    pub fn is_empty(&self) -> bool {
        self.inner.at_hand.is_empty()
    }
}

impl<K: Clone + Eq + Hash + Send + Sync + 'static> Inner<K> {
    fn ticks(&self, now: Instant) -> u32 {
        let ticks = now.saturating_duration_since(self.began).as_millis() / self.tick.as_millis();
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// The key's cache, if it has one.
    fn known(&self, key: &K) -> Option<TokenCache> {
        self.at_hand.get(key).or_else(|| lock(&self.register).in_use(key))
    }

    /// The cache of a key that is not at hand: one that is still in use, or another.
    #[cold]
    fn admit(&self, key: &K, ticks: u32, now: Instant) -> TokenCache {
        let in_use = lock(&self.register).in_use(key);
        let cache = in_use.unwrap_or_else(|| {
            // Made outside of the lock, as the user's code runs in it; another thread may be first.
            let source = KeyedSource::new(key.clone(), Arc::clone(&self.sources));
            let builder = (self.each)(key, TokenCacheBuilder::new(source));
            let candidate = builder.build_at(Place::new(ticks));
            lock(&self.register).admit(key, &candidate, now)
        });
        self.at_hand.insert(key.clone(), cache.clone());
        cache
    }

    /// Drops what nobody asked for in the idle time.
    #[cold]
    fn sweep(&self, ticks: u32, now: Instant) {
        if self.swept.fetch_max(ticks, Relaxed) >= ticks {
            return;
        }
        // They are dropped outside of the lock, and with them whatever a source holds.
        let idle = RefCell::new(Vec::new());
        self.at_hand.retain(|_, cache| {
            let used = cache.shared.place.as_ref().is_some_and(|it| it.used() + TICKS >= ticks);
            if !used {
                idle.borrow_mut().push(cache.clone());
            }
            used
        });
        drop(idle);
        lock(&self.register).prune(now);
    }
}

impl<K> Clone for KeyedTokenCache<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K> fmt::Debug for KeyedTokenCache<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedTokenCache").finish_non_exhaustive()
    }
}
