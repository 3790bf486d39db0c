//! Whether the content of an entry answers an acquisition: by its token, or by a failure whose
//! cooldown lasts.

use std::time::Duration;

use tokio::time::Instant;

use super::{core::Core, entry::DecodedEntry};
use crate::{
    error::Error,
    event::AcquisitionReason,
    source::AcquireContext,
    store::entry::{BothClocks, Document, StoredFailure, StoredToken},
    timing::Arrival,
    token::{SharingInfo, Token},
};

/// One acquisition, as its cache asks for it.
pub(super) struct AcquireRequest<'a> {
    pub(super) core: &'a Core,
    pub(super) context: &'a AcquireContext,
}

impl AcquireRequest<'_> {
    /// The result of the acquisition, if the entry has one.
    pub(super) fn answer(&self, decoded: &DecodedEntry) -> Option<Result<Token, Error>> {
        let now = BothClocks::now(&self.core.settings.clock);
        let document = &decoded.document;
        if let Some(token) = self.token(decoded, now) {
            self.core.shares(Some(self.context));
            return Some(Ok(token));
        }
        if let Some(error) = self.failure(document, now) {
            self.core.shares(Some(self.context));
            return Some(Err(error));
        }
        let is_known = document.token.as_ref().is_some_and(|it| it.was_rejected);
        if is_known && !self.budget_allows(document, now) {
            return self.unchanged().map(Ok);
        }
        None
    }

    /// The token of the entry, if it is of use.
    fn token(&self, decoded: &DecodedEntry, now: BothClocks) -> Option<Token> {
        let stored = decoded.document.token.as_ref()?;
        let (context, settings) = (self.context, &self.core.settings);
        let ahead_by = stored.ahead_by(settings.clock_skew, now);
        self.core.observe_clock(Some(context), ahead_by);
        let is_known = |token: &Option<Token>| {
            token.as_ref().is_some_and(|token| token.same_secret(&stored.token))
        };
        let known = [&context.rejected, &context.current, &context.discarded];
        let is_known = known.into_iter().any(is_known)
            || context.recently_rejected.iter().any(|token| token.same_secret(&stored.token));
        let is_older = [&context.rejected, &context.current]
            .into_iter()
            .flatten()
            .any(|held| is_older(decoded.generation, stored.issued_at(now), held));
        let is_of_no_use = is_older || (is_known && !self.is_renewed(decoded, stored, now));
        if ahead_by.is_some() || is_of_no_use {
            return None;
        }
        // The refresh of this token is due too.
        let is_scheduled =
            context.reason == AcquisitionReason::Refresh && context.rejected.is_none();
        if is_scheduled && now.wall >= stored.refresh_at {
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
        self.core.adopt(token)
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
        let schedule = &self.context.timing.schedule;
        let deadlines = schedule.deadlines(&Arrival {
            issued_at: token.issued_at().unwrap_or(now.instant),
            arrived_at: now.instant,
            lifetime: token.lifetime(),
            refresh_in: None,
            took: Duration::ZERO,
            first: false,
            same_token: false,
            draw: 0.0,
            refresh_at: info.refresh_at,
            expires_by: info.expires_by,
        });
        deadlines.expires_at
    }

    /// The failure of another process, while its cooldown lasts.
    fn failure(&self, document: &Document, now: BothClocks) -> Option<Error> {
        if self.context.ends_cooldown {
            return None;
        }
        let with_token = self.context.current.is_some();
        let (process, skew) = (self.core.process, self.core.settings.clock_skew);
        let backoff = &self.context.timing.backoff;
        document.failure.as_ref()?.error(process, with_token, skew, backoff, now)
    }

    /// Whether the fleet may acquire for a rejection or a forced refresh now. Other acquisitions may
    /// always.
    pub(super) fn budget_allows(&self, document: &Document, now: BothClocks) -> bool {
        if !self.context.is_budgeted {
            return true;
        }
        let mut budget = document.budget.budget(now);
        budget.record_rejection(now.instant);
        // It repeats one that failed, which was taken from the budget.
        document.failure.as_ref().is_some_and(StoredFailure::is_budgeted)
            || budget.wait(now.instant, &self.context.timing.backoff).is_zero()
    }

    /// The cached token again, so that the cache goes on with it.
    pub(super) fn unchanged(&self) -> Option<Token> {
        let token = self.context.rejected.as_ref().or(self.context.current.as_ref())?.clone();
        let info = token.sharing_info().copied().unwrap_or_default();
        Some(token.with_sharing_info(SharingInfo { from_store: false, is_kept: true, ..info }))
    }
}

fn generation(token: &Token) -> Option<u64> {
    token.sharing_info().and_then(|info| info.generation)
}

/// Whether the token of an entry is older than one of this process. The entry may be one of the past,
/// which another process wrote or the store restored. A lower generation is not enough: the clock of the
/// store may have been set back.
fn is_older(stored: u64, issued_at: Option<Instant>, held: &Token) -> bool {
    generation(held).is_none_or(|held| stored < held) && issued_at < held.issued_at()
}
