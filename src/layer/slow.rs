//! A request that waits, or that may be sent again.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response, Uri};
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    authorized::AuthorizedToken,
    challenge::Verdict,
    connection::Failure,
    prepare::{Prepared, RetryBudget, prepare},
    protocol::Protocol,
    replay::ReplayPolicy,
    replay_request::{PendingRequest, ReplayRequest},
    shared::LayerShared,
};
use crate::{
    cache::{Acquiring, Replacing, TokenCache},
    error::{BoxError, Error, ErrorKind},
    event::NotReplayedReason,
    sync::Arc,
};

/// How many tokens may expire while the inner service becomes ready. Each costs an acquisition.
const MAX_EXPIRED_TOKENS: u32 = 3;

const COMPLETED: &str = "polled after completion";

pin_project! {
    /// A request that waits, or that may be sent again. It is boxed, and a replay uses the same box.
    ///
    /// ```text
    /// WaitingForToken ──► Readying ──► Sending ──► response
    ///        ▲                ▲           │
    ///        │                └───────────┼── WaitingForReplacement   (the token was rejected)
    ///        └────────────────────────────┴── Yielding                (nonce or connection missing)
    /// ```
    ///
    /// It is sent four times at most: with the first token, with another one, with a nonce, and
    /// after a lost connection.
    pub(super) struct SlowRequest<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        policy: P,
        budget: RetryBudget,
        expired_tokens: u32,
        #[pin]
        stage: Stage<S, B, P::Kept>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<S, B, K>
    where
        S: Service<Request<B>>,
    {
        // No token is cached. Nothing of the inner service is reserved.
        WaitingForToken {
            #[pin]
            acquiring: Acquiring,
            pending: Option<PendingRequest<S, B>>,
        },
        // The inner service becomes ready.
        Readying {
            token: Arc<AuthorizedToken>,
            pending: Option<PendingRequest<S, B>>,
        },
        // The inner service was called. `token` is `None` for a request that kept its own
        // authorization field.
        Sending {
            #[pin]
            future: S::Future,
            token: Option<Arc<AuthorizedToken>>,
            replay: Option<ReplayRequest<S, K>>,
            proven: Option<Uri>,
        },
        // The token was rejected.
        WaitingForReplacement {
            #[pin]
            replacing: Replacing,
            last: Option<LastSending<S, S::Response, K>>,
        },
        // The request is sent again with the same token. The task of the connection runs once, so
        // that it drops the first body.
        Yielding {
            yielded: bool,
            last: Option<LastSending<S, S::Response, K>>,
        },
    }
}

/// A sending that is to be followed by another.
struct LastSending<S, R, K> {
    /// Returned if the request is not sent again after all.
    result: Result<R, BoxError>,
    token: Arc<AuthorizedToken>,
    replay: ReplayRequest<S, K>,
}

/// What follows a stage.
enum Step<S, B, K>
where
    S: Service<Request<B>>,
{
    Next(Stage<S, B, K>),
    /// The caller gets the result. `token`: the one that a successful request was sent with.
    Return {
        result: Result<S::Response, BoxError>,
        token: Option<Arc<AuthorizedToken>>,
    },
}

impl<S, B, P> SlowRequest<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    pub(super) fn waiting(
        policy: P,
        shared: Arc<LayerShared<TokenCache>>,
        service: S,
        request: Request<B>,
    ) -> Self {
        let pending = PendingRequest { shared, service, request };
        Self::new(policy, Stage::waiting_for_token(pending))
    }

    #[inline(always)]
    pub(super) fn sending(
        policy: P,
        future: S::Future,
        token: Arc<AuthorizedToken>,
        replay: Option<ReplayRequest<S, P::Kept>>,
        proven: Option<Uri>,
    ) -> Self {
        Self::new(policy, Stage::Sending { future, token: Some(token), replay, proven })
    }

    #[inline(always)]
    fn new(policy: P, stage: Stage<S, B, P::Kept>) -> Self {
        Self { policy, budget: RetryBudget::FULL, expired_tokens: 0, stage }
    }
}

impl<S, B, K> Stage<S, B, K>
where
    S: Service<Request<B>>,
{
    fn waiting_for_token(pending: PendingRequest<S, B>) -> Self {
        Self::WaitingForToken { acquiring: Acquiring::default(), pending: Some(pending) }
    }
}

impl<S, B, K> Step<S, B, K>
where
    S: Service<Request<B>>,
{
    fn done(result: Result<S::Response, BoxError>) -> Self {
        Self::Return { result, token: None }
    }
}

impl<S, B, P, R> SlowRequest<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    pub(super) fn poll<M: Protocol>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<M::Body<R>>, BoxError>> {
        loop {
            match ready!(self.as_mut().poll_stage::<M>(cx))? {
                // This drops the future of the last stage, and what it reserved.
                Step::Next(stage) => self.as_mut().project().stage.set(stage),
                Step::Return { result, mut token } => {
                    return Poll::Ready(result.map(|response| M::finish(response, &mut token)));
                }
            }
        }
    }

    #[inline(always)]
    fn poll_stage<M: Protocol>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Step<S, B, P::Kept>, BoxError>> {
        let this = self.project();
        Poll::Ready(Ok(match this.stage.project() {
            StageProj::WaitingForToken { acquiring, pending } => {
                let shared = &pending.as_ref().expect(COMPLETED).shared;
                let authorized = |snapshot: &_| shared.authorized(snapshot);
                let token = ready!(acquiring.poll(shared.cache(), cx, authorized))?;
                Step::Next(Stage::Readying { token, pending: pending.take() })
            }
            StageProj::Readying { token, pending } => {
                let PendingRequest { shared, service, .. } = pending.as_mut().expect(COMPLETED);
                ready!(service.poll_ready(cx)).map_err(Into::into)?;
                let token = if token.is_presentable(Instant::now()) {
                    Some(Arc::clone(token))
                } else {
                    // The token expired in the meantime. If a later one is cached the service stays
                    // reserved, because it may take as long to become ready again.
                    shared.cache().usable_by_both_clocks().map(|it| shared.authorized(&it))
                };
                let pending = pending.take().expect(COMPLETED);
                match token {
                    Some(token) => send::<S, B, P, M>(pending, token, this.policy, *this.budget)?,
                    None => {
                        *this.expired_tokens += 1;
                        if *this.expired_tokens == MAX_EXPIRED_TOKENS {
                            return Poll::Ready(Err(service_too_slow().into()));
                        }
                        // A clone reserves nothing while the request waits.
                        let service = pending.service.clone();
                        Step::Next(Stage::waiting_for_token(PendingRequest { service, ..pending }))
                    }
                }
            }
            StageProj::Sending { future, token, replay, proven } => {
                let result = ready!(future.poll(cx));
                // The kept body is dropped before the caller reads the response.
                let replay = replay.take();
                let Some(token) = token.take() else {
                    return Poll::Ready(Ok(Step::done(result.map_err(Into::into))));
                };
                let has_nonce = match (&result, &proven) {
                    (Ok(response), Some(uri)) => {
                        token.token().observe_response(uri, response.headers())
                    }
                    _ => false,
                };
                match result {
                    Ok(response) if M::status(&response).is_success() => {
                        Step::Return { result: Ok(response), token: Some(token) }
                    }
                    Ok(response) => {
                        let verdict = token.classify(M::status(&response), response.headers());
                        after_response(verdict, response, token, replay, this.budget, has_nonce)
                    }
                    Err(error) if this.budget.is_replay => {
                        after_error(error.into(), token, replay, this.budget)
                    }
                    Err(error) => Step::done(Err(error.into())),
                }
            }
            StageProj::WaitingForReplacement { replacing, last } => {
                let replacement = ready!(replacing.poll(cx));
                let last = last.take().expect(COMPLETED);
                match replacement {
                    None => {
                        last.token.report_not_replayed(NotReplayedReason::NoOtherToken);
                        Step::done(last.result)
                    }
                    // The body is restored only now, when the connection had time to drop it.
                    Some(snapshot) => last.restore(this.policy, |pending| {
                        let token = pending.shared.authorized(&snapshot);
                        Stage::Readying { token, pending: Some(pending) }
                    }),
                }
            }
            StageProj::Yielding { yielded, last } => {
                if !mem::replace(yielded, true) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // The token may have been replaced in the meantime.
                last.take().expect(COMPLETED).restore(this.policy, Stage::waiting_for_token)
            }
        }))
    }
}

impl<S, R, K> LastSending<S, R, K> {
    /// Goes on with the next stage, or returns the result if the body could not be kept.
    fn restore<B, P>(
        self,
        policy: &P,
        next: impl FnOnce(PendingRequest<S, B>) -> Stage<S, B, K>,
    ) -> Step<S, B, K>
    where
        S: Service<Request<B>, Response = R>,
        P: ReplayPolicy<B, Kept = K>,
    {
        let Self { result, token, replay } = self;
        let (cache, settings) = (token.cache().clone(), Arc::clone(token.settings()));
        let shared = Arc::new(LayerShared::for_request(cache, settings));
        match replay.restore(policy, shared) {
            Some(pending) => Step::Next(next(pending)),
            None => {
                token.report_not_replayed(NotReplayedReason::BodyUnavailable);
                Step::done(result)
            }
        }
    }
}

/// Calls the inner service, which is ready.
fn send<S, B, P, M>(
    pending: PendingRequest<S, B>,
    token: Arc<AuthorizedToken>,
    policy: &P,
    budget: RetryBudget,
) -> Result<Step<S, B, P::Kept>, BoxError>
where
    S: Service<Request<B>> + Clone,
    P: ReplayPolicy<B>,
    M: Protocol,
{
    let PendingRequest { mut service, request, .. } = pending;
    let prepared = prepare::<S, B, P, M>(&token, policy, &service, request, budget)?;
    let Prepared { request, is_authorized, replay, proven } = prepared;
    let token = is_authorized.then_some(token);
    Ok(Step::Next(Stage::Sending { future: service.call(request), token, replay, proven }))
}

/// Decides what follows a response that is not a success. `has_nonce`: it brought a nonce.
#[cold]
fn after_response<S, B, K>(
    verdict: Verdict,
    response: S::Response,
    token: Arc<AuthorizedToken>,
    replay: Option<ReplayRequest<S, K>>,
    budget: &mut RetryBudget,
    has_nonce: bool,
) -> Step<S, B, K>
where
    S: Service<Request<B>>,
{
    let result = Ok(response);
    let may_replay = match verdict {
        Verdict::PassThrough => return Step::done(result),
        Verdict::UseNonce if !has_nonce => return Step::done(result),
        Verdict::UseNonce => budget.nonce,
        Verdict::Rejected => budget.token,
    };
    match (verdict, replay) {
        (Verdict::Rejected, Some(replay)) if may_replay => {
            *budget = budget.after_rejection();
            let replacing = token.cache().replacing(token.token());
            let last = Some(LastSending { result, token, replay });
            Step::Next(Stage::WaitingForReplacement { replacing, last })
        }
        (_, Some(replay)) if may_replay => {
            *budget = budget.after_nonce();
            let last = Some(LastSending { result, token, replay });
            Step::Next(Stage::Yielding { yielded: false, last })
        }
        _ => {
            if verdict == Verdict::Rejected {
                token.cache().invalidate(token.token());
            }
            token.report_not_replayed(if may_replay {
                NotReplayedReason::Policy
            } else {
                NotReplayedReason::AlreadyReplayed
            });
            Step::done(result)
        }
    }
}

/// Decides what follows an error of a replay. The request is sent again if its connection was lost
/// and the API cannot act on it twice.
#[cold]
fn after_error<S, B, K>(
    error: BoxError,
    token: Arc<AuthorizedToken>,
    replay: Option<ReplayRequest<S, K>>,
    budget: &mut RetryBudget,
) -> Step<S, B, K>
where
    S: Service<Request<B>>,
{
    let failure = Failure::of(&*error);
    let result = Err(error);
    if failure == Failure::Other {
        return Step::done(result);
    }
    match replay {
        Some(replay)
            if budget.connection && (failure == Failure::NotSent || replay.is_idempotent()) =>
        {
            *budget = budget.after_lost_connection();
            let last = Some(LastSending { result, token, replay });
            Step::Next(Stage::Yielding { yielded: false, last })
        }
        _ => {
            token.report_not_replayed(NotReplayedReason::ConnectionLost);
            Step::done(result)
        }
    }
}

#[cold]
fn service_too_slow() -> Error {
    Error::new(ErrorKind::WaitTimeout)
        .with_detail("the inner service took longer to become ready than the token's lifetime")
}
