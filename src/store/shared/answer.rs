//! Whether the content of an entry answers an acquisition: by its token, or by a failure whose
//! cooldown lasts.

use tokio::time::Instant;

use super::{entry::DecodedEntry, inner::SharedInner};
use crate::{
    error::Error,
    event::AcquisitionReason,
    source::AcquireContext,
    store::entry::{BothClocks, Document, StoredFailure, StoredToken},
    timing::Arrival,
    token::{SharingInfo, Token},
};

/// The request of a cache for a token, which an entry may answer.
pub(super) struct AcquireRequest<'a> {
    pub(super) inner: &'a SharedInner,
    pub(super) context: &'a AcquireContext,
}

impl AcquireRequest<'_> {
    /// Returns the result of the acquisition, if the entry has one.
    pub(super) fn answer(&self, decoded: &DecodedEntry) -> Option<Result<Token, Error>> {
        let now = BothClocks::now(&self.inner.settings.clock);
        let document = &decoded.document;
        if let Some(token) = self.token(decoded, now) {
            self.inner.record_shared(self.context);
            return Some(Ok(token));
        }
        if let Some(error) = self.failure(document, now) {
            self.inner.record_shared(self.context);
            return Some(Err(error));
        }
        let was_rejected = document.token.as_ref().is_some_and(|it| it.was_rejected);
        if was_rejected && !self.budget_allows(document, now) {
            return self.keep_cached_token().map(Ok);
        }
        None
    }

    /// The stored token, if this acquisition may return it: it is new to the cache or renewed, not older than
    /// the cached one, not from the future, not due for the same refresh, and not expired.
    fn token(&self, decoded: &DecodedEntry, now: BothClocks) -> Option<Token> {
        let stored = decoded.document.token.as_ref()?;
        let (context, settings) = (self.context, &self.inner.settings);
        let ahead_by = stored.ahead_by(settings.clock_skew, now);
        self.inner.record_token_from_future(Some(context), ahead_by);
        let known = [&context.rejected, &context.current, &context.cache.discarded];
        let is_known = known
            .into_iter()
            .flatten()
            .chain(&context.cache.recently_rejected)
            .any(|token| token.same_secret(&stored.token));
        let is_older = [&context.rejected, &context.current]
            .into_iter()
            .flatten()
            .any(|held| is_older(decoded.generation, stored.issued_at(now), held));
        if ahead_by.is_some() || is_older || (is_known && !self.is_renewed(decoded, stored, now)) {
            return None;
        }
        let is_scheduled =
            context.reason == AcquisitionReason::Refresh && context.rejected.is_none();
        if is_scheduled && now.wall >= stored.refresh_at {
            // The refresh of this token is due too.
            return None;
        }
        if let Some(after) = context.issued_after
            && stored.issued_at(now).is_none_or(|issued_at| issued_at < after)
        {
            return None;
        }
        let token = decoded.token(settings.clock_skew, now)?;
        if self.expires_at(&token, now) <= now.instant {
            return None;
        }
        self.inner.adopt(token)
    }

    /// Whether the server returned the cached token again, to another process, and it need not be
    /// refreshed yet.
    fn is_renewed(&self, decoded: &DecodedEntry, stored: &StoredToken, now: BothClocks) -> bool {
        let current = self.context.current.as_ref().filter(|it| it.same_secret(&stored.token));
        self.context.reason == AcquisitionReason::Refresh
            && now.wall < stored.refresh_at
            && current.is_some_and(|it| generation(it) < Some(decoded.generation))
    }

    /// When a cache stops using the token.
    fn expires_at(&self, token: &Token, now: BothClocks) -> Instant {
        let info = token.sharing_info().copied().unwrap_or_default();
        let schedule = &self.context.cache.timing.schedule;
        let deadlines = schedule.deadlines(&Arrival {
            lifetime: token.lifetime(),
            refresh_at: info.refresh_at,
            expires_by: info.expires_by,
            ..Arrival::new(token.issued_at().unwrap_or(now.instant), now.instant)
        });
        deadlines.expires_at
    }

    /// The failure of another process, while its cooldown lasts.
    fn failure(&self, document: &Document, now: BothClocks) -> Option<Error> {
        if self.context.cache.ends_cooldown {
            return None;
        }
        let with_token = self.context.current.is_some();
        let (process, skew) = (self.inner.process, self.inner.settings.clock_skew);
        let backoff = &self.context.cache.timing.backoff;
        document.failure.as_ref()?.error_in_cooldown(process, with_token, skew, backoff, now)
    }

    /// Whether the fleet may acquire for a rejection or a forced refresh now. Other acquisitions may
    /// always.
    pub(super) fn budget_allows(&self, document: &Document, now: BothClocks) -> bool {
        if !self.context.cache.is_budgeted {
            return true;
        }
        let mut budget = document.budget.budget(now);
        budget.record_rejection(now.instant);
        // The failed acquisition was counted when it started. Its repetition is not counted again.
        document.failure.as_ref().is_some_and(StoredFailure::is_budgeted)
            || budget.wait(now.instant, &self.context.cache.timing.backoff).is_zero()
    }

    /// Returns the cached token, marked so that the cache keeps it.
    pub(super) fn keep_cached_token(&self) -> Option<Token> {
        let token = self.context.rejected.as_ref().or(self.context.current.as_ref())?.clone();
        let info = token.sharing_info().copied().unwrap_or_default();
        Some(token.with_sharing_info(SharingInfo { is_free: false, is_kept: true, ..info }))
    }
}

fn generation(token: &Token) -> Option<u64> {
    token.sharing_info().and_then(|info| info.generation)
}

/// Whether the token of an entry is older than one of this process, such as after the store was restored
/// from a backup. A lower generation does not suffice, because the clock of the store may have been set
/// back.
fn is_older(stored: u64, issued_at: Option<Instant>, held: &Token) -> bool {
    generation(held).is_none_or(|held| stored < held) && issued_at < held.issued_at()
}
