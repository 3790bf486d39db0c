//! The published token as a layer's requests carry it: one header value for each stripe of threads,
//! and what an answer is judged by.
//!
//! A call with a fresh token writes to the reference count of one badge and to that of the header
//! value in it: of its service's own, if that is held across calls, else of its thread's stripe. So no
//! two threads write to one cache line, up to [`stripes`] threads, and whatever else the call needs is
//! reached through that one pointer.

mod shared;
mod stripe;

use std::sync::OnceLock;

use http::{HeaderMap, HeaderValue, Request, Response, header::MaxSizeReached};
use tokio::time::Instant;

pub(crate) use self::shared::{Shared, View};
use self::stripe::{stripe, stripes};
use crate::{
    authorize::{Authorized, NO_ROOM, append, settle},
    cache::{Snapshot, TokenCache},
    challenge::Verdict,
    settings::{HAS_OWN, Settings},
    sync::{Arc, Weak},
    token::{HeaderText, Token},
};

/// A snapshot of the cache, ready to be put into requests.
struct Lease<P> {
    snapshot: Arc<Snapshot>,
    text: HeaderText,
    /// One for each stripe, made by the first thread that wants it; a power of two.
    badges: Arc<[OnceLock<Arc<Badge<P>>>]>,
}

impl<P> Lease<P> {
    fn new(snapshot: Arc<Snapshot>) -> Self {
        let text = snapshot.token().header_text();
        Self { snapshot, text, badges: (0..stripes()).map(|_| OnceLock::new()).collect() }
    }

    /// The same token under another snapshot.
    fn renewed(&self, snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, text: self.text.clone(), badges: Arc::clone(&self.badges) }
    }

    /// Whether a request may leave with it, without a closer look.
    fn is_fresh(&self, now: Instant) -> bool {
        self.snapshot.is_fresh(now) && !self.snapshot.is_replaced()
    }

    /// This thread's copy.
    fn badge(&self, shared: &Arc<Shared<P>>) -> Arc<Badge<P>> {
        // The length is a power of two, so this is a mask and not a division.
        let badge =
            self.badges[stripe() & (self.badges.len() - 1)].get_or_init(|| self.make(shared));
        Arc::clone(badge)
    }

    fn make(&self, shared: &Arc<Shared<P>>) -> Arc<Badge<P>> {
        Arc::new(Badge::new(self.text.value(), self.snapshot.token(), shared))
    }
}

/// What a request is sent with, and all that is needed to judge its answer, to name the token to
/// the cache, and to send the request again.
///
/// It holds the cache: a request that is under way counts as a handle. The alignment keeps the
/// reference count in front of it on a pair of cache lines of its own.
#[repr(align(128))]
pub(crate) struct Badge<P> {
    header: HeaderValue,
    /// Here as well, so that a request looks at nothing further away.
    bound: bool,
    token: Token,
    settings: Arc<Settings<P>>,
    cache: TokenCache,
    shared: Weak<Shared<P>>,
}

impl<P> Badge<P> {
    fn new(header: HeaderValue, token: &Token, shared: &Arc<Shared<P>>) -> Self {
        Self {
            header,
            bound: token.is_bound(),
            token: token.clone(),
            settings: Arc::clone(&shared.settings),
            cache: shared.cache.clone(),
            shared: Arc::downgrade(shared),
        }
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
        &self.token
    }

    pub(crate) fn settings(&self) -> &Settings<P> {
        &self.settings
    }

    pub(crate) fn cache(&self) -> &TokenCache {
        &self.cache
    }

    /// What its layer's services share, to go on with.
    pub(crate) fn shared(&self) -> Arc<Shared<P>> {
        // The service that sent the request may have been the last of its layer, or share with
        // no other request.
        self.shared.upgrade().unwrap_or_else(|| {
            Arc::new(Shared::for_one(self.cache.clone(), Arc::clone(&self.settings)))
        })
    }

    pub(crate) fn verdict<R>(&self, response: &Response<R>) -> Verdict {
        self.settings.judge.verdict(response, &self.token)
    }

    /// For a request that is not sent again: if the answer rejects the token, it is invalidated.
    #[cold]
    pub(crate) fn look_at<R>(&self, response: &Response<R>) {
        if self.verdict(response) == Verdict::Rejected {
            self.cache.invalidate(&self.token);
        }
    }
}
