//! What a request is sent with.

use http::{HeaderMap, HeaderValue, Request, Response, header::MaxSizeReached};
use tokio::time::Instant;

use super::{Shared, shared::Home};
use crate::{
    authorize::{Authorized, NO_ROOM, append, settle},
    cache::{Snapshot, TokenCache},
    challenge::Verdict,
    settings::{HAS_OWN, Settings},
    sync::{Arc, Weak, stripe},
    token::Token,
};

/// What a request is sent with, and all that is needed to judge its answer, to name the token to
/// the cache, and to send the request again.
///
/// It holds the cache: a request that is under way counts as a handle. The alignment keeps the
/// reference count in front of it on a pair of cache lines of its own.
#[repr(align(128))]
pub(crate) struct Badge<P> {
    header: HeaderValue,
    snapshot: Arc<Snapshot>,
    settings: Arc<Settings<P>>,
    /// Here as well, so that a request looks at nothing further away.
    bound: bool,
    /// That of the thread which made it.
    pub(super) stripe: usize,
    cache: TokenCache,
    /// The one that it was made by.
    shared: Weak<Shared<P>>,
    home: Option<Arc<Home<P>>>,
}

impl<P> Badge<P> {
    pub(super) fn new(
        header: HeaderValue,
        snapshot: Arc<Snapshot>,
        shared: &Arc<Shared<P>>,
    ) -> Self {
        let (cache, settings) = (shared.cache.clone(), Arc::clone(&shared.settings));
        Self {
            shared: Arc::downgrade(shared),
            home: shared.home().cloned(),
            ..Self::for_one(header, snapshot, cache, settings)
        }
    }

    /// For one request, which has nothing to share.
    pub(crate) fn for_one(
        header: HeaderValue,
        snapshot: Arc<Snapshot>,
        cache: TokenCache,
        settings: Arc<Settings<P>>,
    ) -> Self {
        Self {
            header,
            bound: snapshot.token().is_bound(),
            snapshot,
            settings,
            stripe: stripe(),
            cache,
            shared: Weak::new(),
            home: None,
        }
    }

    /// Whether a request may leave with it, without a closer look.
    #[inline(always)]
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        self.snapshot.is_fresh(now) && !self.snapshot.is_replaced()
    }

    /// Whether no other thread is likely to write to its counts, and it is still good.
    #[inline(always)]
    pub(super) fn is_at_home(&self) -> bool {
        self.stripe == stripe() && !self.snapshot.is_replaced()
    }

    /// Whether no service keeps what it was made by, so that there is no other badge to be had from it.
    #[inline]
    pub(super) fn is_orphan(&self) -> bool {
        self.shared.strong_count() == 0
    }

    /// Puts the token into the request. `false`: it has one of its own.
    ///
    /// # Errors
    ///
    /// Why it must not be sent.
    #[inline(always)]
    pub(crate) fn authorize<B>(&self, request: &mut Request<B>) -> Result<bool, &'static str> {
        let name = self.settings.header_name.as_ref();
        match append(request.headers_mut(), name, &self.header) {
            Ok(false) => Ok(true),
            appended => self.settle(appended, request.headers_mut()),
        }
    }

    #[cold]
    #[inline(never)]
    fn settle(
        &self,
        appended: Result<bool, MaxSizeReached>,
        headers: &mut HeaderMap,
    ) -> Result<bool, &'static str> {
        let name = self.settings.header_name();
        match settle(appended, headers, name, &self.header, self.settings.own) {
            Authorized::Ours => Ok(true),
            Authorized::Own => Ok(false),
            Authorized::Refused => Err(HAS_OWN),
            Authorized::Full => Err(NO_ROOM),
        }
    }

    /// Whether each request with it needs a proof beside it.
    #[inline]
    pub(crate) fn is_bound(&self) -> bool {
        self.bound
    }

    pub(crate) fn token(&self) -> &Token {
        self.snapshot.token()
    }

    #[inline(always)]
    pub(crate) fn settings(&self) -> &Settings<P> {
        &self.settings
    }

    pub(crate) fn cache(&self) -> &TokenCache {
        &self.cache
    }

    /// What its layer's services share, to go on with.
    pub(crate) fn shared(&self) -> Arc<Shared<P>> {
        // The service that sent the request may have been the last that held it, or have shared it
        // with no other request.
        self.shared.upgrade().unwrap_or_else(|| match &self.home {
            Some(home) => home.find(&self.cache, &self.settings),
            None => Arc::new(Shared::for_one(self.cache.clone(), Arc::clone(&self.settings))),
        })
    }

    pub(crate) fn verdict<R>(&self, response: &Response<R>) -> Verdict {
        self.settings.judge.verdict(response, self.token())
    }
}
