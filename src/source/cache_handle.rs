//! A source's reference to the cache that it serves.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use crate::{event::Observer, token::Token};

/// A source's weak reference to a cache. It does not keep the cache alive.
///
/// # Examples
///
/// A source whose tokens are bound to a key that can change:
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use tower_oauth2_client_credentials::{
///     Error, Token, TokenCache, TokenSource,
///     source::{AcquireContext, CacheHandle},
/// };
///
/// #[derive(Clone, Default)]
/// struct Bound(Arc<Mutex<Vec<CacheHandle>>>);
///
/// impl TokenSource for Bound {
///     async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
///         Token::bearer("bound-to-the-key")
///     }
///
///     fn attach(&self, cache: CacheHandle) {
///         self.0.lock().unwrap().push(cache);
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let source = Bound::default();
/// let tokens = TokenCache::new(source.clone());
/// tokens.get().await?;
/// // The key was replaced:
/// source.0.lock().unwrap().iter().for_each(CacheHandle::clear);
/// assert!(tokens.current().is_none());
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct CacheHandle(Weak<dyn CacheControl>);

impl CacheHandle {
    pub(crate) fn new(cache: Weak<dyn CacheControl>) -> Self {
        Self(cache)
    }

    /// Discards the cached token, and every token that was requested before now. Never waits.
    ///
    /// The next request waits for another token.
    pub fn clear(&self) {
        if let Some(cache) = self.0.upgrade() {
            cache.clear();
        }
    }

    /// Offers a token that the cache did not ask for, such as one that another process acquired.
    /// Returns whether the cache uses it. Never waits.
    ///
    /// The cache uses the token at once if all of these hold:
    ///
    /// - It has not expired.
    /// - It is not the cached token again.
    /// - No API rejected it. The cache remembers the last four rejected tokens.
    /// - It was issued after the last [`clear`](Self::clear).
    /// - It was issued later than the cached token, or the cached token is missing or has expired.
    ///
    /// The token counts as issued at its [`issued_at`](Token::with_issued_at), and without one, now.
    /// Requests that wait for an acquisition get the offered token. The acquisition itself goes on;
    /// its result is dropped if it was issued before the offered token, or was rejected. A cooldown
    /// after a failure stays, because an offer says nothing about the authorization server.
    pub fn offer(&self, token: Token) -> bool {
        self.0.upgrade().is_some_and(|cache| cache.offer(token))
    }

    /// The observer of the cache. `None` if the cache was dropped, or is the one that `except` belongs to:
    /// names are compared by pointer, because several caches may have equal ones.
    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store uses it"))]
    pub(crate) fn observer(&self, except: Option<&Arc<str>>) -> Option<Observer> {
        self.0.upgrade()?.observer(except)
    }

    /// Whether the cache was dropped. The handle has no effect then. Each clone of the cache keeps
    /// it alive, and so do layers, services and requests in flight.
    pub fn is_closed(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl fmt::Debug for CacheHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheHandle").field("is_closed", &self.is_closed()).finish()
    }
}

/// The operations of a cache that its source can call.
pub(crate) trait CacheControl: Send + Sync {
    fn clear(self: Arc<Self>);

    fn offer(self: Arc<Self>, token: Token) -> bool;

    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store uses it"))]
    fn observer(&self, except: Option<&Arc<str>>) -> Option<Observer>;
}
