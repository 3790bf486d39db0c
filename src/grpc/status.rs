//! Below the layer: reads the status of each answer.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    cache::TokenCache,
    challenge::Verdict,
    event::{Event, NotReplayedReason},
    settings::Judge,
    sync::Arc,
    throttle::Throttle,
};

/// Marks an answer whose status [`StatusWatch`] made 401, to be made 200 again above.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrailersOnly;

/// What the status of an answer is held against.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) cache: TokenCache,
    pub(super) judge: Judge,
    /// Another field than `Authorization`.
    pub(super) header_name: Option<HeaderName>,
    pub(super) throttle: Arc<Throttle>,
}

/// The part of [`OAuthGrpc`](super::OAuthGrpc) below the layer: shows it a trailers-only
/// `UNAUTHENTICATED` as a 401, and watches the trailers of other answers itself.
#[derive(Clone)]
pub struct StatusWatch<S> {
    inner: S,
    watch: Arc<Watch>,
}

impl<S> StatusWatch<S> {
    pub(super) fn new(inner: S, watch: Arc<Watch>) -> Self {
        Self { inner, watch }
    }
}

impl<S, B, R> Service<Request<B>> for StatusWatch<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<WatchedBody<R>>;
    type Error = S::Error;
    type Future = StatusFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let name = self.watch.header_name.as_ref().unwrap_or(&header::AUTHORIZATION);
        let value = request.headers().get(name).cloned();
        let sent = value.map(|value| Sent { watch: Arc::clone(&self.watch), value });
        StatusFuture { future: self.inner.call(request), sent }
    }
}

impl<S: fmt::Debug> fmt::Debug for StatusWatch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatusWatch").field(&self.inner).finish()
    }
}

/// What a call left with.
struct Sent {
    watch: Arc<Watch>,
    value: HeaderValue,
}

impl Sent {
    /// A status that came too late to make the call again.
    #[cold]
    fn unauthenticated(self, trailers: &HeaderMap) {
        let Watch { cache, judge, throttle, .. } = &*self.watch;
        // One that is no longer current, or was never the cache's, says nothing of the current one.
        let Some(token) = cache.peek().filter(|token| token.header_value() == self.value) else {
            return;
        };
        let mut answer = Response::new(());
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        *answer.headers_mut() = trailers.clone();
        if judge.verdict(&answer, &token) == Verdict::Rejected {
            cache.invalidate(&token);
            let reason = NotReplayedReason::AnswerBegan;
            if cache.observer().sees_debug() && throttle.admits(reason) {
                cache.observer().emit(&Event::NotReplayed { reason });
            }
        }
    }
}

fn is_unauthenticated(fields: &HeaderMap) -> bool {
    fields.get("grpc-status").is_some_and(|status| status == "16")
}

pin_project! {
    /// The future of [`StatusWatch`].
    #[must_use = "futures do nothing unless polled"]
    pub struct StatusFuture<F> {
        #[pin]
        future: F,
        sent: Option<Sent>,
    }
}

impl<F, R, E> Future for StatusFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<WatchedBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        let mut sent = this.sent.take();
        if !response.status().is_success() {
            // It is judged above, as HTTP.
            sent = None;
        } else if is_unauthenticated(response.headers()) {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            response.extensions_mut().insert(TrailersOnly);
            sent = None;
        }
        Poll::Ready(Ok(response.map(|body| WatchedBody { body, sent })))
    }
}

impl<F> fmt::Debug for StatusFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// A response body: the client's, whose trailers are looked at as they pass.
    pub struct WatchedBody<R> {
        #[pin]
        body: R,
        sent: Option<Sent>,
    }
}

impl<R: Body> Body for WatchedBody<R> {
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
            && let Some(sent) = this.sent.take()
        {
            sent.unauthenticated(trailers);
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

impl<R: fmt::Debug> fmt::Debug for WatchedBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchedBody").field(&self.body).finish()
    }
}
