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

use crate::error::{BoxError, Error, Problem};

/// reqwest does not export the type's name.
type Pending = <Client as Service<reqwest::Request>>::Future;

/// The future of [`ReqwestService`](crate::transport::ReqwestService).
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
            Ok(pending) => ready!(Pin::new(pending).poll(cx)).map(Into::into).map_err(classify),
            Err(error) => Err(error.take().expect("polled after it was done").into()),
        })
    }
}

/// An error of this crate if no retry can succeed, such as for plain `http` with a client for `https`
/// only.
fn classify(error: reqwest::Error) -> BoxError {
    if error.is_builder() { refused_by_reqwest(error).into() } else { error.without_url().into() }
}

pub(super) fn refused_by_reqwest(error: reqwest::Error) -> Error {
    refused("reqwest refuses it (see the cause)").with_source(error.without_url())
}

pub(super) fn refused(why: &'static str) -> Error {
    Error::of(Problem::Refused).with_detail(why)
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}
