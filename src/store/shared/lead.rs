//! The acquisition of the process that has the lease.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    answer::AcquireRequest,
    core::Core,
    current::CurrentEntry,
    entry::{DecodedEntry, Entry, Grant},
    lease_guard::LeaseGuard,
    wait::lease_limit,
};
use crate::{
    error::{Error, Problem},
    source::{AcquireContext, LastAttempt, TokenSource},
    store::entry::{BothClocks, Document, StoredBudget, StoredFailure, StoredToken},
    timing::{Arrival, Deadlines, RejectionBudget},
    token::{SharingInfo, Token},
};

pub(super) struct Leader<'a, S> {
    pub(super) source: &'a S,
    pub(super) current: &'a CurrentEntry,
    pub(super) entry: &'a Arc<Entry>,
    pub(super) context: &'a AcquireContext,
    pub(super) guard: LeaseGuard,
    /// The generation of the lease.
    pub(super) generation: u64,
    /// The entry when the lease was granted.
    pub(super) document: Document,
}

/// How a source ended.
struct Called {
    acquired: Result<Token, Error>,
    is_lease_lost: bool,
    /// Its only attempt was ended to leave time for the store.
    is_cut_short: bool,
}

/// The acquisition failed, and the lease was lost in the meantime, so that another process acquires.
pub(super) struct FailedWithoutLease(pub(super) Error);

impl<S: TokenSource> Leader<'_, S> {
    pub(super) async fn acquire(mut self) -> Result<Result<Token, Error>, FailedWithoutLease> {
        let request = AcquireRequest { core: self.core(), context: self.context };
        let now = self.now();
        if !request.budget_allows(&self.document, now)
            && let Some(unchanged) = request.unchanged()
        {
            self.remember_rejection(&unchanged, now).await;
            return Ok(Ok(unchanged));
        }
        let budget = StoredBudget::new(&self.budget_after(now), now);
        let budget_before = std::mem::replace(&mut self.document.budget, budget);
        let called_at = Instant::now();
        let Called { acquired, is_lease_lost, is_cut_short } = self.call_source().await;
        if self.current.entry(&self.source.sharing()).map_or(true, |it| it.id != self.entry.id) {
            // The certificate was replaced. The token belongs to another entry.
            return Ok(acquired);
        }
        match acquired {
            Ok(token) => Ok(self.succeed(token, called_at).await),
            Err(error) if is_cut_short => Ok(self.fail_locally(error).await),
            Err(error) if is_lease_lost => Err(FailedWithoutLease(error)),
            Err(error) if StoredFailure::is_shared(&error) => Ok(self.fail(error).await),
            Err(error) => {
                // No token request was sent.
                self.document.budget = budget_before;
                Ok(self.fail_locally(error).await)
            }
        }
    }

    fn core(&self) -> &Core {
        &self.current.core
    }

    fn now(&self) -> BothClocks {
        BothClocks::now(&self.core().settings.clock)
    }

    /// Calls the source, and renews the lease in the meantime. If the lease is lost, the source makes no
    /// further attempt, since another process acquires.
    async fn call_source(&self) -> Called {
        let mut context = self.context.clone();
        let settings = &self.core().settings;
        let deadline = context.deadline.map(|at| settings.source_deadline(at));
        context.deadline = deadline;
        let last_attempt = LastAttempt::default();
        context.last_attempt = last_attempt.clone();
        let mut acquiring = pin!(self.source.acquire(context));
        let mut renewing = pin!(self.guard.renew_until_lost(lease_limit(self.context.deadline)));
        let acquired = poll_fn(|cx| match acquiring.as_mut().poll(cx) {
            Poll::Ready(acquired) => Poll::Ready(acquired),
            Poll::Pending => {
                if !last_attempt.is_set() && renewing.as_mut().poll(cx).is_ready() {
                    last_attempt.set();
                }
                Poll::Pending
            }
        })
        .await;
        let is_cut = |error: &Error| {
            error.problem() == Problem::AcquisitionTimeout
                && error.attempts().is_none_or(|attempts| attempts <= 1)
                && deadline != self.context.deadline
                && deadline.is_some_and(|deadline| Instant::now() >= deadline)
        };
        let is_cut_short = acquired.as_ref().is_err_and(is_cut);
        Called { acquired, is_lease_lost: last_attempt.is_set(), is_cut_short }
    }

    /// The budget of the fleet after this acquisition. It is full again when a token has reached its
    /// refresh unrejected.
    fn budget_after(&self, now: BothClocks) -> RejectionBudget {
        let Document { token, failure, .. } = &self.document;
        let mut budget = self.document.budget.budget(now);
        if !self.context.is_budgeted {
            let is_refilled = self.context.rejected.is_none()
                && token.as_ref().is_some_and(|it| !it.was_rejected && now.wall >= it.refresh_at);
            return if is_refilled { RejectionBudget::default() } else { budget };
        }
        budget.record_rejection(now.instant);
        if failure.as_ref().is_some_and(StoredFailure::is_budgeted) {
            budget.restart_last(now.instant);
        } else {
            budget.take(now.instant);
        }
        budget
    }

    /// The budget does not allow an acquisition. The next refresh of this token must not refill it.
    async fn remember_rejection(mut self, rejected: &Token, now: BothClocks) {
        let stored = self.document.token.as_mut().filter(|it| it.token.same_secret(rejected));
        if let Some(stored) = stored
            && !std::mem::replace(&mut stored.was_rejected, true)
        {
            let mut budget = self.document.budget.budget(now);
            budget.record_rejection(now.instant);
            self.document.budget = StoredBudget::new(&budget, now);
            // Without it, each process that sees the rejection asks once for the lease.
            let _is_written = self.write(now).await;
        }
    }

    async fn succeed(mut self, token: Token, called_at: Instant) -> Result<Token, Error> {
        let now = self.now();
        let issued_at = token.issued_at().unwrap_or(called_at).min(now.instant);
        let took = now.instant.saturating_duration_since(called_at);
        let deadlines = self.deadlines(&token, issued_at, took, now);
        let token =
            if token.issued_at().is_none() { token.with_issued_at(issued_at) } else { token };
        let token = token.with_sharing_info(SharingInfo {
            generation: Some(self.generation),
            refresh_at: Some(deadlines.refresh_at),
            took: Some(took),
            ..SharingInfo::default()
        });
        if deadlines.expires_at <= now.instant {
            // Of no use to others.
            self.leave_unchanged();
            return Ok(token);
        }
        let mut stored = StoredToken::new(&token, issued_at, &deadlines, now);
        stored.was_rejected =
            self.context.rejected.as_ref().is_some_and(|it| it.same_secret(&token));
        self.document.token = Some(stored);
        self.document.failure = None;
        match self.write(now).await {
            Some(true) => {
                self.core().shares(Some(self.context));
                Ok(token)
            }
            // This process was stopped, and another one has acquired a later token.
            Some(false) => {
                if self.write_again(now).await {
                    let generation = Some(self.generation);
                    let info = token.sharing_info().copied().unwrap_or_default();
                    return Ok(token.with_sharing_info(SharingInfo { generation, ..info }));
                }
                let Some(Ok(newer)) = self.newer().await else { return Ok(token) };
                // A token request was sent all the same.
                let info = newer.sharing_info().copied().unwrap_or_default();
                Ok(newer.with_sharing_info(SharingInfo { from_store: false, ..info }))
            }
            None => Ok(token),
        }
    }

    /// Writes the token under another lease, if it was requested after the one that is stored: some
    /// servers accept the last token only. Returns whether it was written.
    async fn write_again(&mut self, now: BothClocks) -> bool {
        let Some(stored) = self.document.token.clone() else { return false };
        let Ok(guard) = LeaseGuard::new(&self.current.core, self.entry.id, &self.context.observer)
        else {
            return false;
        };
        // The previous lease is lost.
        self.guard = guard;
        let granted = self.entry.lease(self.core(), &self.context.observer, self.guard.owner).await;
        let Ok(Grant::Granted { generation, content: Ok(Some(newest)) }) = granted else {
            return false;
        };
        let is_later = |other: &StoredToken| stored.issued_at <= other.issued_at;
        if newest.document.token.as_ref().is_some_and(is_later) {
            return false;
        }
        self.generation = generation;
        self.document = Document { token: Some(stored), ..newest.document.clone() };
        self.document.failure = None;
        self.write(now).await == Some(true)
    }

    /// The answer of the entry now, which another process may have written.
    async fn newer(&self) -> Option<Result<Token, Error>> {
        let request = AcquireRequest { core: self.core(), context: self.context };
        request.answer(&*self.entry.read(self.core(), &self.context.observer).await.ok()?.ok()??)
    }

    fn deadlines(
        &self,
        token: &Token,
        issued_at: Instant,
        took: Duration,
        now: BothClocks,
    ) -> Deadlines {
        let is_same =
            |other: &Option<Token>| other.as_ref().is_some_and(|other| other.same_secret(token));
        let schedule = &self.context.timing.schedule;
        let default = schedule.default_lifetime.saturating_sub(token.age());
        schedule.deadlines(&Arrival {
            issued_at,
            arrived_at: now.instant,
            lifetime: token.lifetime().or(Some(default)),
            refresh_in: token.refresh_in(),
            took,
            // The fleet has one token, so its refreshes need no spread.
            first: false,
            same_token: is_same(&self.context.current) || is_same(&self.context.rejected),
            draw: fastrand::f64(),
            refresh_at: None,
            expires_by: None,
        })
    }

    /// Shares the failure of an acquisition whose lease was lost.
    pub(super) async fn share_failure(mut self, error: Error) -> Result<Token, Error> {
        if !StoredFailure::is_shared(&error) {
            return self.fail_locally(error).await;
        }
        let now = self.now();
        self.document.budget = StoredBudget::new(&self.budget_after(now), now);
        self.fail(error).await
    }

    async fn fail(mut self, mut error: Error) -> Result<Token, Error> {
        let now = self.now();
        let before = self.document.failure.as_ref();
        let backoff = &self.context.timing.backoff;
        let draw = fastrand::f64();
        let (process, is_budgeted) = (self.core().process, self.context.is_budgeted);
        let failure = StoredFailure::new(&error, before, process, is_budgeted, draw, backoff, now);
        let shared = failure.with_cooldown(error.clone(), draw, backoff, now);
        self.document.failure = Some(failure);
        match self.write(now).await {
            Some(true) => error = shared,
            // Another process has had the lease since, and its result counts.
            Some(false) => return self.newer().await.unwrap_or(Err(error)),
            None => {}
        }
        Err(error)
    }

    /// Returns a failure that says nothing about the server, unless another process has acquired a token,
    /// such as one that has lost its own lease.
    async fn fail_locally(mut self, error: Error) -> Result<Token, Error> {
        let newest = self.entry.read(self.core(), &self.context.observer).await;
        let Ok(Ok(newest)) = newest else { return Err(error) };
        if let Some(newest) = newest {
            let request = AcquireRequest { core: self.core(), context: self.context };
            if let Some(Ok(newer)) = request.answer(&newest) {
                return Ok(newer);
            }
            if newest.generation > self.generation {
                return Err(error);
            }
            let Document { token, failure, .. } = newest.document.clone();
            self.document = Document { token, failure, ..self.document };
        }
        self.leave_unchanged();
        Err(error)
    }

    /// Writes the document without a new token or failure, in the background, before the lease is
    /// released. Otherwise those who wait would think that the store keeps nothing.
    fn leave_unchanged(self) {
        let keep = self.document.keep(&self.context.timing.backoff, self.now());
        let decoded = DecodedEntry { generation: self.generation, document: self.document };
        let (core, entry) = (Arc::clone(&self.current.core), Arc::clone(self.entry));
        let (context, guard) = (self.context.clone(), self.guard);
        tokio::spawn(async move {
            // A store that fails is reported by an acquisition that needs it.
            let _ = entry.write(&core, &context, decoded, keep).await;
            drop(guard);
        });
    }

    /// Whether the document was written. `None`: the store failed.
    async fn write(&self, now: BothClocks) -> Option<bool> {
        let keep = self.document.keep(&self.context.timing.backoff, now);
        let decoded = DecodedEntry { generation: self.generation, document: self.document.clone() };
        match self.entry.write(self.core(), self.context, decoded, keep).await {
            Ok(is_newest) => Some(is_newest),
            Err(why) => {
                self.core().stopped(self.context, why);
                None
            }
        }
    }
}
