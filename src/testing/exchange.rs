//! Answers a request: the part that both mocks share, in memory and on sockets.

use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Response, StatusCode, Uri};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{mock_body::MockBody, recorded::RecordedRequest};
use crate::error::BoxError;

/// Answers complete requests.
pub(super) trait Endpoint: Clone + Send + Sync + 'static {
    /// Maximum size of a request body in bytes. A larger body gets a 413.
    const BODY_LIMIT: usize;

    /// Held while a request is answered. Dropped also when the client drops the request.
    type Arrival: Send;

    /// A request has arrived. Its body may not be complete yet.
    fn arrive(&self, uri: &Uri) -> Self::Arrival;

    /// Answers a request.
    fn answer(
        &self,
        request: RecordedRequest,
        arrival: &Self::Arrival,
    ) -> impl Future<Output = Result<Response<Bytes>, ConnectionClosed>> + Send;
}

/// The mock closed the connection without a response, or the request's own body failed.
///
/// # Examples
///
/// ```
/// use http_body_util::Full;
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, ConnectionClosed, MockResponse};
/// use tower_service::Service;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let idp = AuthorizationServer::new();
/// idp.script([MockResponse::CloseConnection]);
/// let request = http::Request::post(idp.token_url()).body(Full::<bytes::Bytes>::default()).unwrap();
/// let error: ConnectionClosed = idp.service().call(request).await.unwrap_err();
/// assert_eq!(error.to_string(), "the connection was closed before an answer");
/// # });
/// ```
#[derive(Debug)]
pub struct ConnectionClosed {
    cause: Option<BoxError>,
}

impl ConnectionClosed {
    pub(super) fn on_purpose() -> Self {
        Self { cause: None }
    }
}

impl fmt::Display for ConnectionClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            None => "the connection was closed before an answer",
            Some(_) => "the request's body failed before an answer",
        })
    }
}

impl StdError for ConnectionClosed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// The response of a mock, on its way: the future of
/// [`AuthorizationServerService`](super::AuthorizationServerService) and
/// [`ProtectedApiService`](super::ProtectedApiService).
///
/// # Examples
///
/// A request counts from the call on, and as long as its future lives:
///
/// ```
/// use http_body_util::Full;
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, MockResponseFuture};
/// use tower_service::Service;
///
/// let idp = AuthorizationServer::new();
/// let request = http::Request::post(idp.token_url()).body(Full::<bytes::Bytes>::default()).unwrap();
/// let answering: MockResponseFuture = idp.service().call(request);
/// assert_eq!((idp.token_requests(), idp.in_flight()), (1, 1));
/// drop(answering);
/// assert_eq!((idp.token_requests(), idp.in_flight()), (1, 0));
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct MockResponseFuture(Pin<Box<dyn Future<Output = Answered> + Send>>);

type Answered = Result<Response<MockBody>, ConnectionClosed>;

impl MockResponseFuture {
    /// Starts to answer: the request counts from here on.
    pub(super) fn start<E, B>(endpoint: E, request: http::Request<B>) -> Self
    where
        E: Endpoint,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let arrival = endpoint.arrive(request.uri());
        Self(Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = match Limited::new(body, E::BODY_LIMIT).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if error.is::<LengthLimitError>() => {
                    let mut response = Response::new(MockBody::default());
                    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                    return Ok(response);
                }
                Err(error) => return Err(ConnectionClosed { cause: Some(error) }),
            };
            let request = RecordedRequest::new(parts, body);
            Ok(endpoint.answer(request, &arrival).await?.map(MockBody::new))
        }))
    }
}

impl Future for MockResponseFuture {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for MockResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockResponseFuture").finish_non_exhaustive()
    }
}
