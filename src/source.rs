//! The seam between how a token is got and how it is kept.

use std::{fmt, future::Future, pin::Pin};

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
    /// The last acquisition failed, so this is a probe: make one attempt, read credentials
    /// anew, and leave the spacing of further attempts to the cache.
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
}

impl<S: TokenSource> ErasedSource for S {
    fn acquire_boxed(&self, acquire: Acquire) -> BoxFuture<'_, Result<Token, Error>> {
        Box::pin(self.acquire(acquire))
    }
}
