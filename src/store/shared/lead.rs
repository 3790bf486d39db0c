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
    entry::{Content, DecodedEntry, LeaseAnswer, SharedEntry},
    inner::SharedInner,
    lease_guard::LeaseGuard,
    wait::lease_limit,
};
use crate::{
    error::{Error, Problem},
    source::{AcquireContext, StopRetries, TokenSource},
    store::entry::{BothClocks, Document, StoredBudget, StoredFailure, StoredToken},
    timing::{Arrival, Deadlines, RejectionBudget},
    token::{SharingInfo, Token},
};

/// An acquisition under a lease.
pub(super) struct Leader<'a, S> {
    pub(super) source: &'a S,
    pub(super) inner: &'a Arc<SharedInner>,
    pub(super) entry: &'a Arc<SharedEntry>,
    pub(super) context: &'a AcquireContext,
    pub(super) guard: LeaseGuard,
    /// The generation of the lease.
    pub(super) generation: u64,
    /// The entry when the lease was granted. The next write stores it with its changes.
    pub(super) document: Document,
}

pub(super) enum LeaderFailure {
    /// The result of the acquisition.
    Final(Error),
    /// The lease was lost before the source failed, so another process acquires.
    LeaseLost(Error),
}

impl From<Error> for LeaderFailure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// The result of a call of the source.
struct SourceResult {
    acquired: Result<Token, Error>,
    is_lease_lost: bool,
    /// The source's deadline ended the first attempt. It is earlier than the acquisition's deadline.
    is_cut_short: bool,
}

/// The result of a write.
enum WriteOutcome {
    Stored,
    /// The entry has a greater generation: another process has had the lease since.
    Superseded,
    StoreFailed,
}

impl<S: TokenSource> Leader<'_, S> {
    pub(super) async fn acquire(mut self) -> Result<Token, LeaderFailure> {
        let request = self.request();
        let now = self.now();
        if !request.budget_allows(&self.document, now)
            && let Some(cached) = request.keep_cached_token()
        {
            self.store_rejection(&cached, now).await;
            return Ok(cached);
        }
        let budget = StoredBudget::new(&self.budget_after(now), now);
        let budget_before = std::mem::replace(&mut self.document.budget, budget);
        let called_at = Instant::now();
        let SourceResult { acquired, is_lease_lost, is_cut_short } = self.call_source().await;
        if !self.inner.is_current(self.entry.id) {
            // The certificate was replaced. The token belongs to another entry.
            return Ok(acquired?);
        }
        match acquired {
            Ok(token) => Ok(self.store_token(token, called_at).await),
            Err(error) if is_cut_short => Ok(self.fail_locally(error).await?),
            Err(error) if is_lease_lost => Err(LeaderFailure::LeaseLost(error)),
            Err(error) if StoredFailure::is_shared(&error) => Ok(self.store_failure(error).await?),
            Err(error) => {
                // The failure concerns this process only, so it does not count for the others.
                self.document.budget = budget_before;
                Ok(self.fail_locally(error).await?)
            }
        }
    }

    fn request(&self) -> AcquireRequest<'_> {
        AcquireRequest { inner: self.inner, context: self.context }
    }

    fn now(&self) -> BothClocks {
        BothClocks::now(&self.inner.settings.clock)
    }

    /// Calls the source, and renews the lease in the meantime. If the lease is lost, the source makes no
    /// further attempt, because another process acquires.
    async fn call_source(&self) -> SourceResult {
        let deadline = self.context.deadline.map(|at| self.inner.settings.source_deadline(at));
        let stop_retries = StopRetries::default();
        let context =
            AcquireContext { deadline, stop_retries: stop_retries.clone(), ..self.context.clone() };
        let limit = lease_limit(self.context.deadline);
        let mut acquiring = pin!(self.source.acquire(context));
        let mut renewing = pin!(self.guard.keep_renewing(limit, &stop_retries));
        let acquired = poll_fn(|cx| {
            let acquired = acquiring.as_mut().poll(cx);
            if acquired.is_pending() {
                let Poll::Pending = renewing.as_mut().poll(cx);
            }
            acquired
        })
        .await;
        let is_cut = |error: &Error| {
            error.problem() == Problem::AcquisitionTimeout
                && error.attempts().is_none_or(|attempts| attempts <= 1)
                && deadline != self.context.deadline
                && deadline.is_some_and(|deadline| Instant::now() >= deadline)
        };
        let is_cut_short = acquired.as_ref().is_err_and(is_cut);
        SourceResult { acquired, is_lease_lost: stop_retries.is_set(), is_cut_short }
    }

    /// The budget of the fleet after this acquisition. It is full again when a token has reached its
    /// refresh unrejected.
    fn budget_after(&self, now: BothClocks) -> RejectionBudget {
        let Document { token, failure, .. } = &self.document;
        let mut budget = self.document.budget.budget(now);
        if !self.context.cache.is_budgeted {
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

    /// Stores that an API rejected this token, so that its refresh does not refill the budget.
    async fn store_rejection(mut self, rejected: &Token, now: BothClocks) {
        let stored = self.document.token.as_mut().filter(|it| it.token.same_secret(rejected));
        if let Some(stored) = stored
            && !std::mem::replace(&mut stored.was_rejected, true)
        {
            let mut budget = self.document.budget.budget(now);
            budget.record_rejection(now.instant);
            self.document.budget = StoredBudget::new(&budget, now);
            // If the write fails, other processes take the lease once to learn of the rejection. That is
            // harmless.
            let _ = self.write(now).await;
        }
    }

    /// Stores the token, and returns it. Returns the stored token if another process has acquired a later
    /// one.
    async fn store_token(mut self, token: Token, called_at: Instant) -> Token {
        let now = self.now();
        let issued_at = token.issued_at().unwrap_or(called_at).min(now.instant);
        let took = now.instant.saturating_duration_since(called_at);
        let deadlines = self.deadlines(&token, issued_at, took, now);
        let token =
            if token.issued_at().is_none() { token.with_issued_at(issued_at) } else { token };
        let info = SharingInfo {
            generation: Some(self.generation),
            refresh_at: Some(deadlines.refresh_at),
            took: Some(took),
            ..SharingInfo::default()
        };
        let token = token.with_sharing_info(info);
        if deadlines.expires_at <= now.instant {
            // Other processes could not use it.
            self.write_in_background();
            return token;
        }
        let rejected = self.context.rejected.as_ref();
        let mut stored = StoredToken::new(&token, issued_at, &deadlines, now);
        stored.was_rejected = rejected.is_some_and(|it| it.same_secret(&token));
        self.document.token = Some(stored);
        self.document.failure = None;
        match self.write(now).await {
            WriteOutcome::Stored => {
                self.inner.record_shared(self.context);
                token
            }
            // This process was paused past its lease, and another one has stored a later entry.
            WriteOutcome::Superseded => {
                if self.write_under_new_lease(now).await {
                    let generation = Some(self.generation);
                    return token.with_sharing_info(SharingInfo { generation, ..info });
                }
                let Some(Ok(stored)) = self.read_answer().await else { return token };
                // This process has sent a token request, which counts.
                let info = stored.sharing_info().copied().unwrap_or_default();
                stored.with_sharing_info(SharingInfo { is_free: false, ..info })
            }
            WriteOutcome::StoreFailed => token,
        }
    }

    /// Writes the token under a new lease if it was requested after the stored one, because some servers
    /// accept only the last token that they issued. Returns whether it was written.
    async fn write_under_new_lease(&mut self, now: BothClocks) -> bool {
        let Some(own) = self.document.token.clone() else { return false };
        let observer = &self.context.observer;
        let Ok(guard) = LeaseGuard::new(self.inner, self.entry.id, observer) else {
            return false;
        };
        // Drops the previous lease, which was lost.
        self.guard = guard;
        let leased = self.entry.lease(self.inner, observer, self.guard.owner).await;
        let Ok(LeaseAnswer::Granted { generation, content: Content::Decoded(newest) }) = leased
        else {
            return false;
        };
        if let Some(stored) = &newest.document.token
            && stored.issued_at >= own.issued_at
        {
            return false;
        }
        self.generation = generation;
        self.document = Document { token: Some(own), failure: None, ..newest.document.clone() };
        matches!(self.write(now).await, WriteOutcome::Stored)
    }

    /// Reads the entry, which another process may have written, and returns its answer.
    async fn read_answer(&self) -> Option<Result<Token, Error>> {
        match self.entry.read(self.inner, &self.context.observer).await {
            Ok(Content::Decoded(decoded)) => self.request().answer(&decoded),
            Ok(Content::Missing | Content::Unreadable(_)) | Err(_) => None,
        }
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
        let schedule = &self.context.cache.timing.schedule;
        let default = schedule.default_lifetime.saturating_sub(token.age());
        schedule.deadlines(&Arrival {
            lifetime: token.lifetime().or(Some(default)),
            refresh_in: token.refresh_in(),
            took,
            same_token: is_same(&self.context.current) || is_same(&self.context.rejected),
            draw: fastrand::f64(),
            // The fleet has one token, so its first refresh needs no spread.
            first: false,
            ..Arrival::new(issued_at, now.instant)
        })
    }

    /// Stores the failure of an earlier acquisition, whose lease was lost.
    pub(super) async fn store_earlier_failure(mut self, error: Error) -> Result<Token, Error> {
        if !StoredFailure::is_shared(&error) {
            return self.fail_locally(error).await;
        }
        let now = self.now();
        self.document.budget = StoredBudget::new(&self.budget_after(now), now);
        self.store_failure(error).await
    }

    /// Stores a failure, and returns it with the cooldown of the fleet. Returns the result of another
    /// process if that has had the lease since.
    async fn store_failure(mut self, error: Error) -> Result<Token, Error> {
        let now = self.now();
        let before = self.document.failure.as_ref();
        let backoff = &self.context.cache.timing.backoff;
        let draw = fastrand::f64();
        let (process, is_budgeted) = (self.inner.process, self.context.cache.is_budgeted);
        let failure = StoredFailure::new(&error, before, process, is_budgeted, draw, backoff, now);
        let shared = failure.with_cooldown(error.clone(), draw, backoff, now);
        self.document.failure = Some(failure);
        match self.write(now).await {
            WriteOutcome::Stored => Err(shared),
            WriteOutcome::Superseded => self.read_answer().await.unwrap_or(Err(error)),
            WriteOutcome::StoreFailed => Err(error),
        }
    }

    /// Returns a failure that is not shared, unless another process has acquired a token, such as one that
    /// has lost its own lease.
    async fn fail_locally(mut self, error: Error) -> Result<Token, Error> {
        match self.entry.read(self.inner, &self.context.observer).await {
            Ok(Content::Decoded(newest)) => {
                if let Some(Ok(token)) = self.request().answer(&newest) {
                    return Ok(token);
                }
                if newest.generation > self.generation {
                    return Err(error);
                }
                let Document { token, failure, .. } = newest.document.clone();
                self.document = Document { token, failure, ..self.document };
            }
            Ok(Content::Missing) => {}
            Ok(Content::Unreadable(_)) | Err(_) => return Err(error),
        }
        self.write_in_background();
        Err(error)
    }

    /// Writes the document without a new token or failure, in the background, before the lease is
    /// released. Otherwise waiting processes would conclude that the store keeps nothing.
    fn write_in_background(self) {
        let (ttl, decoded) = self.next_entry(self.now());
        let (inner, entry) = (Arc::clone(self.inner), Arc::clone(self.entry));
        let (context, guard) = (self.context.clone(), self.guard);
        tokio::spawn(async move {
            // Ignored: the next acquisition reports a store that fails.
            let _ = entry.write(&inner, &context, decoded, ttl).await;
            drop(guard);
        });
    }

    async fn write(&self, now: BothClocks) -> WriteOutcome {
        let (ttl, decoded) = self.next_entry(now);
        match self.entry.write(self.inner, self.context, decoded, ttl).await {
            Ok(true) => WriteOutcome::Stored,
            Ok(false) => WriteOutcome::Superseded,
            Err(why) => {
                self.inner.record_stopped(self.context, why);
                WriteOutcome::StoreFailed
            }
        }
    }

    /// The entry to write, with its TTL.
    fn next_entry(&self, now: BothClocks) -> (Duration, DecodedEntry) {
        let ttl = self.document.ttl(&self.context.cache.timing.backoff, now);
        (ttl, DecodedEntry { generation: self.generation, document: self.document.clone() })
    }
}
