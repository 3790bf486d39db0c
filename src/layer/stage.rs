//! The stages of a request that waits, or that is sent again, and what follows a sending.

use http::{Request, Uri};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    authorized::AuthorizedToken,
    challenge::Verdict,
    connection::Failure,
    prepare::RetryBudget,
    replay::ReplayPolicy,
    replay_request::{PendingRequest, ReplayRequest},
    shared::LayerShared,
};
use crate::{
    cache::{Replacement, TokenWait},
    error::BoxError,
    event::{NotReplayedReason, ReplayReason},
    sync::Arc,
};

/// The panic message of a future that is polled after it returned a result.
pub(super) const COMPLETED: &str = "polled after completion";

pin_project! {
    #[project = StageProj]
    pub(super) enum Stage<S, B, P, K>
    where
        S: Service<Request<B>>,
    {
        // No token is cached. Nothing of the inner service is reserved.
        WaitingForToken {
            #[pin]
            wait: TokenWait,
            pending: Option<PendingRequest<S, B>>,
        },
        // The inner service becomes ready.
        Readying {
            token: Arc<AuthorizedToken>,
            pending: Option<PendingRequest<S, B>>,
        },
        // The inner service was called.
        Sending {
            #[pin]
            future: S::Future,
            sent: Option<Sent<S, P, K>>,
        },
        // The token was rejected.
        WaitingForReplacement {
            #[pin]
            replacement: Replacement,
            last: Option<LastSending<S, S::Response, P, K>>,
        },
        // The request must not be sent.
        Failed {
            error: Option<BoxError>,
        },
        // The request is sent again with the same token. First the task of the connection runs
        // once, so that it drops the first body.
        Yielding {
            yielded: bool,
            last: Option<LastSending<S, S::Response, P, K>>,
        },
    }
}

/// What is known of a request that was sent.
pub(super) struct Sent<S, P, K> {
    /// `None`: the request kept its own authorization field.
    pub(super) token: Option<Arc<AuthorizedToken>>,
    pub(super) replay: Option<Box<ReplayRequest<S, P, K>>>,
    /// Where the request went, if it carried a proof.
    pub(super) proven: Option<Uri>,
}

/// A sending that is to be followed by another.
pub(super) struct LastSending<S, R, P, K> {
    /// Returned if the request is not sent again after all.
    pub(super) result: Result<R, BoxError>,
    pub(super) token: Arc<AuthorizedToken>,
    pub(super) replay: Box<ReplayRequest<S, P, K>>,
    /// Why it is followed by another.
    pub(super) reason: ReplayReason,
}

/// What follows a stage.
#[expect(clippy::large_enum_variant, reason = "a stage is moved into its place at once")]
pub(super) enum Step<S, B, P, K>
where
    S: Service<Request<B>>,
{
    Next(Stage<S, B, P, K>),
    /// The caller gets the result. `token`: the one that a successful request was sent with.
    Return {
        result: Result<S::Response, BoxError>,
        token: Option<Arc<AuthorizedToken>>,
    },
}

impl<S, B, P, K> Stage<S, B, P, K>
where
    S: Service<Request<B>>,
{
    pub(super) fn waiting_for_token(pending: PendingRequest<S, B>) -> Self {
        Self::WaitingForToken { wait: TokenWait::default(), pending: Some(pending) }
    }

    pub(super) fn waiting_for_replacement(
        result: Result<S::Response, BoxError>,
        token: Arc<AuthorizedToken>,
        replay: Box<ReplayRequest<S, P, K>>,
    ) -> Self {
        let origin = token.settings().api(Some(replay.uri()));
        let replacement = token.cache().replacement_at(token.token(), origin);
        let reason = ReplayReason::OtherToken;
        Self::WaitingForReplacement {
            replacement,
            last: Some(LastSending { result, token, replay, reason }),
        }
    }
}

impl<S, B, P, K> Step<S, B, P, K>
where
    S: Service<Request<B>>,
{
    pub(super) fn done(result: Result<S::Response, BoxError>) -> Self {
        Self::Return { result, token: None }
    }
}

impl<S, R, P, K> LastSending<S, R, P, K> {
    /// Goes on with the next stage, or returns the result if the body could not be kept.
    pub(super) fn restore<B>(
        self,
        next: impl FnOnce(PendingRequest<S, B>) -> Stage<S, B, P, K>,
    ) -> Step<S, B, P, K>
    where
        S: Service<Request<B>, Response = R>,
        P: ReplayPolicy<B, Kept = K>,
    {
        let Self { result, token, replay, reason } = self;
        let (cache, settings) = (token.cache().clone(), Arc::clone(token.settings()));
        let shared = Arc::new(LayerShared::for_request(cache, settings));
        match replay.restore(shared) {
            Some(pending) => {
                token.report_replayed(reason, pending.request.uri());
                Step::Next(next(pending))
            }
            None => {
                token.report_not_replayed(NotReplayedReason::BodyUnavailable);
                Step::done(result)
            }
        }
    }
}

/// Decides what follows a response that is not a success. `has_nonce`: it brought a nonce.
#[cold]
pub(super) fn after_response<S, B, P, K>(
    verdict: Verdict,
    response: S::Response,
    token: Arc<AuthorizedToken>,
    replay: Option<Box<ReplayRequest<S, P, K>>>,
    budget: &mut RetryBudget,
    has_nonce: bool,
) -> Step<S, B, P, K>
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
            Step::Next(Stage::waiting_for_replacement(result, token, replay))
        }
        (_, Some(replay)) if may_replay => {
            *budget = budget.after_nonce();
            let reason = ReplayReason::Nonce;
            let last = Some(LastSending { result, token, replay, reason });
            Step::Next(Stage::Yielding { yielded: false, last })
        }
        (_, replay) => {
            if verdict == Verdict::Rejected {
                token.invalidate(replay.as_ref().map(|replay| replay.uri()));
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
pub(super) fn after_error<S, B, P, K>(
    error: BoxError,
    token: Arc<AuthorizedToken>,
    replay: Option<Box<ReplayRequest<S, P, K>>>,
    budget: &mut RetryBudget,
) -> Step<S, B, P, K>
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
            let reason = ReplayReason::ConnectionLost;
            let last = Some(LastSending { result, token, replay, reason });
            Step::Next(Stage::Yielding { yielded: false, last })
        }
        _ => {
            token.report_not_replayed(NotReplayedReason::ConnectionLost);
            Step::done(result)
        }
    }
}
