//! The response future: calls at once with a fresh token, otherwise waits first; after a rejection
//! waits and calls once more.

mod attempt;
mod boxed;
mod connection;
mod detour;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use self::{attempt::Attempt, boxed::Boxed, detour::Detour};
pub(crate) use self::{
    attempt::{Chances, send},
    detour::Held,
};
use crate::{
    challenge::Verdict, error::BoxError, event::NotReplayedReason, lease::Badge,
    replay::ReplayPolicy, settings::refusal, sync::Arc,
};

pin_project! {
    /// The future of [`OAuthClientCredentials`](crate::OAuthClientCredentials).
    ///
    /// Dropping it drops the request that is under way and gives up a wait; an acquisition that
    /// it started goes on.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        #[pin]
        state: State<S, B, P>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        // A call that is not made again, whatever its answer. Without a badge it is not ours, and its
        // answer not looked at.
        Calling { #[pin] future: S::Future, badge: Option<Arc<Badge<P>>> },
        // Everything else is behind a box, so that a call in flight stays small.
        Aside { aside: Boxed<Aside<S, B, P>> },
    }
}

pin_project! {
    #[project = AsideProj]
    enum Aside<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        // It is not sent at all.
        Refused { error: Option<BoxError> },
        Attempt { #[pin] attempt: Attempt<S, B, P> },
        Detour { #[pin] detour: Detour<S, B, P> },
    }
}

type Answer<R> = Result<Response<R>, BoxError>;

/// The answer to a request that is not sent again: a rejected token is invalidated.
#[cold]
#[inline(never)]
fn judge_once<P, R>(badge: &Badge<P>, response: &Response<R>) {
    if badge.verdict(response) == Verdict::Rejected {
        badge.cache().invalidate(badge.token());
        let observer = badge.cache().observer();
        badge.settings().report_not_replayed(NotReplayedReason::Policy, observer);
    }
}

/// Where a response future goes on.
enum Next<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    Done(Result<S::Response, BoxError>),
    Call(ResponseFuture<S, B, P>),
    Aside(Boxed<Aside<S, B, P>>),
}

impl<S, B, P> ResponseFuture<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    #[inline]
    pub(crate) fn calling(future: S::Future, badge: Option<Arc<Badge<P>>>) -> Self {
        Self { state: State::Calling { future, badge } }
    }

    #[cold]
    pub(crate) fn refused(why: &'static str) -> Self {
        Self::failed(refusal(why))
    }

    fn failed(error: impl Into<BoxError>) -> Self {
        Self::aside(Aside::Refused { error: Some(error.into()) })
    }

    pub(crate) fn waiting(held: Held<S, B, P>) -> Self {
        Self::aside(Aside::Detour { detour: Detour::waiting(held) })
    }

    fn aside(aside: Aside<S, B, P>) -> Self {
        Self { state: State::Aside { aside: Boxed::new(aside) } }
    }
}

impl<S, B, P, R> Future for ResponseFuture<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    type Output = Answer<R>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let StateProj::Calling { future, badge } = self.as_mut().project().state.project() else {
            return self.poll_aside(cx);
        };
        // The answer stays where it is: each hand that it goes through is a copy of all of it.
        let answer = future.poll(cx);
        if let Poll::Ready(Ok(response)) = &answer
            && !response.status().is_success()
            && let Some(badge) = badge
        {
            judge_once(badge, response);
        }
        answer.map_err(Into::into)
    }
}

impl<S, B, P, R> ResponseFuture<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    /// Whatever is not a call that is made once.
    #[inline(never)]
    fn poll_aside(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer<R>> {
        // Not without end: a request is sent four times at most, for another token, for a nonce, and
        // when a connection is lost.
        loop {
            let next = match self.as_mut().project().state.project() {
                StateProj::Aside { aside } => match aside.as_mut().project() {
                    AsideProj::Attempt { attempt } => match attempt.poll(cx) {
                        Ok(answer) => return answer,
                        Err(next) => next,
                    },
                    AsideProj::Detour { detour } => ready!(detour.poll(cx)),
                    AsideProj::Refused { error } => {
                        let error = error.take().expect("polled after it was done");
                        return Poll::Ready(Err(error));
                    }
                },
                StateProj::Calling { .. } => return self.poll(cx),
            };
            match next {
                Next::Done(result) => return Poll::Ready(result),
                Next::Call(call) => self.set(call),
                // This drops the first call's future, and with it whatever it held reserved.
                Next::Aside(aside) => self.set(Self { state: State::Aside { aside } }),
            }
        }
    }
}

impl<S, B, P> fmt::Debug for ResponseFuture<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
