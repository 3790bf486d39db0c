//! The error type: opaque, and cheap to clone, since all waiters of an acquisition share it. Messages
//! are written for an operator who reads them in a log.

mod advice;
mod chain;
mod find;
mod format;
mod kind;
mod logged;
mod problem;
mod text;

use std::{borrow::Cow, error::Error as StdError, sync::Arc, time::Duration};

use http::StatusCode;

#[cfg(test)]
pub(crate) use chain::tests::Link;
pub(crate) use chain::{causes, links};
pub use kind::ErrorKind;
pub(crate) use logged::Logged;
pub(crate) use problem::Problem;
pub(crate) use text::{join_names, sanitise};

/// A boxed error, as tower's middleware uses it.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{BoxError, Error, ErrorKind};
///
/// let boxed: BoxError = Error::new(ErrorKind::Source).into();
/// assert!(Error::find(&*boxed).is_some());
/// ```
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// The error type of this crate: no token could be acquired, or a request was refused.
///
/// The layer's service error is [`BoxError`]. [`Error::find`] finds this type in it, also below
/// the errors of other middleware.
///
/// `Display` is the message: the client if the error comes from a cache, the problem, and what to do.
/// `Debug` is the message and its causes, so that a `main` that returns a [`BoxError`] prints both. Both
/// never show a token, a secret or a key.
/// Text of a server is stripped of invisible characters and shortened. It is left out if it repeats a
/// part of a secret.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{BoxError, Error};
///
/// fn needs_an_operator(error: &BoxError) -> bool {
///     Error::find(&**error).is_some_and(Error::is_permanent)
/// }
/// ```
#[derive(Clone)]
pub struct Error {
    inner: Arc<Inner>,
    next_attempt_in: Option<Duration>,
    client: Option<Arc<str>>,
}

#[derive(Clone)]
struct Inner {
    problem: Problem,
    oauth_code: Option<Box<str>>,
    server_text: Option<Box<str>>,
    status: Option<StatusCode>,
    retry_after: Option<Duration>,
    fleet_cooldown: Option<FleetCooldown>,
    /// How many attempts the acquisition made.
    attempts: Option<u32>,
    /// Set if the problem does not decide.
    retryable: Option<bool>,
    permanent: Option<bool>,
    /// Too many acquisitions were queued, so the token source was not called.
    not_started: bool,
    /// Replaces the kind's advice.
    advice: Option<&'static str>,
    detail: Option<Cow<'static, str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The rest of the cooldown after a failure that processes share, which a cache follows.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store uses it"))]
pub(crate) struct FleetCooldown {
    pub(crate) without_token: Duration,
    /// While a valid token is cached.
    pub(crate) with_token: Duration,
    /// The failure is another process's.
    pub(crate) from_store: bool,
}

impl Error {
    /// An error of a kind. The kind decides whether it is retryable and whether it is permanent.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::OAuth).with_oauth_code("invalid_scope", None);
    /// assert_eq!((error.kind(), error.code()), (ErrorKind::OAuth, "invalid_scope"));
    /// assert!(error.is_permanent());
    /// ```
    #[must_use = "return the error"]
    pub fn new(kind: ErrorKind) -> Self {
        Self::of(Problem::of_kind(kind))
    }

    /// An error that reports a problem.
    pub(crate) fn of(problem: Problem) -> Self {
        Self {
            inner: Arc::new(Inner {
                problem,
                oauth_code: None,
                server_text: None,
                status: None,
                retry_after: None,
                fleet_cooldown: None,
                attempts: None,
                retryable: None,
                permanent: None,
                not_started: false,
                advice: None,
                detail: None,
                source: None,
            }),
            next_attempt_in: None,
            client: None,
        }
    }

    /// Wraps the error of your own [`TokenSource`](crate::TokenSource). It is retryable, and
    /// [`source()`](StdError::source) returns the cause.
    #[must_use = "return the error"]
    pub fn from_source(cause: impl Into<BoxError>) -> Self {
        Self::of(Problem::Source).with_source(cause)
    }

    /// Adds a detail, which follows the problem in the message. It must not contain a secret.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        self.with(|inner| inner.detail = Some(detail))
    }

    /// Sets the cause.
    #[must_use]
    pub fn with_source(self, cause: impl Into<BoxError>) -> Self {
        let cause: Arc<dyn StdError + Send + Sync> = Arc::from(cause.into());
        self.with(|inner| inner.source = Some(cause))
    }

    /// Sets the OAuth error code and description of a response (RFC 6749 §5.2). Both are sanitized.
    /// For an error of the kind [`OAuth`](ErrorKind::OAuth) a registered code decides whether it is
    /// retryable and whether it is permanent, unless [`with_retryable`](Self::with_retryable) or
    /// [`with_permanent`](Self::with_permanent) does. A later code replaces an earlier one.
    #[must_use]
    pub fn with_oauth_code(self, code: &str, description: Option<&str>) -> Self {
        let code = sanitise(code).into_boxed_str();
        let description = description.map(|text| sanitise(text).into_boxed_str());
        self.with(|inner| {
            // The problem of the earlier code. A status outranks some codes, and remains the problem then.
            let earlier = inner.oauth_code.as_deref().map(Problem::of_oauth_code);
            if inner.problem == earlier.unwrap_or(Problem::OtherOAuthError) {
                inner.problem = Problem::of_oauth_code(&code);
            }
            inner.oauth_code = Some(code);
            inner.server_text = description;
        })
    }

    /// Sets the beginning of the server's text, sanitized.
    #[must_use]
    pub fn with_server_text(self, text: &str) -> Self {
        let text = sanitise(text).into_boxed_str();
        self.with(|inner| inner.server_text = Some(text))
    }

    /// Sets the HTTP status of the response. It does not change whether the error is retryable or
    /// permanent.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        self.with(|inner| inner.status = Some(status))
    }

    /// Sets how long to wait before the next request (`Retry-After`, RFC 9110 §10.2.3).
    #[must_use]
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        self.with(|inner| inner.retry_after = retry_after)
    }

    /// Sets whether the acquisition may retry.
    #[must_use]
    pub fn with_retryable(self, retryable: bool) -> Self {
        self.with(|inner| inner.retryable = Some(retryable))
    }

    /// Sets whether the error needs operator action. After a permanent error the cache waits longer
    /// before it asks the token source again.
    #[must_use]
    pub fn with_permanent(self, permanent: bool) -> Self {
        self.with(|inner| inner.permanent = Some(permanent))
    }

    /// The error of the last one of this many attempts.
    pub(crate) fn with_attempts(self, attempts: u32) -> Self {
        self.with(|inner| inner.attempts = Some(attempts))
    }

    pub(crate) fn attempts(&self) -> Option<u32> {
        self.inner.attempts
    }

    /// Replaces the kind's advice, if that is too general.
    pub(crate) fn with_advice(self, advice: &'static str) -> Self {
        self.with(|inner| inner.advice = Some(advice))
    }

    /// Adds to the detail.
    pub(crate) fn and_detail(self, more: impl Into<Cow<'static, str>>) -> Self {
        let more = more.into();
        match &self.inner.detail {
            Some(detail) => {
                let both = format!("{detail}; {more}");
                self.with_detail(both)
            }
            None => self.with_detail(more),
        }
    }

    #[cfg(feature = "store")]
    pub(crate) fn with_fleet_cooldown(self, cooldown: FleetCooldown) -> Self {
        self.with(|inner| inner.fleet_cooldown = Some(cooldown))
    }

    pub(crate) fn fleet_cooldown(&self) -> Option<FleetCooldown> {
        self.inner.fleet_cooldown
    }

    /// Marks an acquisition that ended before the token source was called.
    #[cfg(any(feature = "keyed", test))]
    pub(crate) fn with_not_started(self) -> Self {
        self.with(|inner| inner.not_started = true)
    }

    /// Removes the mark, and returns whether it was set. The cache of the acquisition removes it, since a
    /// source may return the error of another cache.
    pub(crate) fn take_not_started(self) -> (Self, bool) {
        match self.inner.not_started {
            true => (self.with(|inner| inner.not_started = false), true),
            false => (self, false),
        }
    }

    /// Removes the cooldown of the fleet, which one cache follows. Other caches may get the same error.
    pub(crate) fn take_fleet_cooldown(self) -> (Self, Option<FleetCooldown>) {
        match self.inner.fleet_cooldown {
            Some(cooldown) => (self.with(|inner| inner.fleet_cooldown = None), Some(cooldown)),
            None => (self, None),
        }
    }

    pub(crate) fn with_next_attempt_in(mut self, next: Duration) -> Self {
        self.next_attempt_in = Some(next);
        self
    }

    /// Names the client in the message, unless it has a name.
    pub(crate) fn with_client(mut self, client: &Arc<str>) -> Self {
        self.client.get_or_insert_with(|| Arc::clone(client));
        self
    }

    pub(crate) fn detail(&self) -> Option<&str> {
        self.inner.detail.as_deref()
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.inner.problem.kind(self.oauth_code())
    }

    /// The stable name of the problem, for logs and metrics. It is finer than the kind: a registered
    /// OAuth error code such as `invalid_client`, `other_oauth_error` for any other one, or a name of
    /// this crate such as `wait_timeout` or `issuer_mismatch`. There are about 35.
    pub fn code(&self) -> &'static str {
        self.inner.problem.as_str()
    }

    pub(crate) fn problem(&self) -> Problem {
        self.inner.problem
    }

    /// The OAuth error code that the authorization server gave, such as `invalid_client`
    /// (RFC 6749 §5.2). `None` if it gave none, or one that repeats a part of a secret.
    pub fn oauth_code(&self) -> Option<&str> {
        self.inner.oauth_code.as_deref()
    }

    /// The HTTP status of the token endpoint's response, if there was one.
    pub fn status(&self) -> Option<StatusCode> {
        self.inner.status
    }

    /// How long to wait before the next request (`Retry-After`, RFC 9110 §10.2.3).
    pub fn retry_after(&self) -> Option<Duration> {
        self.inner.retry_after
    }

    /// The time until the next attempt, if the cache returns a remembered failure.
    pub fn next_attempt_in(&self) -> Option<Duration> {
        self.next_attempt_in
    }

    /// The name of the client whose token is missing: [`TokenCache::name`](crate::TokenCache::name).
    /// `None` for an error outside of any cache.
    pub fn client(&self) -> Option<&str> {
        self.client.as_deref()
    }

    /// Whether the same token request may succeed when it is sent again.
    pub fn is_retryable(&self) -> bool {
        self.inner.retryable.unwrap_or(self.inner.problem.usually_retryable())
    }

    /// Whether a timeout elapsed: of an attempt, an acquisition or a waiting caller.
    pub fn is_timeout(&self) -> bool {
        matches!(self.inner.problem, Problem::AcquisitionTimeout | Problem::WaitTimeout)
    }

    /// Whether the error needs operator action: wrong credentials, scope or settings.
    pub fn is_permanent(&self) -> bool {
        self.inner.permanent.unwrap_or(self.inner.problem.is_permanent())
    }

    /// The status to answer your own caller with, if it made a request that needed the token. The
    /// table of [`ErrorKind`] lists them: 500, 502, 503 or 504.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{Error, ErrorKind};
    ///
    /// let error = Error::new(ErrorKind::OAuth).with_oauth_code("invalid_client", None);
    /// assert_eq!(error.suggested_status(), 500);
    /// let error = Error::new(ErrorKind::OAuth).with_oauth_code("temporarily_unavailable", None);
    /// assert_eq!(error.suggested_status(), 503);
    /// ```
    pub fn suggested_status(&self) -> StatusCode {
        match self.kind() {
            ErrorKind::OAuth if self.is_permanent() => StatusCode::INTERNAL_SERVER_ERROR,
            kind => kind.suggested_status(),
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod messages_tests;
#[cfg(test)]
mod tests;
