//! A request that waits, is sent again or is refused.

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
    prepare::{Prepared, RetriesLeft, prepare},
    protocol::Protocol,
    replay::ReplayPolicy,
    replay_request::{PendingRequest, ReplayRequest},
    stage::{
        Answered, COMPLETED, LastAttempt, Next, Sent, Stage, StageProj, after_error, after_response,
    },
};
use crate::{
    error::{BoxError, Error, Problem},
    event::{NotReplayedReason, ReplayReason},
    sync::Arc,
};

/// The request fails when this many tokens have expired before the inner service was ready. Each one
/// costs an acquisition.
const MAX_EXPIRED_TOKENS: u32 = 3;

pin_project! {
    /// A request that waits, is sent again or is refused.
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
        retries: RetriesLeft,
        expired_tokens: u32,
        // The request, while it waits to be sent.
        pending: Option<PendingRequest<S, B>>,
        #[pin]
        stage: Stage<S, B, P, P::Kept>,
    }
}

impl<S, B, P> SlowRequest<S, B, P>
where
    S: Service<Request<B>>,
    P: ReplayPolicy<B>,
{
    pub(super) fn waiting(policy: P, pending: PendingRequest<S, B>) -> Self {
        let stage = Stage::waiting_for_token();
        Self { pending: Some(pending), ..Self::new(policy, RetriesLeft::FULL, stage) }
    }

    pub(super) fn failed(policy: P, error: BoxError) -> Self {
        Self::new(policy, RetriesLeft::FULL, Stage::Failed { error: Some(error) })
    }

    pub(super) fn sending(policy: P, future: S::Future, sent: Sent<S, P, P::Kept>) -> Self {
        Self::new(policy, RetriesLeft::FULL, Stage::Sending { future, sent: Some(sent) })
    }

    /// Continues a request whose token was rejected in the first attempt.
    pub(super) fn rejected(
        response: S::Response,
        token: Arc<AuthorizedToken>,
        replay: Box<ReplayRequest<S, P, P::Kept>>,
    ) -> Self {
        let policy = replay.policy().clone();
        let last =
            LastAttempt { result: Ok(response), token, replay, reason: ReplayReason::OtherToken };
        let stage = Stage::waiting_for_replacement(last);
        Self::new(policy, RetriesLeft::FULL.after_rejection(), stage)
    }

    fn new(policy: P, retries: RetriesLeft, stage: Stage<S, B, P, P::Kept>) -> Self {
        Self { policy, retries, expired_tokens: 0, pending: None, stage }
    }
}

impl<S, B, P, R> SlowRequest<S, B, P>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    P: ReplayPolicy<B>,
{
    pub(super) fn poll<M: Protocol>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<M::Body<R>>, BoxError>> {
        let mut this = self.project();
        // Setting a stage drops the future of the last one, and any permit that it holds.
        let result = loop {
            match this.stage.as_mut().project() {
                StageProj::WaitingForToken { wait } => {
                    let tokens = &this.pending.as_ref().expect(COMPLETED).tokens;
                    let authorized = |snapshot: &_| tokens.authorized(snapshot);
                    let token = ready!(tokens.cache().poll_wait(wait, cx, authorized))?;
                    this.stage.set(Stage::Readying { token });
                }
                StageProj::Readying { token } => {
                    let pending = this.pending.as_mut().expect(COMPLETED);
                    ready!(pending.service.poll_ready(cx)).map_err(Into::into)?;
                    // Checked again, because `poll_ready` may have taken long.
                    if !token.is_sendable(Instant::now()) {
                        // The token expired in the meantime. If another one is cached, the ready
                        // service is kept: it may take as long to become ready again.
                        let Some(snapshot) = pending.tokens.cache().current_after_wait() else {
                            *this.expired_tokens += 1;
                            if *this.expired_tokens == MAX_EXPIRED_TOKENS {
                                let client = pending.tokens.cache().client();
                                break Err(service_too_slow().with_client(client).into());
                            }
                            // Replaces the ready service by a clone, so that no permit is held
                            // while the request waits.
                            pending.service = pending.service.clone();
                            this.stage.set(Stage::waiting_for_token());
                            continue;
                        };
                        *token = pending.tokens.authorized(&snapshot);
                    }
                    let token = Arc::clone(token);
                    let pending = this.pending.take().expect(COMPLETED);
                    this.stage.set(send::<_, _, _, M>(pending, token, this.policy, *this.retries)?);
                }
                StageProj::Sending { future, sent } => {
                    let result = ready!(future.poll(cx));
                    let Sent { token, replay, uri } = sent.take().expect(COMPLETED);
                    let Some(token) = token else { break result.map_err(Into::into) };
                    let has_nonce = match (&result, &uri) {
                        (Ok(response), Some(uri)) => {
                            token.token().observe_response(uri, response.headers())
                        }
                        _ => false,
                    };
                    let next = match result {
                        Ok(response) if M::status(&response).is_success() => {
                            return M::finish(
                                Poll::Ready(Ok::<_, S::Error>(response)),
                                &mut Some(token),
                            );
                        }
                        Ok(response) => {
                            let verdict = token.classify(M::status(&response), response.headers());
                            let answered = Answered { response, verdict, uri, has_nonce };
                            after_response(answered, token, replay, this.retries)
                        }
                        Err(error) if this.retries.is_replay => {
                            after_error(error.into(), token, replay, this.retries)
                        }
                        Err(error) => Next::Return(Err(error.into())),
                    };
                    match next {
                        Next::Return(result) => break result,
                        Next::Replace(last) => {
                            this.stage.set(Stage::waiting_for_replacement(last));
                        }
                        Next::Resend(last) => {
                            this.stage.set(Stage::Yielding { yielded: false, last: Some(last) });
                        }
                    }
                }
                StageProj::WaitingForReplacement { replacement, last } => {
                    let snapshot = ready!(replacement.poll_snapshot(cx));
                    let last = last.take().expect(COMPLETED);
                    let Some(snapshot) = snapshot else {
                        last.token.report_not_replayed(NotReplayedReason::NoOtherToken);
                        break last.result;
                    };
                    // Restored only now: the connection has had time to drop the first body.
                    match last.restore() {
                        Ok(pending) => {
                            let token = pending.tokens.authorized(&snapshot);
                            *this.pending = Some(pending);
                            *this.expired_tokens = 0;
                            this.stage.set(Stage::Readying { token });
                        }
                        Err(result) => break result,
                    }
                }
                StageProj::Yielding { yielded, last } => {
                    if !mem::replace(yielded, true) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    match last.take().expect(COMPLETED).restore() {
                        Ok(pending) => {
                            *this.pending = Some(pending);
                            *this.expired_tokens = 0;
                            // The token may have been replaced in the meantime.
                            this.stage.set(Stage::waiting_for_token());
                        }
                        Err(result) => break result,
                    }
                }
                StageProj::Failed { error } => break Err(error.take().expect(COMPLETED)),
            }
        };
        M::finish(Poll::Ready(result), &mut None)
    }
}

/// Calls the inner service, which is ready.
fn send<S, B, P, M>(
    pending: PendingRequest<S, B>,
    token: Arc<AuthorizedToken>,
    policy: &P,
    retries: RetriesLeft,
) -> Result<Stage<S, B, P, P::Kept>, BoxError>
where
    S: Service<Request<B>> + Clone,
    P: ReplayPolicy<B>,
    M: Protocol,
{
    let PendingRequest { mut service, request, .. } = pending;
    let prepared = prepare::<_, _, _, M>(&token, policy, &service, request, retries)?;
    let Prepared { request, is_authorized, replay, uri } = prepared;
    let sent = Sent { token: is_authorized.then_some(token), replay, uri };
    Ok(Stage::Sending { future: service.call(request), sent: Some(sent) })
}

#[cold]
fn service_too_slow() -> Error {
    Error::of(Problem::WaitTimeout)
        .with_detail("the inner service took longer to become ready than the token's lifetime")
}
