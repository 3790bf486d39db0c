//! The body of a response.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{failure::Failure, pool::Exchange};
use crate::error::BoxError;

/// The body of a response to [`HyperClient`](crate::transport::HyperClient) or
/// [`HyperTransport`](crate::transport::HyperTransport).
///
/// An error while the body is read is boxed. It says which problem it is and what to do.
///
/// # Examples
///
/// Reads at most 64 KiB of a response:
///
/// ```
/// use http_body_util::{BodyExt, Limited};
/// use tower_oauth2_client_credentials::{BoxError, transport::HyperBody};
///
/// async fn text(response: http::Response<HyperBody>) -> Result<String, BoxError> {
///     let body = Limited::new(response.into_body(), 64 * 1024).collect().await?;
///     Ok(String::from_utf8(body.to_bytes().into())?)
/// }
/// ```
pub struct HyperBody {
    body: Incoming,
    from: Peer,
}

enum Peer {
    /// An API, with its host and port for messages.
    Api(Box<str>),
    /// The token endpoint. The end of the body ends the exchange.
    TokenEndpoint(Exchange),
}

impl HyperBody {
    pub(super) fn of_api(body: Incoming, host: String) -> Self {
        Self { body, from: Peer::Api(host.into_boxed_str()) }
    }

    pub(super) fn of_token_endpoint(body: Incoming, mut exchange: Exchange) -> Self {
        if body.is_end_stream() {
            exchange.end();
        }
        Self { body, from: Peer::TokenEndpoint(exchange) }
    }
}

impl Body for HyperBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, from } = &mut *self;
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if let Peer::TokenEndpoint(exchange) = from {
            if let Some(Ok(frame)) = &frame
                && let Some(data) = frame.data_ref()
            {
                exchange.pool.refund(data.len());
            }
            if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
                exchange.end();
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| from.describe(error))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Peer {
    fn describe(&self, error: hyper::Error) -> BoxError {
        match self {
            Self::Api(host) => Failure::answer(&error, host).with_source(error).into(),
            Self::TokenEndpoint(exchange) => Failure::answer(&error, &exchange.display_host).into(),
        }
    }
}

/// Not the data.
impl fmt::Debug for HyperBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperBody").field("size_hint", &self.size_hint()).finish_non_exhaustive()
    }
}
