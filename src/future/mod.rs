//! The response future: calls at once with a fresh token, otherwise waits first; after a rejection
//! waits and calls once more.

mod detour;
mod proven;

use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

pub(crate) use self::{
    detour::Held,
    proven::{Chances, send_bound},
};
use self::{
    detour::{Again, Detour, Next},
    proven::Proven,
};
use crate::{
    authorize::{Authorized, NO_ROOM},
    cache::Presented,
    challenge::Verdict,
    error::BoxError,
    replay::ReplayPolicy,
    settings::{HAS_OWN, Judge, Settings, refusal},
    sync::Arc,
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
        // Without it a call is not ours, and its answer not looked at.
        sent: Option<Sent<S, B, P>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        Calling { #[pin] future: S::Future },
        // Everything else is behind a box, so that a call in flight stays small.
        Aside { aside: Pin<Box<Aside<S, B, P>>> },
    }
}

pin_project! {
    #[project = AsideProj]
    enum Aside<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        Detour { #[pin] detour: Detour<S, B, P> },
        Proven { #[pin] proven: Proven<S, B, P> },
    }
}

/// What is remembered of a request that left with a token.
pub(crate) struct Sent<S, B, P: ReplayPolicy<B>> {
    presented: Arc<Presented>,
    judge: Judge,
    again: Option<Box<Again<S, P, P::Kept>>>,
    body: PhantomData<fn(B)>,
}

impl<S, B, P> ResponseFuture<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    pub(crate) fn passing(future: S::Future) -> Self {
        Self::calling(future, None)
    }

    #[inline]
    pub(crate) fn calling(future: S::Future, sent: Option<Sent<S, B, P>>) -> Self {
        Self { state: State::Calling { future }, sent }
    }

    #[cold]
    pub(crate) fn refused(why: &'static str) -> Self {
        Self::detour(Detour::refused(refusal(why)))
    }

    pub(crate) fn waiting(held: Held<S, B, P>) -> Self {
        Self::detour(Detour::waiting(held))
    }

    fn detour(detour: Detour<S, B, P>) -> Self {
        Self::aside(Box::pin(Aside::Detour { detour }))
    }

    fn proven(proven: Proven<S, B, P>) -> Self {
        Self::aside(Box::pin(Aside::Proven { proven }))
    }

    fn aside(aside: Pin<Box<Aside<S, B, P>>>) -> Self {
        Self { state: State::Aside { aside }, sent: None }
    }
}

/// Sends a request with a token, through a service that is ready. `chances`: what it may be sent
/// again for.
pub(crate) fn send<S, B, P>(
    settings: &Arc<Settings<P>>,
    service: &mut S,
    request: Request<B>,
    presented: Arc<Presented>,
    chances: Chances,
) -> ResponseFuture<S, B, P>
where
    S: Service<Request<B>> + Clone,
    P: ReplayPolicy<B>,
{
    if presented.is_bound() {
        send_bound(settings, service, request, presented, chances)
    } else {
        send_bearer(settings, service, request, presented, chances.token)
    }
}

/// The same with a token that is bound to no key. `replays`: the request may be sent again.
pub(crate) fn send_bearer<S, B, P>(
    settings: &Arc<Settings<P>>,
    service: &mut S,
    mut request: Request<B>,
    presented: Arc<Presented>,
    replays: bool,
) -> ResponseFuture<S, B, P>
where
    S: Service<Request<B>> + Clone,
    P: ReplayPolicy<B>,
{
    let mut again = None;
    if P::REPLAYS && replays && !settings.leaves_alone(&request) {
        (request, again) = keep(settings, service, request);
    }
    match Sent::with(presented, settings, &mut request, again) {
        Ok(sent) => ResponseFuture::calling(service.call(request), sent),
        Err(why) => ResponseFuture::refused(why),
    }
}

type KeptAgain<S, B, P> = Option<Box<Again<S, P, <P as ReplayPolicy<B>>::Kept>>>;

/// Keeps what is needed to send the request again, if it can be.
// Else each request is copied once more on its way in and out.
#[inline(always)]
fn keep<S, B, P>(
    settings: &Arc<Settings<P>>,
    service: &S,
    request: Request<B>,
) -> (Request<B>, KeptAgain<S, B, P>)
where
    S: Clone,
    P: ReplayPolicy<B>,
{
    let (parts, body) = request.into_parts();
    let (body, kept) = settings.policy.keep(body);
    let again = kept.map(|kept| {
        let (settings, service) = (Arc::clone(settings), service.clone());
        Box::new(Again { settings, service, parts: parts.clone(), kept })
    });
    (Request::from_parts(parts, body), again)
}

impl<S, B, P, R> Future for ResponseFuture<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    type Output = Result<Response<R>, BoxError>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let (StateProj::Calling { future }, sent) = (this.state.project(), this.sent) else {
            return self.poll_aside(cx);
        };
        // The answer stays where it is: each hand that it goes through is a copy of all of it.
        let answer = ready!(future.poll(cx)).map_err(Into::into);
        if let Ok(response) = &answer
            && !response.status().is_success()
            && let Some(sent) = sent.take_if(|sent| sent.is_rejected_by(response))
        {
            // What more there is of chances is for tokens that are bound to a key.
            return self.go_on(sent.rejected(answer, Chances { token: false, ..Chances::ALL }), cx);
        }
        if P::REPLAYS {
            // What was kept for sending again is let go before anyone reads on.
            *sent = None;
        }
        Poll::Ready(answer)
    }
}

impl<S, B, P, R> ResponseFuture<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    /// Whatever is not a call in flight.
    #[inline(never)]
    fn poll_aside(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, BoxError>> {
        let next = match self.as_mut().project().state.project() {
            StateProj::Aside { aside } => ready!(match aside.as_mut().project() {
                AsideProj::Detour { detour } => detour.poll(cx),
                AsideProj::Proven { proven } => proven.poll(cx),
            }),
            StateProj::Calling { .. } => return self.poll(cx),
        };
        self.go_on(next, cx)
    }

    #[cold]
    fn go_on(
        mut self: Pin<&mut Self>,
        next: Next<S, B, P>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, BoxError>> {
        match next {
            Next::Done(result) => return Poll::Ready(result),
            Next::Call(call) => self.set(call),
            // This drops the first call's future, and with it whatever it held reserved.
            Next::Aside(aside) => self.set(Self::aside(aside)),
        }
        // Not without end: a request is sent thrice at most.
        self.poll(cx)
    }
}

impl<S, B, P> Sent<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    /// Puts the token into the request. `None`: it has one of its own; an error: it must not be
    /// sent.
    #[inline]
    pub(crate) fn with(
        presented: Arc<Presented>,
        settings: &Settings<P>,
        request: &mut Request<B>,
        again: KeptAgain<S, B, P>,
    ) -> Result<Option<Self>, &'static str> {
        match settings.authorize(request, presented.header()) {
            Authorized::Ours => {
                let judge = settings.judge.clone();
                Ok(Some(Self { presented, judge, again, body: PhantomData }))
            }
            Authorized::Own => Ok(None),
            Authorized::Refused => Err(HAS_OWN),
            Authorized::Full => Err(NO_ROOM),
        }
    }

    fn is_rejected_by<R>(&self, response: &Response<R>) -> bool {
        self.judge.verdict(response, self.presented.token()) == Verdict::Rejected
    }

    /// The API rejected the token: it is invalidated in any case, and the request is sent again if
    /// it can be.
    #[cold]
    fn rejected(self, answer: Result<S::Response, BoxError>, chances: Chances) -> Next<S, B, P> {
        let Some(cache) = self.presented.cache() else { return Next::Done(answer) };
        match (answer, self.again) {
            (Ok(response), Some(again)) => {
                let replacing = cache.replacing(self.presented.token());
                Next::detour(Detour::replacing(replacing, response, again, chances))
            }
            (answer, _) => {
                cache.invalidate(self.presented.token());
                Next::Done(answer)
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
