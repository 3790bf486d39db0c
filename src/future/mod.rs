//! The response future: calls at once with a fresh token, otherwise waits first; after a rejection
//! waits and calls once more.

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

pub(crate) use self::detour::Held;
use self::detour::{Again, Detour, Next};
use crate::{
    authorize::Authorized,
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
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        // Refused before it was sent.
        Ready { error: Option<BoxError> },
        // Not ours: nothing is looked at.
        Passing { #[pin] future: S::Future },
        Calling { #[pin] future: S::Future, sent: Option<Sent<S, B, P>> },
        // Everything that waits is behind a box, so that what does not wait stays small.
        Detour { detour: Pin<Box<Detour<S, B, P>>> },
    }
}

/// What is remembered of a request that left with a token.
struct Sent<S, B, P: ReplayPolicy<B>> {
    presented: Arc<Presented>,
    judge: Judge,
    again: Option<Box<Again<S, P, P::Kept>>>,
    body: std::marker::PhantomData<fn(B)>,
}

impl<S, B, P> ResponseFuture<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    pub(crate) fn passing(future: S::Future) -> Self {
        Self { state: State::Passing { future } }
    }

    pub(crate) fn refused(why: &'static str) -> Self {
        Self { state: State::Ready { error: Some(refusal(why)) } }
    }

    pub(crate) fn waiting(held: Held<S, B, P>) -> Self {
        Self { state: State::Detour { detour: Box::pin(Detour::waiting(held)) } }
    }
}

/// Sends a request with a token, through a service that is ready. `replays`: it may be sent again.
#[inline]
pub(crate) fn send<S, B, P>(
    settings: &Arc<Settings<P>>,
    service: &mut S,
    mut request: Request<B>,
    presented: &Arc<Presented>,
    replays: bool,
) -> ResponseFuture<S, B, P>
where
    S: Service<Request<B>> + Clone,
    P: ReplayPolicy<B>,
{
    let mut again = None;
    if P::REPLAYS && replays && !settings.leaves_alone(&request) {
        let (parts, body) = request.into_parts();
        let (body, kept) = settings.policy.keep(body);
        again = kept.map(|kept| {
            let (settings, service) = (Arc::clone(settings), service.clone());
            Box::new(Again { settings, service, parts: parts.clone(), kept })
        });
        request = Request::from_parts(parts, body);
    }
    match settings.authorize(&mut request, presented.header()) {
        Authorized::Ours => {
            let judge = settings.judge.clone();
            let presented = Arc::clone(presented);
            let sent = Some(Sent { presented, judge, again, body: std::marker::PhantomData });
            ResponseFuture { state: State::Calling { future: service.call(request), sent } }
        }
        Authorized::Own => ResponseFuture::passing(service.call(request)),
        Authorized::Refused => ResponseFuture::refused(HAS_OWN),
        Authorized::Full => ResponseFuture::refused("it has no room for another header field"),
    }
}

impl<S, B, P, R> Future for ResponseFuture<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Ready { error } => {
                    return Poll::Ready(Err(error.take().expect("polled after it was ready")));
                }
                StateProj::Passing { future } => return future.poll(cx).map_err(Into::into),
                StateProj::Calling { future, sent } => {
                    let response = ready!(future.poll(cx)).map_err(Into::into)?;
                    let Some(sent) = sent.take() else { return Poll::Ready(Ok(response)) };
                    match sent.judge.verdict(&response, sent.presented.token()) {
                        Verdict::Rejected => sent.rejected(response),
                        Verdict::HandBack | Verdict::UseNonce => Next::Done(Ok(response)),
                    }
                }
                StateProj::Detour { detour } => ready!(detour.as_mut().poll(cx)),
            };
            match next {
                Next::Done(result) => return Poll::Ready(result),
                Next::Call(call) => state.set(call.state),
                // This drops the first call's future, and with it whatever it held reserved.
                Next::Detour(detour) => state.set(State::Detour { detour }),
            }
        }
    }
}

impl<S, B, P> Sent<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    /// The API rejected the token: it is invalidated in any case, and the request is sent again if
    /// it can be.
    fn rejected(self, response: S::Response) -> Next<S, B, P> {
        let Some(cache) = self.presented.cache() else { return Next::Done(Ok(response)) };
        match self.again {
            Some(again) => {
                let replacing = cache.replacing(self.presented.token());
                Next::Detour(Box::pin(Detour::replacing(replacing, response, again)))
            }
            None => {
                cache.invalidate(self.presented.token());
                Next::Done(Ok(response))
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
