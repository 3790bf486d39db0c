//! The public cache.

use std::{
    fmt,
    task::{Context, Poll},
};

use tokio::time::Instant;

use super::{
    blocking,
    get::{Get, Replacement},
    inner::CacheInner,
    readiness::Readiness,
    readiness_watch::ReadinessWatch,
    snapshot::Snapshot,
    state::{Rejection, Requirement},
    token_wait::TokenWait,
};
use crate::{error::Error, event::Observer, source::CacheControl, sync::Arc, token::Token};

/// Caches one token and replaces it in time.
///
/// Clones are cheap and share the token. Share one cache between all layers and HTTP clients that use
/// the same client id and scope.
///
/// An *acquisition* gets one token from the source: a token request, with its retries.
///
/// * While a valid token is cached, no request waits, except up to 1 s after a rejection or a
///   suspend. A refresh runs in the background.
/// * At most one acquisition is in flight, for any number of callers. It runs in its own task,
///   so the caller that started it may be dropped.
/// * Failures are shared and remembered. The number of token requests follows the backoff schedule,
///   not the traffic.
/// * An idle cache requests no token.
///
/// A cache belongs to no runtime: one in a `static` serves one runtime after another.
///
/// # Reading the token
///
/// [`peek`](Self::peek) has no effects. [`current`](Self::current) may start a refresh, and never
/// waits. [`get`](Self::get) waits for a token if none is cached.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::{Token, TokenCache, source::AcquireContext};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
/// let tokens = TokenCache::new(|_: AcquireContext| async {
///     Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(3600)))
/// });
/// assert!(tokens.current().is_none());
/// assert_eq!(tokens.get().await?.secret(), "abc");
/// assert!(tokens.current().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenCache {
    pub(super) inner: Arc<CacheInner>,
}

impl TokenCache {
    /// The name of the OAuth client, in events, errors and metrics. Default:
    /// [`TokenSource::name`](crate::TokenSource::name). A second live cache of the same name has `#2`
    /// after it.
    pub fn name(&self) -> &str {
        self.inner.name.get()
    }

    /// The cached token, if it has not expired. Has no effects.
    ///
    /// Does not check whether the machine was suspended. [`current`](Self::current) and
    /// [`get`](Self::get) do.
    pub fn peek(&self) -> Option<Token> {
        let snapshot = self.inner.snapshot.load();
        let unexpired = snapshot.as_ref().filter(|it| Instant::now() < it.expires_at);
        unexpired.map(|snapshot| self.inner.clone_token(snapshot))
    }

    /// The cached token, if it has not expired. Never waits.
    ///
    /// Within a tokio runtime it also starts the refresh in the background when that is due.
    pub fn current(&self) -> Option<Token> {
        self.current_at(Instant::now())
    }

    /// Same as [`current`](Self::current), for a caller that has read the clock.
    pub(super) fn current_at(&self, now: Instant) -> Option<Token> {
        if let Some(snapshot) = self.inner.fresh(now) {
            return snapshot.as_ref().map(|snapshot| self.inner.clone_token(snapshot));
        }
        let snapshot = self.inner.current(Requirement::Unexpired);
        snapshot.map(|snapshot| self.inner.clone_token(&snapshot))
    }

    /// Returns the cached token, or waits for one.
    ///
    /// # Errors
    ///
    /// - If the acquisition fails, its error, which all callers that waited for it share.
    /// - During a cooldown it fails at once with the last error.
    /// - Kind [`WaitTimeout`](crate::ErrorKind::WaitTimeout) after this caller's own deadline.
    /// - Kind [`Runtime`](crate::ErrorKind::Runtime) outside of a tokio runtime, if no token is
    ///   cached.
    pub fn get(&self) -> Get {
        Get::new(Arc::clone(&self.inner))
    }

    /// Returns the cached token, or blocks the calling thread until there is one:
    /// [`get`](Self::get) for programs without a runtime.
    ///
    /// The first call that needs a token starts a thread with a current-thread runtime. It serves all
    /// caches of the process, and also refreshes tokens in the background. A cached token is returned
    /// without it.
    ///
    /// # Errors
    ///
    /// Same errors as [`get`](Self::get). Also kind [`Runtime`](crate::ErrorKind::Runtime) inside
    /// an async context, which the call would block, and if the thread cannot be started.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{Error, Token, TokenCache, source::AcquireContext};
    ///
    /// fn main() -> Result<(), Error> {
    ///     let tokens = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
    ///     assert_eq!(tokens.get_blocking()?.secret(), "abc");
    ///     Ok(())
    /// }
    /// ```
    pub fn get_blocking(&self) -> Result<Token, Error> {
        let named = |error: Error| error.with_client(self.client());
        blocking::check_outside_of_runtimes().map_err(named)?;
        if let Some(snapshot) = self.inner.fresh(Instant::now()).as_deref().and_then(Option::as_ref)
        {
            return Ok(self.inner.clone_token(snapshot));
        }
        blocking::block_on(self.get()).map_err(named)
    }

    /// Acquires the first token before the first request, at startup.
    ///
    /// # Errors
    ///
    /// Same errors as [`get`](Self::get). The cache recovers by itself, so a service may start
    /// after a failure.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.get().await.map(drop)
    }

    /// Reports that an API rejected this token (401). Never waits.
    ///
    /// One acquisition is started for it, unless the rejection budget
    /// ([`rejection_interval`](crate::cache::TokenCacheBuilder::rejection_interval)) is used up.
    /// The token stays in use until another one is cached. A token that is not the cached one is
    /// ignored.
    pub fn invalidate(&self, rejected: &Token) {
        self.invalidate_at(rejected, None);
    }

    /// Like [`invalidate`](Self::invalidate), and waits for another token to replay the request
    /// with. Resolves to `None` if no other token is available. Return the API's response then.
    pub fn replacement(&self, rejected: &Token) -> Replacement {
        self.replacement_at(rejected, None)
    }

    /// Acquires a new token although the cached one may be valid, for instance after the client was
    /// granted more.
    ///
    /// It draws on the rejection budget. If that is used up, or if the acquisition fails, a cached
    /// token that is still valid is returned. Other callers use the old token in the meantime.
    ///
    /// # Errors
    ///
    /// Same errors as [`get`](Self::get), if no valid token is cached.
    pub async fn force_refresh(&self) -> Result<Token, Error> {
        match self.inner.force_refresh() {
            Rejection::Wait(acquisition) => {
                let mut get = self.get();
                get.join(acquisition);
                get.await
            }
            _ => self.get().await,
        }
    }

    /// Ends the cooldown after a failed acquisition, so that the next request tries again at once. It
    /// also ends a cooldown that the server asked for by `Retry-After`. Returns whether there was one.
    ///
    /// It is for an operator who fixed the cause, such as a wrong secret, and does not want to wait.
    /// It has no effect while an attempt is in flight, and none within 1 s after it last ended a
    /// cooldown. So calls in a loop do not flood the authorization server.
    pub fn end_cooldown(&self) -> bool {
        self.inner.end_cooldown()
    }

    /// Discards the cached token, and the one of a token request in flight. The next request waits for
    /// another token.
    ///
    /// It is for tokens that became worthless, for instance because the certificate that they are
    /// bound to was replaced. For a token that an API rejected use
    /// [`invalidate`](Self::invalidate), which draws on the rejection budget and lets other
    /// requests continue. Cooldowns and the rejection budget do not change.
    pub fn clear(&self) {
        CacheControl::clear(Arc::clone(&self.inner));
    }

    /// The readiness now. Requests no token, and never waits.
    ///
    /// It changes with events and with time, and an idle cache has no events. It is
    /// [`Idle`](Readiness::Idle) once its token has expired. After an outage it stays
    /// [`Failed`](Readiness::Failed) until a request, [`warm_up`](Self::warm_up) or
    /// [`keep_warm`](crate::cache::TokenCacheBuilder::keep_warm) starts an acquisition. A readiness
    /// probe that takes an instance out of service also takes away the requests that would start one.
    /// Use `keep_warm`, or call `warm_up` in the readiness probe.
    pub fn readiness(&self) -> Readiness {
        self.inner.readiness().readiness
    }

    /// Watches the readiness. The watch does not keep the cache alive or warm.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{
    ///     Token, TokenCache, cache::Readiness, source::AcquireContext,
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
    /// # let source = |_: AcquireContext| async { Token::bearer("abc") };
    /// let tokens = TokenCache::builder(source).keep_warm(true).build();
    /// let mut watch = tokens.subscribe();
    /// assert_eq!(watch.current(), Some(Readiness::Idle));
    /// let probe = tokio::spawn(async move {
    ///     while let Some(readiness) = watch.changed().await {
    ///         println!("now {readiness:?}"); // notify a load balancer, or `tonic-health`
    ///     }
    /// });
    /// tokens.warm_up().await?;
    /// assert_eq!(tokens.readiness(), Readiness::Ready);
    /// drop(tokens);
    /// probe.await.unwrap();
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self) -> ReadinessWatch {
        ReadinessWatch::new(&self.inner)
    }

    /// Same as [`invalidate`](Self::invalidate), with the origin of the API.
    pub(crate) fn invalidate_at(&self, rejected: &Token, origin: Option<String>) {
        self.inner.reject(rejected, origin);
    }

    /// Same as [`replacement`](Self::replacement), with the origin of the API.
    pub(crate) fn replacement_at(&self, rejected: &Token, origin: Option<String>) -> Replacement {
        Replacement::new(Arc::clone(&self.inner), rejected.clone(), origin)
    }

    /// The snapshot, if a request may use it without the lock.
    pub(crate) fn fresh(&self, now: Instant) -> Option<Arc<Snapshot>> {
        self.inner.fresh(now).as_deref().cloned().flatten()
    }

    /// The cached token for a request that need not wait. Starts a refresh that is due, and no other
    /// acquisition.
    pub(crate) fn current_without_wait(&self) -> Option<Arc<Snapshot>> {
        self.inner.current(Requirement::NoWait)
    }

    /// The cached token for a request that has waited, if neither clock says that it has expired.
    pub(crate) fn current_after_wait(&self) -> Option<Arc<Snapshot>> {
        self.inner.current(Requirement::ValidByBothClocks)
    }

    /// Waits for a token. Resolves to the value that `take` makes of its snapshot.
    pub(crate) fn poll_wait<T>(
        &self,
        wait: &mut TokenWait,
        cx: &mut Context<'_>,
        take: impl FnOnce(&Arc<Snapshot>) -> T,
    ) -> Poll<Result<T, Error>> {
        wait.poll(&self.inner, cx, take)
    }

    /// The name, to share.
    pub(crate) fn client(&self) -> &Arc<str> {
        self.inner.name.get()
    }

    /// The receiver of this cache's events, for those that the layer reports.
    pub(crate) fn observer(&self) -> &Observer {
        &self.inner.observer
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.inner.snapshot.load();
        f.debug_struct("TokenCache")
            .field("name", &self.inner.name)
            .field("token", &snapshot.as_ref().map(|snapshot| snapshot.token()))
            .finish_non_exhaustive()
    }
}
