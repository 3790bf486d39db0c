//! What a request does when it can't be sent at once: waits for a token, or for another one after
//! a rejection; then makes a service ready, which holds nothing reserved until then.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    Next,
    attempt::{Again, Chances, send},
};
use crate::{
    cache::{Replacement, Snapshot, TokenWait},
    error::{BoxError, Error, ErrorKind},
    event::NotReplayedReason,
    lease::{Badge, Shared},
    replay::ReplayPolicy,
    sync::Arc,
};

/// So often a token may expire before the service is ready: each costs an acquisition.
const EXPIRIES: u32 = 3;

/// A request that waits, with a service that is not ready: it reserves nothing.
pub(crate) struct Held<S, B, P> {
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) service: S,
    pub(crate) request: Request<B>,
}

/// What the detour is for.
enum Work<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    Send(Held<S, B, P>),
    // The answer or error is kept until it is certain that it is not wanted.
    SendAgain {
        result: Result<S::Response, BoxError>,
        shared: Arc<Shared<P>>,
        again: Again<S, P::Kept>,
    },
    Done,
}

impl<S, B, P> Work<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    /// Puts the request together again, to be sent with `with`. `Err`: there is nothing to send it
    /// with, or its body is gone, and the result is that of the sending before.
    fn restore<T>(&mut self, with: Option<T>) -> Result<T, Result<S::Response, BoxError>> {
        let Self::SendAgain { result, shared, again } = mem::replace(self, Self::Done) else {
            unreachable!("polled after it was done")
        };
        let reason = match with {
            None => NotReplayedReason::NoOtherToken,
            Some(with) => {
                if let Some(held) = again.restore(Arc::clone(&shared)) {
                    *self = Self::Send(held);
                    return Ok(with);
                }
                NotReplayedReason::BodyUnavailable
            }
        };
        shared.settings.report_not_replayed(reason, shared.cache.observer());
        Err(result)
    }

    fn take(&mut self) -> Held<S, B, P> {
        match mem::replace(self, Self::Done) {
            Self::Send(held) => held,
            _ => unreachable!("polled after it was done"),
        }
    }

    fn held(&mut self) -> &mut Held<S, B, P> {
        match self {
            Self::Send(held) => held,
            _ => unreachable!("polled after it was done"),
        }
    }
}

pin_project! {
    pub(super) struct Detour<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        work: Work<S, B, P>,
        // For further sendings.
        chances: Chances,
        // How many tokens expired before the service was ready.
        expired: u32,
        #[pin]
        stage: Stage,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage {
        Waiting { #[pin] acquiring: TokenWait },
        Replacing { #[pin] replacing: Replacement },
        // The token is good; the next proof has the nonce that was missing, or the next connection
        // lives.
        Resending { yielded: bool },
        Readying { snapshot: Arc<Snapshot> },
    }
}

impl Stage {
    fn waiting() -> Self {
        Self::Waiting { acquiring: TokenWait::default() }
    }
}

impl<S, B, P> Detour<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    pub(super) fn waiting(held: Held<S, B, P>) -> Self {
        let stage = Stage::waiting();
        Self { work: Work::Send(held), chances: Chances::ALL, expired: 0, stage }
    }

    pub(super) fn replacing(
        badge: &Badge<P>,
        response: S::Response,
        again: Again<S, P::Kept>,
        chances: Chances,
    ) -> Self {
        let stage = Stage::Replacing { replacing: badge.cache().replacement(badge.token()) };
        let work = Work::SendAgain { result: Ok(response), shared: badge.shared(), again };
        Self { work, chances, expired: 0, stage }
    }

    /// With a token that is still good. `result`: the answer or error of the sending before.
    pub(super) fn resending(
        badge: &Badge<P>,
        result: Result<S::Response, BoxError>,
        again: Again<S, P::Kept>,
        chances: Chances,
    ) -> Self {
        let work = Work::SendAgain { result, shared: badge.shared(), again };
        Self { work, chances, expired: 0, stage: Stage::Resending { yielded: false } }
    }

    pub(super) fn poll<R>(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Next<S, B, P>>
    where
        S: Service<Request<B>, Response = Response<R>> + Clone,
        S::Error: Into<BoxError>,
    {
        let mut this = self.project();
        loop {
            let snapshot = match this.stage.as_mut().project() {
                StageProj::Waiting { acquiring } => {
                    let cache = &this.work.held().shared.cache;
                    match ready!(cache.poll_wait(acquiring, cx, Arc::clone)) {
                        Ok(snapshot) => snapshot,
                        Err(error) => return Poll::Ready(Next::Done(Err(error.into()))),
                    }
                }
                StageProj::Replacing { replacing } => {
                    let replacement = ready!(replacing.poll_snapshot(cx));
                    // Only now is the body asked for: the connection had the time to let it go.
                    match this.work.restore(replacement) {
                        Ok(snapshot) => snapshot,
                        Err(result) => return Poll::Ready(Next::Done(result)),
                    }
                }
                StageProj::Resending { yielded } => {
                    // The connection's task gets a turn to let the first body go.
                    if !mem::replace(yielded, true) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    // The token may have been replaced meanwhile, so it is asked for.
                    if let Err(result) = this.work.restore(Some(())) {
                        return Poll::Ready(Next::Done(result));
                    }
                    this.stage.set(Stage::waiting());
                    continue;
                }
                StageProj::Readying { snapshot } => {
                    let held = this.work.held();
                    if let Err(error) = ready!(held.service.poll_ready(cx)) {
                        return Poll::Ready(Next::Done(Err(error.into())));
                    }
                    let later;
                    let usable = if snapshot.is_sendable(Instant::now()) {
                        Some(&*snapshot)
                    } else {
                        // It took so long that the token expired. With a later one at hand the
                        // place that was waited for is not given up: the next might take as long.
                        later = held.shared.cache.current_after_wait();
                        later.as_ref()
                    };
                    if let Some(snapshot) = usable {
                        let Held { shared, mut service, request } = this.work.take();
                        let badge = shared.badge(snapshot);
                        let call = send(badge, &mut service, request, *this.chances);
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
                    this.stage.set(Stage::waiting());
                    continue;
                }
            };
            this.stage.set(Stage::Readying { snapshot });
        }
    }
}
