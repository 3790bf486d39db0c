//! A request that waits, or that is sent again.

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
    authorized::AuthorizedToken,
    prepare::{Prepared, RetryBudget, prepare},
    protocol::Protocol,
    replay::ReplayPolicy,
    replay_request::{PendingRequest, ReplayRequest},
    shared::LayerShared,
    stage::{COMPLETED, Sent, Stage, StageProj, Step, after_error, after_response},
};
use crate::{
    cache::TokenCache,
    error::{BoxError, Error, ErrorKind},
    event::NotReplayedReason,
    sync::Arc,
};

/// How many tokens may expire while the inner service becomes ready. Each costs an acquisition.
const MAX_EXPIRED_TOKENS: u32 = 3;

type StepResult<S, B, P> = Result<Step<S, B, P, <P as ReplayPolicy<B>>::Kept>, BoxError>;

pin_project! {
    /// A request that waits, or that is sent again.
    ///
    /// ```text
    /// WaitingForToken ──► Readying ──► Sending ──► the caller
    ///        ▲                ▲           │
    ///        │                └───────────┼── WaitingForReplacement   the token was rejected
    ///        └────────────────────────────┴── Yielding                a nonce was missing, or the
    ///                                                                 connection was lost
    /// ```
    ///
    /// A request is sent four times at most: with the first token, with another one, with a nonce,
    /// and after a lost connection.
    pub(super) struct SlowRequest<S, B, P>
    where
        S: Service<Request<B>>,
        P: ReplayPolicy<B>,
    {
        policy: P,
        budget: RetryBudget,
        expired_tokens: u32,
        #[pin]
        stage: Stage<S, B, P, P::Kept>,
    }
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
        Self::new(policy, RetryBudget::FULL, Stage::waiting_for_token(pending))
    }

    pub(super) fn failed(policy: P, error: BoxError) -> Self {
        Self::new(policy, RetryBudget::FULL, Stage::Failed { error: Some(error) })
    }

    pub(super) fn sending(policy: P, future: S::Future, sent: Sent<S, P, P::Kept>) -> Self {
        Self::new(policy, RetryBudget::FULL, Stage::Sending { future, sent: Some(sent) })
    }

    /// The first sending was answered, and the token was rejected.
    pub(super) fn rejected(
        response: S::Response,
        token: Arc<AuthorizedToken>,
        replay: Box<ReplayRequest<S, P, P::Kept>>,
    ) -> Self {
        let policy = replay.policy().clone();
        let stage = Stage::waiting_for_replacement(Ok(response), token, replay);
        Self::new(policy, RetryBudget::FULL.after_rejection(), stage)
    }

    fn new(policy: P, budget: RetryBudget, stage: Stage<S, B, P, P::Kept>) -> Self {
        Self { policy, budget, expired_tokens: 0, stage }
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
                    return M::finish(Poll::Ready(result), &mut token);
                }
            }
        }
    }

    fn poll_stage<M: Protocol>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<StepResult<S, B, P>> {
        let this = self.project();
        Poll::Ready(Ok(match this.stage.project() {
            StageProj::WaitingForToken { wait, pending } => {
                let shared = &pending.as_ref().expect(COMPLETED).shared;
                let authorized = |snapshot: &_| shared.authorized(snapshot);
                let token = ready!(shared.cache().poll_wait(wait, cx, authorized))?;
                Step::Next(Stage::Readying { token, pending: pending.take() })
            }
            StageProj::Readying { token, pending } => {
                let PendingRequest { shared, service, .. } = pending.as_mut().expect(COMPLETED);
                ready!(service.poll_ready(cx)).map_err(Into::into)?;
                let token = if token.is_sendable(Instant::now()) {
                    Some(Arc::clone(token))
                } else {
                    // The token expired in the meantime. If a later one is cached the service stays
                    // reserved, because it may take as long to become ready again.
                    shared.cache().current_after_wait().map(|it| shared.authorized(&it))
                };
                let pending = pending.take().expect(COMPLETED);
                match token {
                    Some(token) => send::<_, _, _, M>(pending, token, this.policy, *this.budget)?,
                    None => {
                        *this.expired_tokens += 1;
                        if *this.expired_tokens == MAX_EXPIRED_TOKENS {
                            let error =
                                service_too_slow().with_client(pending.shared.cache().client());
                            return Poll::Ready(Err(error.into()));
                        }
                        // A clone reserves nothing while the request waits.
                        let service = pending.service.clone();
                        Step::Next(Stage::waiting_for_token(PendingRequest { service, ..pending }))
                    }
                }
            }
            StageProj::Sending { future, sent } => {
                let result = ready!(future.poll(cx));
                let Sent { token, replay, proven } = sent.take().expect(COMPLETED);
                let Some(token) = token else {
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
            StageProj::WaitingForReplacement { replacement, last } => {
                let snapshot = ready!(replacement.poll_snapshot(cx));
                let last = last.take().expect(COMPLETED);
                match snapshot {
                    None => {
                        last.token.report_not_replayed(NotReplayedReason::NoOtherToken);
                        Step::done(last.result)
                    }
                    // The body is restored only now, when the connection had time to drop it.
                    Some(snapshot) => last.restore(|pending| {
                        let token = pending.shared.authorized(&snapshot);
                        Stage::Readying { token, pending: Some(pending) }
                    }),
                }
            }
            StageProj::Failed { error } => Step::done(Err(error.take().expect(COMPLETED))),
            StageProj::Yielding { yielded, last } => {
                if !mem::replace(yielded, true) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                // The token may have been replaced in the meantime.
                last.take().expect(COMPLETED).restore(Stage::waiting_for_token)
            }
        }))
    }
}

/// Calls the inner service, which is ready.
fn send<S, B, P, M>(
    pending: PendingRequest<S, B>,
    token: Arc<AuthorizedToken>,
    policy: &P,
    budget: RetryBudget,
) -> StepResult<S, B, P>
where
    S: Service<Request<B>> + Clone,
    P: ReplayPolicy<B>,
    M: Protocol,
{
    let PendingRequest { mut service, request, .. } = pending;
    let prepared = prepare::<_, _, _, M>(&token, policy, &service, request, budget)?;
    let Prepared { request, is_authorized, replay, proven } = prepared;
    let sent = Sent { token: is_authorized.then_some(token), replay, proven };
    Ok(Step::Next(Stage::Sending { future: service.call(request), sent: Some(sent) }))
}

#[cold]
fn service_too_slow() -> Error {
    Error::new(ErrorKind::WaitTimeout)
        .with_detail("the inner service took longer to become ready than the token's lifetime")
}
