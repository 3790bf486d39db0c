//! What a request does when it can't be sent at once: waits for a token, or for another one after
//! a rejection; then makes a service ready, which holds nothing reserved until then.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{Aside, Chances, ResponseFuture, send};
use crate::{
    cache::{Acquiring, Replacing, Snapshot},
    error::{BoxError, Error, ErrorKind},
    replay::ReplayPolicy,
    settings::Settings,
    sync::Arc,
};

/// So often a token may expire before the service is ready: each costs an acquisition.
const EXPIRIES: u32 = 3;

/// A request that waits, with a service that is not ready: it reserves nothing.
pub(crate) struct Held<S, B, P> {
    pub(crate) settings: Arc<Settings<P>>,
    pub(crate) service: S,
    pub(crate) request: Request<B>,
}

/// What is kept of a request that was sent, to send it again.
pub(crate) struct Again<S, P, K> {
    pub(crate) settings: Arc<Settings<P>>,
    pub(crate) service: S,
    pub(crate) parts: http::request::Parts,
    pub(crate) kept: K,
}

impl<S, P, K> Again<S, P, K> {
    fn restore<B>(self) -> Option<Held<S, B, P>>
    where
        P: ReplayPolicy<B, Kept = K>,
    {
        let Self { settings, service, parts, kept } = self;
        let body = settings.policy.restore(kept)?;
        Some(Held { settings, service, request: Request::from_parts(parts, body) })
    }
}

/// Where a response future goes on.
pub(crate) enum Next<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    Done(Result<S::Response, BoxError>),
    Call(ResponseFuture<S, B, P>),
    Aside(Pin<Box<Aside<S, B, P>>>),
}

impl<S, B, P> Next<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    pub(super) fn detour(detour: Detour<S, B, P>) -> Self {
        Self::Aside(Box::pin(Aside::Detour { detour }))
    }
}

pin_project! {
    pub(crate) struct Detour<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        held: Option<Held<S, B, P>>,
        // Set while this is about a second sending.
        again: Option<Box<Again<S, P, P::Kept>>>,
        // For further ones.
        chances: Chances,
        // How many tokens expired before the service was ready.
        expired: u32,
        #[pin]
        stage: Stage<S::Response>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<R> {
        // It is not sent at all.
        Refused { error: Option<BoxError> },
        Waiting { #[pin] acquiring: Acquiring },
        // The answer is kept until it is certain that it is not wanted.
        Replacing { #[pin] replacing: Replacing, response: Option<R> },
        // The token is good; the next proof has the nonce that was missing.
        Resending { response: Option<R>, yielded: bool },
        Readying { snapshot: Arc<Snapshot> },
    }
}

impl<S, B, P> Detour<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    pub(crate) fn refused(error: BoxError) -> Self {
        let stage = Stage::Refused { error: Some(error) };
        Self { held: None, again: None, chances: Chances::ALL, expired: 0, stage }
    }

    pub(crate) fn waiting(held: Held<S, B, P>) -> Self {
        let stage = Stage::Waiting { acquiring: held.settings.cache.acquiring() };
        Self { held: Some(held), again: None, chances: Chances::ALL, expired: 0, stage }
    }

    pub(crate) fn replacing(
        replacing: Replacing,
        response: S::Response,
        again: Box<Again<S, P, P::Kept>>,
        chances: Chances,
    ) -> Self {
        let stage = Stage::Replacing { replacing, response: Some(response) };
        Self { held: None, again: Some(again), chances, expired: 0, stage }
    }

    pub(crate) fn resending(
        response: S::Response,
        again: Box<Again<S, P, P::Kept>>,
        chances: Chances,
    ) -> Self {
        let stage = Stage::Resending { response: Some(response), yielded: false };
        Self { held: None, again: Some(again), chances, expired: 0, stage }
    }

    pub(crate) fn poll<R>(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next<S, B, P>>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone,
        S::Error: Into<BoxError>,
    {
        let mut this = self.project();
        loop {
            let snapshot = match this.stage.as_mut().project() {
                StageProj::Refused { error } => {
                    let error = error.take().expect("polled after it was done");
                    return Poll::Ready(Next::Done(Err(error)));
                }
                StageProj::Waiting { acquiring } => match ready!(acquiring.poll(cx)) {
                    Ok(snapshot) => snapshot,
                    Err(error) => return Poll::Ready(Next::Done(Err(error.into()))),
                },
                StageProj::Replacing { replacing, response } => {
                    let replacement = ready!(replacing.poll(cx));
                    // Only now is the body asked for: the connection had the time to let it go.
                    let again = this.again.take().expect("polled after it was done");
                    match replacement.zip(again.restore()) {
                        Some((snapshot, held)) => {
                            *this.held = Some(held);
                            snapshot
                        }
                        None => {
                            let response = response.take().expect("it was not taken yet");
                            return Poll::Ready(Next::Done(Ok(response)));
                        }
                    }
                }
                StageProj::Resending { response, yielded } => {
                    // The connection's task gets a turn to let the first body go.
                    if !std::mem::replace(yielded, true) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    // The token may have been replaced meanwhile, so it is asked for.
                    let again = this.again.take().expect("polled after it was done");
                    let Some(held) = again.restore() else {
                        let response = response.take().expect("it was not taken yet");
                        return Poll::Ready(Next::Done(Ok(response)));
                    };
                    let acquiring = held.settings.cache.acquiring();
                    *this.held = Some(held);
                    this.stage.set(Stage::Waiting { acquiring });
                    continue;
                }
                StageProj::Readying { snapshot } => {
                    let held = this.held.as_mut().expect("polled after it was done");
                    if let Err(error) = ready!(held.service.poll_ready(cx)) {
                        return Poll::Ready(Next::Done(Err(error.into())));
                    }
                    let usable = if snapshot.is_presentable(Instant::now()) {
                        Some(Arc::clone(snapshot))
                    } else {
                        // It took so long that the token expired. With a later one at hand the
                        // place that was waited for is not given up: the next might take as long.
                        held.settings.cache.usable()
                    };
                    if let Some(snapshot) = usable {
                        let Held { settings, mut service, request } =
                            this.held.take().expect("it was just there");
                        let presented = snapshot.present();
                        let call = send(&settings, &mut service, request, presented, *this.chances);
                        return Poll::Ready(Next::Call(call));
                    }
                    *this.expired += 1;
                    if *this.expired == EXPIRIES {
                        let error = Error::new(ErrorKind::WaitTimeout)
                            .with_detail("the service below is ready later than tokens live");
                        return Poll::Ready(Next::Done(Err(error.into())));
                    }
                    // Nothing stays reserved while it waits for another.
                    held.service = held.service.clone();
                    let acquiring = held.settings.cache.acquiring();
                    this.stage.set(Stage::Waiting { acquiring });
                    continue;
                }
            };
            // This drops the answer to the first sending, before anything is reserved again.
            this.stage.set(Stage::Readying { snapshot });
        }
    }
}
