//! The body of a mock's response.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;

/// The body of a response in memory: of
/// [`AuthorizationServerService`](super::AuthorizationServerService) and
/// [`ProtectedApiService`](super::ProtectedApiService). It is one frame of known length.
///
/// # Examples
///
/// ```
/// use http_body_util::{BodyExt, Empty};
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, MockBody, ProtectedApi};
/// use tower_service::Service;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let api = ProtectedApi::new(&AuthorizationServer::new());
/// let request = http::Request::get("https://api.test/").body(Empty::<bytes::Bytes>::new()).unwrap();
/// let body: MockBody = api.service().call(request).await.unwrap().into_body();
/// assert!(body.collect().await.is_ok());
/// # });
/// ```
#[derive(Clone, Default)]
pub struct MockBody(Full<Bytes>);

impl MockBody {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(Full::new(bytes))
    }
}

/// Shows the size and not the content, which may be a token.
impl fmt::Debug for MockBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.size_hint().exact();
        f.debug_struct("MockBody").field("bytes", &bytes).finish_non_exhaustive()
    }
}

impl From<Bytes> for MockBody {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes)
    }
}

impl From<String> for MockBody {
    fn from(text: String) -> Self {
        Self::new(text.into())
    }
}

impl From<&'static str> for MockBody {
    fn from(text: &'static str) -> Self {
        Self::new(text.into())
    }
}

impl Body for MockBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
