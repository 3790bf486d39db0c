//! The future of the service.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use reqwest::Client;
use tower_service::Service;

/// reqwest does not export its name.
type Pending = <Client as Service<reqwest::Request>>::Future;

/// The future of [`ReqwestService`](crate::ReqwestService).
#[must_use = "futures do nothing unless polled"]
pub struct ReqwestFuture {
    /// The error of a request that was none for reqwest.
    sending: Result<Pending, Option<reqwest::Error>>,
}

impl ReqwestFuture {
    pub(super) fn new(sending: Result<Pending, reqwest::Error>) -> Self {
        Self { sending: sending.map_err(Some) }
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<reqwest::Body>, reqwest::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = match &mut self.sending {
            Ok(pending) => ready!(Pin::new(pending).poll(cx)),
            Err(error) => Err(error.take().expect("polled after it was done")),
        };
        Poll::Ready(answer.map(Into::into).map_err(reqwest::Error::without_url))
    }
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}
