//! The interface between acquiring and caching tokens.

mod cache_handle;
mod sharing;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::time::Instant;

pub(crate) use self::cache_handle::CacheControl;
#[cfg(feature = "store")]
pub(crate) use self::sharing::SharingLimit;
pub use self::{cache_handle::CacheHandle, sharing::Sharing};
use crate::{
    error::Error,
    event::{AcquisitionReason, Observer, UNNAMED},
    timing::Timing,
    token::Token,
};

/// The circumstances of one acquisition.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{
///     Error, Token, TokenSource,
///     event::AcquisitionReason,
///     source::AcquireContext,
/// };
///
/// /// One token, without a cache.
/// async fn acquire(source: &impl TokenSource) -> Result<Token, Error> {
///     source.acquire(AcquireContext::new(AcquisitionReason::Forced)).await
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct AcquireContext {
    /// Why the cache asks.
    pub reason: AcquisitionReason,
    /// Whether to make one attempt only, without retries, because the previous acquisition failed.
    ///
    /// The source reads its credentials again. If this acquisition fails too, the next cooldown is
    /// longer.
    pub single_attempt: bool,
    /// When the cache gives up on the acquisition. `None` means never.
    pub deadline: Option<Instant>,
    /// Receives the events of this acquisition.
    pub observer: Observer,
    /// The name of the OAuth client, for logs and metrics:
    /// [`TokenCache::name`](crate::TokenCache::name).
    pub client: Arc<str>,
    /// The cached token, if an API rejected it. This acquisition replaces it.
    ///
    /// A source that keeps tokens must not return this one again.
    pub rejected: Option<Token>,
    /// The cached token, if it has not expired.
    ///
    /// It is due to be refreshed, or was rejected, or a caller asked for another one.
    pub current: Option<Token>,
    /// When the cache last discarded its token. Tokens that were issued before are of no use to it.
    pub issued_after: Option<Instant>,
    /// The parts of the cache's state and settings that a shared store needs.
    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store reads it"))]
    pub(crate) cache: CacheStatus,
    /// Set when no further attempt may start.
    pub(crate) stop_retries: StopRetries,
}

/// The parts of a cache's state and settings by which `Shared` decides.
#[derive(Clone, Default)]
#[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store reads them"))]
pub(crate) struct CacheStatus {
    /// The token that the cache had, if it has expired or was discarded.
    pub(crate) discarded: Option<Token>,
    /// The last tokens that APIs rejected, also those before the cached one.
    pub(crate) recently_rejected: Vec<Token>,
    /// [`end_cooldown`](crate::TokenCache::end_cooldown) was called since the last acquisition.
    pub(crate) ends_cooldown: bool,
    /// The acquisition counts towards the budget of rejections.
    pub(crate) is_budgeted: bool,
    /// The settings of the cache's schedule.
    pub(crate) timing: Timing,
}

/// Ends the retries of an acquisition: the attempt that is in flight is the last one. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct StopRetries(Arc<AtomicBool>);

impl StopRetries {
    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store uses it"))]
    pub(crate) fn set(&self) {
        self.0.store(true, Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl AcquireContext {
    /// The context of an acquisition outside of any cache.
    #[must_use]
    pub fn new(reason: AcquisitionReason) -> Self {
        Self {
            reason,
            single_attempt: false,
            deadline: None,
            observer: Observer::default(),
            client: Arc::from(UNNAMED),
            rejected: None,
            current: None,
            issued_after: None,
            cache: CacheStatus { is_budgeted: reason.is_early(), ..CacheStatus::default() },
            stop_retries: StopRetries::default(),
        }
    }
}

impl fmt::Debug for AcquireContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcquireContext")
            .field("reason", &self.reason)
            .field("single_attempt", &self.single_attempt)
            .field("deadline", &self.deadline)
            .field("client", &self.client)
            .field("rejected", &self.rejected)
            .finish_non_exhaustive()
    }
}

/// Acquires one token per call. Calls may overlap if caches share the source, or after an acquisition
/// was abandoned.
///
/// [`ClientCredentials`](crate::ClientCredentials) is a source. A closure is one, and so is an
/// [`Arc`] of a source. A decorator, such
/// as a shared store or a counter, is a source around another source; it passes
/// [`attach`](Self::attach), [`name`](Self::name), [`prepare`](Self::prepare),
/// [`sharing`](Self::sharing) and [`adopt`](Self::adopt) on.
///
/// A source need not cache tokens: [`TokenCache`](crate::TokenCache) decides when to acquire, and runs
/// one acquisition at a time. A source that keeps tokens must not return
/// [`rejected`](AcquireContext::rejected) again.
///
/// The future runs in its own task. It may be dropped at any await: when `acquisition_timeout` has
/// passed, or when its runtime ends.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::{Token, TokenCache, source::AcquireContext};
///
/// let cache = TokenCache::new(|_: AcquireContext| async {
///     Ok(Token::bearer("from-somewhere-else")?.with_lifetime(Duration::from_secs(600)))
/// });
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// assert_eq!(cache.get().await?.secret(), "from-somewhere-else");
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// # }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of tokens",
    label = "not a `TokenSource`",
    note = "a source is `ClientCredentials`, an `Arc` of a source, or a closure `Fn(AcquireContext) -> impl Future<Output = Result<Token, Error>> + Send` that is `Send + Sync + 'static`"
)]
pub trait TokenSource: Send + Sync + 'static {
    /// Acquires one token.
    ///
    /// # Errors
    ///
    /// An [`Error`] of any kind. [`Error::from_source`] wraps the error of another library, with
    /// kind [`Source`](crate::ErrorKind::Source).
    fn acquire(&self, context: AcquireContext)
    -> impl Future<Output = Result<Token, Error>> + Send;

    /// Reads a file that [`sharing`](Self::sharing) depends on and that was missing before, such as a
    /// certificate. A shared store calls it before each acquisition. The default does nothing.
    /// A decorator passes it on.
    ///
    /// # Errors
    ///
    /// An [`Error`] of any kind if the file is still missing. It is the result of the acquisition.
    fn prepare(&self, _: &AcquireContext) -> impl Future<Output = Result<(), Error>> + Send {
        std::future::ready(Ok(()))
    }

    /// The name of the OAuth client, for logs and metrics. Default: `oauth`.
    ///
    /// A cache takes its own name from here, unless
    /// [`TokenCacheBuilder::name`](crate::cache::TokenCacheBuilder::name) sets one. It must contain no
    /// secret.
    fn name(&self) -> String {
        UNNAMED.to_owned()
    }

    /// Gives the source a handle of a cache that uses it. Called once per cache, when the cache is
    /// built. The default does nothing.
    ///
    /// A source keeps the handle if its tokens can become worthless all at once, for instance when
    /// the certificate that they are bound to is replaced. A source also keeps the
    /// handle if it receives tokens, such as from another process. A decorator passes the handle on to
    /// the inner source.
    fn attach(&self, cache: CacheHandle) {
        drop(cache);
    }

    /// The properties that determine the token, for processes that share it through a store (feature
    /// `store`). Default: unknown, so that sharing needs a namespace.
    ///
    /// A decorator passes it on, unless it changes the token.
    fn sharing(&self) -> Sharing {
        Sharing::default()
    }

    /// Completes a token that another process acquired from the same source. Default: the token as it
    /// is.
    ///
    /// A source whose tokens are bound to a key adds its proof of possession. A decorator passes the
    /// call on.
    fn adopt(&self, token: Token) -> Token {
        token
    }
}

impl<F, Fut> TokenSource for F
where
    F: Fn(AcquireContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Token, Error>> + Send,
{
    fn acquire(
        &self,
        context: AcquireContext,
    ) -> impl Future<Output = Result<Token, Error>> + Send {
        self(context)
    }
}

/// A source that several caches or decorators share. `TokenSource` is not object-safe, so `S` is sized.
impl<S: TokenSource> TokenSource for Arc<S> {
    fn acquire(
        &self,
        context: AcquireContext,
    ) -> impl Future<Output = Result<Token, Error>> + Send {
        (**self).acquire(context)
    }

    fn prepare(&self, context: &AcquireContext) -> impl Future<Output = Result<(), Error>> + Send {
        (**self).prepare(context)
    }

    fn name(&self) -> String {
        TokenSource::name(&**self)
    }

    fn attach(&self, cache: CacheHandle) {
        TokenSource::attach(&**self, cache);
    }

    fn sharing(&self) -> Sharing {
        TokenSource::sharing(&**self)
    }

    fn adopt(&self, token: Token) -> Token {
        TokenSource::adopt(&**self, token)
    }
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// An object-safe [`TokenSource`]. The box costs nothing next to the network call.
pub(crate) trait ErasedSource: Send + Sync {
    fn acquire_boxed(&self, context: AcquireContext) -> BoxFuture<'_, Result<Token, Error>>;

    fn name(&self) -> String;

    fn attach(&self, cache: CacheHandle);
}

impl<S: TokenSource> ErasedSource for S {
    fn acquire_boxed(&self, context: AcquireContext) -> BoxFuture<'_, Result<Token, Error>> {
        Box::pin(self.acquire(context))
    }

    fn name(&self) -> String {
        TokenSource::name(self)
    }

    fn attach(&self, cache: CacheHandle) {
        TokenSource::attach(self, cache);
    }
}
