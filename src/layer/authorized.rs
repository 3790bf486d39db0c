//! A token that is ready for requests.

use std::fmt;

use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header::MaxSizeReached};
use tokio::time::Instant;

use super::{
    authorize::{HAS_EXISTING, append, resolve_conflict},
    challenge::Verdict,
    settings::Settings,
};
use crate::{
    cache::{Snapshot, TokenCache},
    event::{EventKind, NotReplayedReason, ReplayReason, WithheldReason},
    sync::Arc,
    token::Token,
};

/// A token with its header value, and with all that is needed to classify the response to it.
///
/// It holds a clone of the cache, so a request in flight keeps the cache alive.
pub struct AuthorizedToken {
    header: HeaderValue,
    snapshot: Arc<Snapshot>,
    settings: Arc<Settings>,
    /// Whether a request needs more than the header: a proof, or a copy of its URI. Copied from the
    /// snapshot, so that a request reads one allocation.
    needs_preparation: bool,
    cache: TokenCache,
}

impl AuthorizedToken {
    /// Makes the token of one stripe (group of threads). The reference count of its header value is
    /// shared within that stripe only.
    pub(crate) fn for_stripe(
        snapshot: Arc<Snapshot>,
        cache: &TokenCache,
        settings: &Arc<Settings>,
    ) -> Arc<Self> {
        let header = snapshot.clone_token().header_value();
        Self::new(header, snapshot, cache, settings)
    }

    /// A copy with its own reference counts, for a service that is called again.
    pub(crate) fn for_service(&self) -> Arc<Self> {
        let header = self.token().own_header_value();
        Self::new(header, Arc::clone(&self.snapshot), &self.cache, &self.settings)
    }

    /// Makes the token of a single request, which needs no copy of the token.
    pub(crate) fn for_request(
        snapshot: Arc<Snapshot>,
        cache: &TokenCache,
        settings: &Arc<Settings>,
    ) -> Arc<Self> {
        let header = snapshot.token().header_value();
        Self::new(header, snapshot, cache, settings)
    }

    fn new(
        header: HeaderValue,
        snapshot: Arc<Snapshot>,
        cache: &TokenCache,
        settings: &Arc<Settings>,
    ) -> Arc<Self> {
        // So that a rejection names the API. It costs an allocation, so only for the first requests after
        // a rejected token.
        let keeps_uri = snapshot.follows_rejection() && settings.origins.are_several();
        let needs_preparation = keeps_uri || snapshot.token().is_bound();
        let (cache, settings) = (cache.clone(), Arc::clone(settings));
        Arc::new(Self { header, snapshot, settings, needs_preparation, cache })
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

    /// Whether its token is the one of this snapshot.
    pub(crate) fn has_token_of(&self, snapshot: &Snapshot) -> bool {
        self.token().is_same(snapshot.token())
    }

    /// Whether it was made from this snapshot.
    pub(crate) fn is_from(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot, snapshot)
    }

    /// Whether both were made from one snapshot.
    pub(crate) fn shares_snapshot_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.snapshot, &other.snapshot)
    }

    /// Whether the cache published another snapshot since.
    pub(crate) fn is_replaced(&self) -> bool {
        self.snapshot.is_replaced()
    }

    /// Whether a request needs more than the header.
    #[inline(always)]
    pub(crate) fn needs_preparation(&self) -> bool {
        self.needs_preparation
    }

    /// Whether each request also needs a proof of possession (DPoP, RFC 9449).
    #[inline(always)]
    pub(crate) fn is_bound(&self) -> bool {
        self.needs_preparation && self.token().is_bound()
    }

    /// Whether a request without a proof keeps its URI: one of the first with this token.
    pub(crate) fn keeps_uri(&self) -> bool {
        self.snapshot.admit_first_request()
    }

    /// Adds the token to a request. Returns `false` if the request keeps its existing authorization
    /// field.
    ///
    /// # Errors
    ///
    /// The reason why the request must not be sent.
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
        let (name, own) = (self.settings.header_name(), self.settings.existing_authorization);
        let resolved = resolve_conflict(appended, request.headers_mut(), name, &self.header, own);
        if resolved == Ok(false) || resolved == Err(HAS_EXISTING) {
            let (reason, refused) = (WithheldReason::ExistingAuthorization, resolved.is_err());
            self.settings.report_withheld(request, reason, refused, self.cache.observer());
        }
        resolved
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

    /// Invalidates the token, and reports why its rejected request is not sent again. `uri`: the
    /// request's, if it was kept.
    #[cold]
    pub(crate) fn reject(&self, uri: Option<&Uri>, not_replayed: NotReplayedReason) {
        self.cache.invalidate_at(self.token(), self.settings.api(uri));
        self.report_not_replayed(not_replayed);
    }

    /// Reports that a request is sent again.
    #[cold]
    pub(crate) fn report_replayed(&self, reason: ReplayReason, uri: &Uri) {
        let observer = self.cache.observer();
        if observer.has_any_receiver() {
            let origin = self.settings.api(Some(uri));
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
