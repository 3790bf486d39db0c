//! Getting another token after an API rejected one.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{Acquiring, Rejection, Snapshot, TokenCache};
use crate::{sync::Arc, token::Token};

pin_project! {
    /// The future behind [`Replacement`]: resolves to the snapshot, as the layer wants it.
    pub(crate) struct Replacing {
        cache: TokenCache,
        rejected: Token,
        told: bool,
        #[pin]
        acquiring: Acquiring,
    }
}

impl Replacing {
    pub(super) fn new(cache: TokenCache, rejected: Token) -> Self {
        Self { cache, rejected, told: false, acquiring: Acquiring::default() }
    }
}

impl Future for Replacing {
    type Output = Option<Arc<Snapshot>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if !*this.told {
            *this.told = true;
            match this.cache.shared.reject(this.rejected) {
                Rejection::Newer(snapshot) => return Poll::Ready(Some(snapshot)),
                Rejection::HandBack => return Poll::Ready(None),
                Rejection::Wait(flight) => this.acquiring.as_mut().join(flight),
                Rejection::Stale => {}
            }
        }
        // The same bytes again count as rejected: sending them once more would be in vain.
        let another = |snapshot: &Arc<Snapshot>| {
            (!snapshot.token().same_secret(this.rejected)).then(|| Arc::clone(snapshot))
        };
        let acquired = ready!(this.acquiring.poll(this.cache, cx, another));
        Poll::Ready(acquired.ok().flatten())
    }
}

pin_project! {
    /// The future of [`TokenCache::replacement`](super::TokenCache::replacement).
    #[must_use = "futures do nothing unless polled"]
    pub struct Replacement {
        #[pin]
        replacing: Replacing,
    }
}

impl Replacement {
    pub(super) fn new(replacing: Replacing) -> Self {
        Self { replacing }
    }
}

impl fmt::Debug for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replacement").field("cache", &self.replacing.cache).finish_non_exhaustive()
    }
}

impl Future for Replacement {
    type Output = Option<Token>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let snapshot = ready!(self.project().replacing.poll(cx));
        Poll::Ready(snapshot.map(|snapshot| snapshot.token().clone()))
    }
}
