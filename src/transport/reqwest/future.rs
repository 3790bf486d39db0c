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

use crate::error::{BoxError, Error, ErrorKind};

/// reqwest does not export its name.
type Pending = <Client as Service<reqwest::Request>>::Future;

/// The future of [`ReqwestService`](crate::ReqwestService).
#[must_use = "futures do nothing unless polled"]
pub struct ReqwestFuture {
    /// The error of a request that was not sent.
    sending: Result<Pending, Option<Error>>,
}

impl ReqwestFuture {
    pub(super) fn new(sending: Result<Pending, Error>) -> Self {
        Self { sending: sending.map_err(Some) }
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<reqwest::Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match &mut self.sending {
            Ok(pending) => ready!(Pin::new(pending).poll(cx)).map(Into::into).map_err(sort),
            Err(error) => Err(error.take().expect("polled after it was done").into()),
        })
    }
}

/// One of ours for what no other attempt can mend, such as plain `http` where the client is for
/// `https` only.
fn sort(error: reqwest::Error) -> BoxError {
    if error.is_builder() { not_taken(error).into() } else { error.without_url().into() }
}

pub(super) fn not_taken(error: reqwest::Error) -> Error {
    refused("reqwest does not take it (the cause says why)").with_source(error.without_url())
}

pub(super) fn refused(why: &'static str) -> Error {
    Error::new(ErrorKind::Refused).with_detail(why)
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}
