//! The seam between how a token is got and how it is kept.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
};

use tokio::time::Instant;

use crate::{
    error::Error,
    event::{Observer, Reason},
    token::Token,
};

/// What a source is told about the acquisition it is asked for.
#[derive(Clone)]
#[non_exhaustive]
pub struct Acquire {
    /// Why the cache asks.
    pub reason: Reason,
    /// The authorization server failed last time, so this is a probe: make one attempt, read
    /// credentials anew, and leave the spacing of further attempts to the cache.
    pub single_attempt: bool,
    /// When the cache gives the acquisition up. `None`: nobody does.
    pub deadline: Option<Instant>,
    /// Where the source reports what happens inside one acquisition.
    pub observer: Observer,
}

impl Acquire {
    /// An acquisition of its own, outside any cache.
    pub fn new(reason: Reason) -> Self {
        Self { reason, single_attempt: false, deadline: None, observer: Observer::default() }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire")
            .field("reason", &self.reason)
            .field("single_attempt", &self.single_attempt)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// One acquisition of one token.
///
/// [`ClientCredentials`](crate::ClientCredentials) is a source, a closure is one, and a
/// decorator (a shared store, a counter) is a source around another. A source keeps nothing:
/// [`TokenCache`](crate::TokenCache) decides when to ask, and never asks twice at once.
///
/// The future runs in a task of its own and may be dropped at any await, when its bound is over
/// or its runtime ends.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::{Acquire, Token, TokenCache};
///
/// let cache = TokenCache::new(|_: Acquire| async {
///     Ok(Token::bearer("from-somewhere-else")?.with_lifetime(Duration::from_secs(600)))
/// });
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// assert_eq!(cache.get().await?.secret(), "from-somewhere-else");
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// # }).unwrap();
/// ```
pub trait TokenSource: Send + Sync + 'static {
    /// Gets one token.
    ///
    /// # Errors
    ///
    /// Whatever went wrong, as an [`Error`]; [`Error::from_source`] wraps a foreign one.
    fn acquire(&self, acquire: Acquire) -> impl Future<Output = Result<Token, Error>> + Send;

    /// Each cache calls this once, when it is made. A source whose tokens can become worthless all
    /// at once (they are bound to a certificate or key that was replaced) keeps the withdrawal to
    /// use it then; a decorator passes it on to the source inside. Default: nothing.
    fn attach(&self, withdrawal: Withdrawal) {
        drop(withdrawal);
    }
}

/// Takes back the tokens that a source gave to one cache.
///
/// # Examples
///
/// A source whose tokens are bound to a key that can change:
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use tower_oauth2_client_credentials::{Acquire, Error, Token, TokenCache, TokenSource, Withdrawal};
///
/// #[derive(Clone, Default)]
/// struct Bound(Arc<Mutex<Vec<Withdrawal>>>);
///
/// impl TokenSource for Bound {
///     async fn acquire(&self, _: Acquire) -> Result<Token, Error> {
///         Token::bearer("bound-to-the-key")
///     }
///
///     fn attach(&self, withdrawal: Withdrawal) {
///         self.0.lock().unwrap().push(withdrawal);
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let source = Bound::default();
/// let tokens = TokenCache::new(source.clone());
/// tokens.get().await?;
/// // The key was replaced:
/// source.0.lock().unwrap().iter().for_each(Withdrawal::withdraw);
/// assert!(tokens.current().is_none());
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Withdrawal(Weak<dyn Withdraw>);

impl Withdrawal {
    pub(crate) fn from_cache(cache: Weak<dyn Withdraw>) -> Self {
        Self(cache)
    }

    /// The cache no longer uses the token at hand, nor one whose request was sent before now: its
    /// next request waits for another. Never waits itself.
    pub fn withdraw(&self) {
        if let Some(cache) = self.0.upgrade() {
            cache.withdraw();
        }
    }

    /// Whether the last handle of the cache is gone, so that there is nothing to withdraw.
    pub fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }
}

impl fmt::Debug for Withdrawal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Withdrawal").field("is_over", &self.is_over()).finish()
    }
}

/// What keeps tokens.
pub(crate) trait Withdraw: Send + Sync {
    fn withdraw(self: Arc<Self>);
}

impl<F, Fut> TokenSource for F
where
    F: Fn(Acquire) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Token, Error>> + Send,
{
    fn acquire(&self, acquire: Acquire) -> impl Future<Output = Result<Token, Error>> + Send {
        self(acquire)
    }
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`TokenSource`] with its future boxed: an acquisition is a network call, so one box is nothing.
pub(crate) trait ErasedSource: Send + Sync {
    fn acquire_boxed(&self, acquire: Acquire) -> BoxFuture<'_, Result<Token, Error>>;

    fn attach(&self, withdrawal: Withdrawal);
}

impl<S: TokenSource> ErasedSource for S {
    fn acquire_boxed(&self, acquire: Acquire) -> BoxFuture<'_, Result<Token, Error>> {
        Box::pin(self.acquire(acquire))
    }

    fn attach(&self, withdrawal: Withdrawal) {
        TokenSource::attach(self, withdrawal);
    }
}
