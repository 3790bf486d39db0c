//! The futures that resolve to a token.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::Instant;

use super::{
    acquisition::Acquisition, inner::CacheInner, snapshot::Snapshot, state::Rejection,
    token_wait::TokenWait,
};
use crate::{error::Error, sync::Arc, token::Token};

/// The future of [`TokenCache::get`](super::TokenCache::get).
///
/// Dropping it ends the wait only. An acquisition that it started continues.
#[must_use = "futures do nothing unless polled"]
pub struct Get {
    inner: Arc<CacheInner>,
    wait: TokenWait,
}

impl Get {
    pub(super) fn new(inner: Arc<CacheInner>) -> Self {
        Self { inner, wait: TokenWait::default() }
    }

    /// Waits for this acquisition first.
    pub(super) fn join(&mut self, acquisition: Arc<Acquisition>) {
        self.wait.join(acquisition);
    }
}

impl Future for Get {
    type Output = Result<Token, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let inner = &this.inner;
        if !this.wait.has_begun()
            && let Some(snapshot) = inner.fresh(Instant::now()).as_deref().and_then(Option::as_ref)
        {
            return Poll::Ready(Ok(inner.clone_token(snapshot)));
        }
        this.wait.poll(inner, cx, |snapshot| inner.clone_token(snapshot))
    }
}

impl fmt::Debug for Get {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").field("client", &self.inner.name).finish_non_exhaustive()
    }
}

/// The future of [`TokenCache::replacement`](super::TokenCache::replacement).
#[must_use = "futures do nothing unless polled"]
pub struct Replacement {
    inner: Arc<CacheInner>,
    rejected: Token,
    origin: Option<String>,
    is_reported: bool,
    wait: TokenWait,
}

impl Replacement {
    pub(super) fn new(inner: Arc<CacheInner>, rejected: Token, origin: Option<String>) -> Self {
        Self { inner, rejected, origin, is_reported: false, wait: TokenWait::default() }
    }

    /// Reports the rejection when first polled. Resolves to the snapshot of another token, or to
    /// `None` if none is available.
    pub(crate) fn poll_snapshot(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arc<Snapshot>>> {
        if !std::mem::replace(&mut self.is_reported, true) {
            match self.inner.reject(&self.rejected, self.origin.take()) {
                Rejection::Newer(snapshot) => return Poll::Ready(Some(snapshot)),
                Rejection::NotReplaced => return Poll::Ready(None),
                Rejection::Wait(acquisition) => self.wait.join(acquisition),
                Rejection::Stale => {}
            }
        }
        // A server that returns the rejected token again has not replaced it.
        let other = |snapshot: &Arc<Snapshot>| {
            (!snapshot.token().same_secret(&self.rejected)).then(|| Arc::clone(snapshot))
        };
        let acquired = ready!(self.wait.poll(&self.inner, cx, other));
        Poll::Ready(acquired.ok().flatten())
    }
}

impl Future for Replacement {
    type Output = Option<Token>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let snapshot = ready!(self.poll_snapshot(cx));
        Poll::Ready(snapshot.map(|snapshot| snapshot.token().clone()))
    }
}

impl fmt::Debug for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replacement").field("client", &self.inner.name).finish_non_exhaustive()
    }
}
