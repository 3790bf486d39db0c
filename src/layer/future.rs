//! The response future of the service.

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use http::{HeaderMap, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    authorized::AuthorizedToken,
    challenge::Verdict,
    prepare::{Prepared, RetriesLeft, prepare},
    protocol::{Http, Protocol},
    replay::ReplayPolicy,
    replay_request::{PendingRequest, ReplayRequest},
    settings::refusal,
    shared::RequestTokens,
    slow::SlowRequest,
    stage::{COMPLETED, Sent},
};
use crate::{error::BoxError, event::NotReplayedReason, sync::Arc};

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
        // The request was sent once. `token` is `None` for a request without one.
        Calling {
            #[pin]
            future: S::Future,
            token: Option<Arc<AuthorizedToken>>,
            replay: Cold<Box<ReplayRequest<S, P, P::Kept>>>,
        },
        Slow { slow: Cold<Pin<Box<SlowRequest<S, B, P>>>> },
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
        Self::new(State::Calling { future, token, replay: Cold(None) })
    }

    #[cold]
    pub(super) fn refused(policy: &P, why: &'static str, client: &Arc<str>) -> Self {
        Self::failed(policy, refusal(why, client))
    }

    #[cold]
    fn failed(policy: &P, error: BoxError) -> Self {
        Self::slow(SlowRequest::failed(policy.clone(), error))
    }

    #[cold]
    pub(super) fn waiting(
        policy: P,
        tokens: RequestTokens,
        service: S,
        request: Request<B>,
    ) -> Self {
        Self::slow(SlowRequest::waiting(policy, PendingRequest { tokens, service, request }))
    }

    #[cold]
    fn slow(slow: SlowRequest<S, B, P>) -> Self {
        Self::new(State::Slow { slow: Cold(Some(Box::pin(slow))) })
    }

    /// Sends a request that may be sent again, that keeps its URI, or whose token needs a proof.
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
        let prepared = prepare::<S, B, P, M>(&token, policy, service, request, RetriesLeft::FULL);
        let Prepared { request, is_authorized, replay, uri } = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Self::failed(policy, error),
        };
        let future = service.call(request);
        let token = is_authorized.then_some(token);
        if uri.is_some() {
            let sent = Sent { token, replay, uri };
            return Self::slow(SlowRequest::sending(policy.clone(), future, sent));
        }
        Self::new(State::Calling { future, token, replay: Cold(replay) })
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
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let StateProj::Calling { future, token, replay } = self.as_mut().project().state.project()
        else {
            return self.poll_slow(cx);
        };
        // Borrowed rather than moved, because a move copies the whole response.
        let result = future.poll(cx);
        if let Poll::Ready(Ok(response)) = &result
            && !M::status(response).is_success()
            && handle_unsuccessful(M::status(response), response.headers(), token, replay)
        {
            return self.replay(result, cx);
        }
        if P::REPLAYS && result.is_ready() {
            // Drops a kept body before the caller reads the response.
            replay.0 = None;
        }
        M::finish(result, token)
    }
}

impl<S, B, P, M, R> ResponseFuture<S, B, P, M>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
    M: Protocol,
{
    #[inline(never)]
    fn poll_slow(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<M::Body<R>>, BoxError>> {
        match self.project().state.project() {
            StateProj::Slow { slow } => slow.0.as_mut().expect(COMPLETED).as_mut().poll::<M>(cx),
            StateProj::Calling { .. } => unreachable!("`poll` handles this state"),
        }
    }

    #[cold]
    #[inline(never)]
    fn replay(
        mut self: Pin<&mut Self>,
        result: Poll<Result<Response<R>, S::Error>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<M::Body<R>>, BoxError>> {
        if let StateProj::Calling { token, replay, .. } = self.as_mut().project().state.project()
            && let (Some(token), Some(replay)) = (token.take(), replay.0.take())
            && let Poll::Ready(Ok(response)) = result
        {
            // This drops the future of the first call, and any permit that it holds.
            self.set(Self::slow(SlowRequest::rejected(response, token, replay)));
            return self.poll_slow(cx);
        }
        unreachable!("only a response to a token is followed by a replay")
    }
}

/// Handles a response that is not a success: invalidates a rejected token that cannot be replayed.
/// Returns whether the request is to be sent again.
#[cold]
#[inline(never)]
fn handle_unsuccessful<T>(
    status: StatusCode,
    headers: &HeaderMap,
    token: &mut Option<Arc<AuthorizedToken>>,
    replay: &Cold<T>,
) -> bool {
    let Some(token) = token else { return false };
    match token.classify(status, headers) {
        Verdict::Rejected if replay.0.is_some() => return true,
        Verdict::Rejected => token.reject(None, NotReplayedReason::Policy),
        // A nonce is for a proof, and this request has none.
        Verdict::PassThrough | Verdict::UseNonce => {}
    }
    false
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

/// A value that most futures do not have. It is dropped out of line, so that the code of a plain
/// call stays small.
struct Cold<T>(Option<T>);

impl<T> Drop for Cold<T> {
    #[inline(always)]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn drop_out_of_line<T>(value: T) {
            drop(value);
        }
        if let Some(value) = self.0.take() {
            drop_out_of_line(value);
        }
    }
}
