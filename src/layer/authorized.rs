//! A token that is ready for requests.

use std::fmt;

use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header::MaxSizeReached};
use tokio::time::Instant;

use super::{
    authorize::{Authorized, NO_ROOM, append, resolve_conflict},
    challenge::Verdict,
    settings::{HAS_OWN, Settings},
};
use crate::{
    cache::{Snapshot, TokenCache},
    event::{EventKind, NotReplayedReason, ReplayReason, WithheldReason},
    sync::Arc,
    token::Token,
};

/// A token with its header value, and with all that is needed to classify the response to it.
///
/// It holds the cache, so a request in flight counts as a handle of the cache.
// The alignment keeps the reference count in front of it on its own pair of cache lines.
#[repr(align(128))]
pub struct AuthorizedToken {
    header: HeaderValue,
    snapshot: Arc<Snapshot>,
    settings: Arc<Settings>,
    /// A copy of the snapshot's, so that a request reads one allocation.
    is_bound: bool,
    cache: TokenCache,
}

impl AuthorizedToken {
    /// The copy of this thread's stripe.
    pub(crate) fn for_stripe(
        snapshot: Arc<Snapshot>,
        cache: TokenCache,
        settings: Arc<Settings>,
    ) -> Self {
        let header = snapshot.clone_token().header_value();
        Self::new(header, snapshot, cache, settings)
    }

    /// A copy with its own reference counts, for a service that is called often.
    pub(crate) fn for_service(&self) -> Self {
        Self {
            header: self.token().own_header_value(),
            snapshot: Arc::clone(&self.snapshot),
            settings: Arc::clone(&self.settings),
            is_bound: self.is_bound,
            cache: self.cache.clone(),
        }
    }

    /// For a single request.
    pub(crate) fn for_request(
        snapshot: Arc<Snapshot>,
        cache: TokenCache,
        settings: Arc<Settings>,
    ) -> Self {
        let header = snapshot.token().header_value();
        Self::new(header, snapshot, cache, settings)
    }

    fn new(
        header: HeaderValue,
        snapshot: Arc<Snapshot>,
        cache: TokenCache,
        settings: Arc<Settings>,
    ) -> Self {
        let is_bound = snapshot.token().is_bound();
        Self { header, snapshot, settings, is_bound, cache }
    }

    /// Whether a request can be sent with it without asking the cache.
    #[inline(always)]
    pub(crate) fn is_fresh(&self, now: Instant) -> bool {
        self.snapshot.is_fresh(now) && !self.snapshot.is_replaced()
    }

    /// Whether a request that waited for it can be sent with it.
    pub(crate) fn is_sendable(&self, now: Instant) -> bool {
        self.snapshot.is_sendable(now)
    }

    /// Whether it has the token of this snapshot.
    pub(crate) fn has_token_of(&self, snapshot: &Snapshot) -> bool {
        self.token().is_same(snapshot.token())
    }

    /// Whether both were made from one snapshot.
    pub(crate) fn has_snapshot_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot)
    }

    /// Whether the cache published another snapshot since.
    pub(crate) fn is_replaced(&self) -> bool {
        self.snapshot.is_replaced()
    }

    /// Whether each request needs a proof of possession as well.
    #[inline(always)]
    pub(crate) fn is_bound(&self) -> bool {
        self.is_bound
    }

    /// Adds the token to a request. `false`: the request keeps its own authorization field.
    ///
    /// # Errors
    ///
    /// Says why the request must not be sent.
    #[inline(always)]
    pub(crate) fn authorize<B>(&self, request: &mut Request<B>) -> Result<bool, &'static str> {
        match append(request.headers_mut(), self.settings.header_name.as_ref(), &self.header) {
            Ok(false) => Ok(true),
            appended => self.resolve_conflict(appended, request),
        }
    }

    #[cold]
    #[inline(never)]
    fn resolve_conflict<B>(
        &self,
        appended: Result<bool, MaxSizeReached>,
        request: &mut Request<B>,
    ) -> Result<bool, &'static str> {
        let existing = self.settings.existing_authorization;
        let name = self.settings.header_name();
        let headers = request.headers_mut();
        let authorized = resolve_conflict(appended, headers, name, &self.header, existing);
        let refused = match authorized {
            Authorized::Ours => return Ok(true),
            Authorized::Full => return Err(NO_ROOM),
            Authorized::Own => false,
            Authorized::Refused => true,
        };
        let (reason, observer) = (WithheldReason::OwnAuthorization, self.cache.observer());
        self.settings.report_withheld(request, reason, refused, observer);
        if refused { Err(HAS_OWN) } else { Ok(false) }
    }

    pub(crate) fn token(&self) -> &Token {
        self.snapshot.token()
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(crate) fn cache(&self) -> &TokenCache {
        &self.cache
    }

    pub(crate) fn classify(&self, status: StatusCode, headers: &HeaderMap) -> Verdict {
        self.settings.classifier.classify(status, headers, self.token())
    }

    /// For a response whose request is not sent again: invalidates the token if it was rejected.
    #[cold]
    #[inline(never)]
    pub(crate) fn invalidate_if_rejected(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        not_replayed: NotReplayedReason,
    ) {
        if self.classify(status, headers) == Verdict::Rejected {
            self.invalidate(None);
            self.report_not_replayed(not_replayed);
        }
    }

    /// Reports that an API rejected the token. `uri`: where the request went, if that is still known.
    #[cold]
    pub(crate) fn invalidate(&self, uri: Option<&Uri>) {
        self.cache.invalidate_at(self.token(), self.settings.api(uri));
    }

    /// Reports that a request is sent again.
    #[cold]
    pub(crate) fn report_replayed(&self, reason: ReplayReason, uri: &Uri) {
        let observer = self.cache.observer();
        if observer.is_watched() {
            let origin = self.settings.api(Some(uri)).unwrap_or_default();
            observer.emit(EventKind::Replayed { reason, origin });
        }
    }

    #[cold]
    pub(crate) fn report_not_replayed(&self, reason: NotReplayedReason) {
        self.settings.report_not_replayed(reason, self.cache.observer());
    }
}

impl fmt::Debug for AuthorizedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedToken").field("token", self.token()).finish_non_exhaustive()
    }
}
