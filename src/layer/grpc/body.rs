//! A response body whose trailers are checked.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{
    event::NotReplayedReason,
    layer::{authorized::AuthorizedToken, challenge::Verdict},
    sync::Arc,
};

pin_project! {
    /// The response body of a [`Grpc`](super::Grpc) layer: the inner service's body, whose trailers
    /// are checked for a rejected token.
    pub struct ResponseBody<R> {
        #[pin]
        body: R,
        // Taken when the trailers arrive. `None` if the call carried no token, or has already failed.
        token: Option<Arc<AuthorizedToken>>,
    }
}

impl<R> ResponseBody<R> {
    pub(super) fn new(body: R, token: Option<Arc<AuthorizedToken>>) -> Self {
        Self { body, token }
    }
}

/// Whether these are the header fields or trailers of a call that failed with `UNAUTHENTICATED`.
pub(super) fn is_unauthenticated(fields: &HeaderMap) -> bool {
    fields.get("grpc-status").is_some_and(|status| status == "16")
}

impl<R: Body> Body for ResponseBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let this = self.project();
        let frame = ready!(this.body.poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(trailers) = frame.trailers_ref()
            && is_unauthenticated(trailers)
            && let Some(token) = this.token.take()
            // A rejection of a token that was replaced says nothing about the cached one.
            && token.cache().peek().is_some_and(|cached| cached.same_secret(token.token()))
        {
            // Too late for a replay: the caller has read from the response.
            if token.classify(StatusCode::UNAUTHORIZED, trailers) == Verdict::Rejected {
                token.reject(None, NotReplayedReason::ResponseStarted);
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<R: fmt::Debug> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseBody").field(&self.body).finish()
    }
}
