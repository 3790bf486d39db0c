//! The future that hands out a token.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pin_project_lite::pin_project;

use super::{Acquiring, flight::Flight};
use crate::{error::Error, sync::Arc, token::Token};

pin_project! {
    /// The future of [`TokenCache::get`](super::TokenCache::get).
    ///
    /// Dropping it gives up the wait and nothing else: an acquisition that it started goes on.
    #[must_use = "futures do nothing unless polled"]
    pub struct Get {
        #[pin]
        acquiring: Acquiring,
    }
}

impl Get {
    pub(super) fn new(acquiring: Acquiring) -> Self {
        Self { acquiring }
    }

    /// Waits for this flight first.
    pub(super) fn join(self: Pin<&mut Self>, flight: Arc<Flight>) {
        self.project().acquiring.join(flight);
    }
}

impl Future for Get {
    type Output = Result<Token, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let acquiring = self.project().acquiring;
        if let Some(token) = acquiring.at_hand() {
            return Poll::Ready(Ok(token));
        }
        let snapshot = ready!(acquiring.poll(cx))?;
        Poll::Ready(Ok(snapshot.hand_out()))
    }
}
