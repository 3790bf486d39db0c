//! The future that hands out a token.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{Acquiring, TokenCache, flight::Flight};
use crate::{error::Error, sync::Arc, token::Token};

pin_project! {
    /// The future of [`TokenCache::get`](super::TokenCache::get).
    ///
    /// Dropping it gives up the wait and nothing else: an acquisition that it started goes on.
    #[must_use = "futures do nothing unless polled"]
    pub struct Get {
        cache: TokenCache,
        #[pin]
        acquiring: Acquiring,
    }
}

impl Get {
    pub(super) fn new(cache: TokenCache) -> Self {
        Self { cache, acquiring: Acquiring::default() }
    }

    /// Waits for this flight first.
    pub(super) fn join(self: Pin<&mut Self>, flight: Arc<Flight>) {
        self.project().acquiring.join(flight);
    }
}

impl fmt::Debug for Get {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").field("cache", &self.cache).finish_non_exhaustive()
    }
}

impl Future for Get {
    type Output = Result<Token, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let cache = &*this.cache;
        match this.acquiring.at_hand(cache) {
            Some(token) => Poll::Ready(Ok(token)),
            None => this.acquiring.poll(cache, cx, |snapshot| cache.shared.hand_out(snapshot)),
        }
    }
}
