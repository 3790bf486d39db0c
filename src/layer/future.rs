//! The response future of the service.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    authorized::AuthorizedToken,
    prepare::{Prepared, RetryBudget, prepare},
    protocol::{Http, Protocol},
    replay::ReplayPolicy,
    settings::refusal,
    shared::LayerShared,
    slow::SlowRequest,
};
use crate::{cache::TokenCache, error::BoxError, event::NotReplayedReason, sync::Arc};

pin_project! {
    /// The future of [`OAuthClientCredentials`](crate::OAuthClientCredentials).
    ///
    /// Dropping it drops the request and ends its wait for a token. An acquisition that it started
    /// continues.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, P, M = Http>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        #[pin]
        state: State<S, B, P>,
        protocol: PhantomData<fn() -> M>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        // The request was sent, and is not sent again. `token` is `None` for a request without one.
        Calling { #[pin] future: S::Future, token: Option<Arc<AuthorizedToken>> },
        Failed { error: Option<BoxError> },
        // Boxed, so that a future in the first state is small.
        Slow { slow: SlowBox<S, B, P> },
    }
}

impl<S, B, P, M> ResponseFuture<S, B, P, M>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    #[inline(always)]
    fn new(state: State<S, B, P>) -> Self {
        Self { state, protocol: PhantomData }
    }

    #[inline(always)]
    pub(super) fn calling(future: S::Future, token: Option<Arc<AuthorizedToken>>) -> Self {
        Self::new(State::Calling { future, token })
    }

    #[cold]
    pub(super) fn refused(why: &'static str) -> Self {
        Self::failed(refusal(why))
    }

    #[cold]
    fn failed(error: BoxError) -> Self {
        Self::new(State::Failed { error: Some(error) })
    }

    #[cold]
    pub(super) fn waiting(
        policy: P,
        shared: Arc<LayerShared<TokenCache>>,
        service: S,
        request: Request<B>,
    ) -> Self {
        Self::slow(SlowRequest::waiting(policy, shared, service, request))
    }

    #[inline(always)]
    fn slow(slow: SlowRequest<S, B, P>) -> Self {
        Self::new(State::Slow { slow: SlowBox::new(slow) })
    }

    /// Sends a request that may be sent again, or whose token needs a proof.
    pub(super) fn sending(
        token: Arc<AuthorizedToken>,
        policy: &P,
        service: &mut S,
        request: Request<B>,
    ) -> Self
    where
        S: Clone,
        M: Protocol,
    {
        let prepared = prepare::<S, B, P, M>(&token, policy, service, request, RetryBudget::FULL);
        let Prepared { request, is_authorized, replay, proven } = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Self::failed(error),
        };
        let future = service.call(request);
        if replay.is_none() && proven.is_none() {
            return Self::calling(future, is_authorized.then_some(token));
        }
        Self::slow(SlowRequest::sending(policy.clone(), future, token, replay, proven))
    }
}

impl<S, B, P, M, R> Future for ResponseFuture<S, B, P, M>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
    M: Protocol,
{
    type Output = Result<Response<M::Body<R>>, BoxError>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling { future, token } => {
                let result = future.poll(cx);
                if let Poll::Ready(Ok(response)) = &result
                    && let status = M::status(response)
                    && !status.is_success()
                    && let Some(token) = token
                {
                    let reason = NotReplayedReason::Policy;
                    token.invalidate_if_rejected(status, response.headers(), reason);
                }
                result.map_ok(|response| M::finish(response, token)).map_err(Into::into)
            }
            StateProj::Slow { slow } => slow.poll::<M>(cx),
            StateProj::Failed { error } => {
                Poll::Ready(Err(error.take().expect("polled after completion")))
            }
        }
    }
}

impl<S, B, P, M> fmt::Debug for ResponseFuture<S, B, P, M>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// A boxed request that is polled and dropped out of line, so that the code of a plain call stays
/// small.
struct SlowBox<S, B, P>(Option<Pin<Box<SlowRequest<S, B, P>>>>)
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>;

impl<S, B, P> SlowBox<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    #[inline(always)]
    fn new(slow: SlowRequest<S, B, P>) -> Self {
        Self(Some(Box::pin(slow)))
    }
}

impl<S, B, P, R> SlowBox<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    #[inline(never)]
    fn poll<M: Protocol>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<M::Body<R>>, BoxError>> {
        let slow = self.0.as_mut().expect("it is dropped with this box");
        slow.as_mut().poll::<M>(cx)
    }
}

impl<S, B, P> Drop for SlowBox<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    #[inline(always)]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn drop_out_of_line<T>(slow: T) {
            drop(slow);
        }
        if let Some(slow) = self.0.take() {
            drop_out_of_line(slow);
        }
    }
}
