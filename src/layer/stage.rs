//! The stages of a request that waits or is sent again, and what follows each attempt.

use http::{Request, Uri};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    authorized::AuthorizedToken,
    challenge::Verdict,
    connection::Failure,
    prepare::RetriesLeft,
    replay::ReplayPolicy,
    replay_request::{PendingRequest, ReplayRequest},
    shared::RequestTokens,
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
        // No token is cached. The inner service was not made ready, so it holds no permit.
        WaitingForToken {
            wait: TokenWait,
        },
        // Waits until the inner service is ready.
        Readying {
            token: Arc<AuthorizedToken>,
        },
        // The inner service was called.
        Sending {
            #[pin]
            future: S::Future,
            sent: Option<Sent<S, P, K>>,
        },
        // The token was rejected. Waits for another one. Boxed, so that requests which wait for their
        // first token are small.
        WaitingForReplacement {
            replacement: Box<Replacement>,
            last: Option<LastAttempt<S, S::Response, P, K>>,
        },
        // Yields once before the request is sent again. The task of the connection then runs and drops
        // the first body, so that the replay policy can restore it.
        Yielding {
            yielded: bool,
            last: Option<LastAttempt<S, S::Response, P, K>>,
        },
        // The request is refused.
        Failed {
            error: Option<BoxError>,
        },
    }
}

/// The state of a request that was sent.
pub(super) struct Sent<S, P, K> {
    /// `None` if the request kept its existing authorization field.
    pub(super) token: Option<Arc<AuthorizedToken>>,
    pub(super) replay: Option<Box<ReplayRequest<S, P, K>>>,
    /// The URI of the request, if it carried a proof or keeps its URI.
    pub(super) uri: Option<Uri>,
}

/// A response that is not a success.
pub(super) struct Answered<R> {
    pub(super) response: R,
    pub(super) verdict: Verdict,
    /// The URI of the request, if it was kept.
    pub(super) uri: Option<Uri>,
    /// The response carried a DPoP nonce.
    pub(super) has_nonce: bool,
}

/// An attempt that may be followed by another one.
pub(super) struct LastAttempt<S, R, P, K> {
    /// Returned if the request is not sent again after all.
    pub(super) result: Result<R, BoxError>,
    pub(super) token: Arc<AuthorizedToken>,
    pub(super) replay: Box<ReplayRequest<S, P, K>>,
    /// Why it is followed by another.
    pub(super) reason: ReplayReason,
}

/// What follows an attempt.
pub(super) enum Next<S, R, P, K> {
    /// The caller gets the result.
    Return(Result<R, BoxError>),
    /// The request waits for another token.
    Replace(LastAttempt<S, R, P, K>),
    /// The request is sent again with the same token.
    Resend(LastAttempt<S, R, P, K>),
}

impl<S, B, P, K> Stage<S, B, P, K>
where
    S: Service<Request<B>>,
{
    pub(super) fn waiting_for_token() -> Self {
        Self::WaitingForToken { wait: TokenWait::default() }
    }

    pub(super) fn waiting_for_replacement(last: LastAttempt<S, S::Response, P, K>) -> Self {
        let origin = last.token.settings().api(Some(last.replay.uri()));
        let replacement = last.token.cache().replacement_at(last.token.token(), origin);
        Self::WaitingForReplacement { replacement: Box::new(replacement), last: Some(last) }
    }
}

impl<S, R, P, K> LastAttempt<S, R, P, K> {
    /// The request to send again.
    ///
    /// # Errors
    ///
    /// The result of this attempt, if the body cannot be restored.
    pub(super) fn restore<B>(self) -> Result<PendingRequest<S, B>, Result<R, BoxError>>
    where
        P: ReplayPolicy<B, Kept = K>,
    {
        let Self { result, token, replay, reason } = self;
        match replay.restore(RequestTokens::after(&token)) {
            Some(pending) => {
                token.report_replayed(reason, pending.request.uri());
                Ok(pending)
            }
            None => {
                token.report_not_replayed(NotReplayedReason::BodyUnavailable);
                Err(result)
            }
        }
    }
}

/// Decides what follows a response that is not a success.
#[cold]
pub(super) fn after_response<S, R, P, K>(
    answered: Answered<R>,
    token: Arc<AuthorizedToken>,
    replay: Option<Box<ReplayRequest<S, P, K>>>,
    retries: &mut RetriesLeft,
) -> Next<S, R, P, K> {
    let Answered { response, verdict, uri, has_nonce } = answered;
    let result = Ok(response);
    match verdict {
        Verdict::Rejected => match replay {
            Some(replay) if retries.token => {
                *retries = retries.after_rejection();
                let reason = ReplayReason::OtherToken;
                Next::Replace(LastAttempt { result, token, replay, reason })
            }
            replay => {
                let uri = uri.as_ref().or(replay.as_ref().map(|replay| replay.uri()));
                token.reject(uri, not_replayed(retries.token));
                Next::Return(result)
            }
        },
        Verdict::UseNonce if has_nonce => {
            let reason = not_replayed(retries.nonce);
            let Some(replay) = replay.filter(|_| retries.nonce) else {
                token.report_not_replayed(reason);
                return Next::Return(result);
            };
            *retries = retries.after_nonce();
            let reason = ReplayReason::Nonce;
            Next::Resend(LastAttempt { result, token, replay, reason })
        }
        Verdict::UseNonce | Verdict::PassThrough => Next::Return(result),
    }
}

/// Returns why a request was not sent again. `may_replay` says that this kind of retry was left, so
/// only the policy prevented it.
fn not_replayed(may_replay: bool) -> NotReplayedReason {
    if may_replay { NotReplayedReason::Policy } else { NotReplayedReason::AlreadyReplayed }
}

/// Decides what follows an error of a replay. The request is sent again if its connection was lost
/// and the API cannot act on it twice.
#[cold]
pub(super) fn after_error<S, R, P, K>(
    error: BoxError,
    token: Arc<AuthorizedToken>,
    replay: Option<Box<ReplayRequest<S, P, K>>>,
    retries: &mut RetriesLeft,
) -> Next<S, R, P, K> {
    let failure = Failure::of(&*error);
    let result = Err(error);
    if failure == Failure::Other {
        return Next::Return(result);
    }
    match replay {
        Some(replay)
            if retries.connection && (failure == Failure::NotSent || replay.is_idempotent()) =>
        {
            *retries = retries.after_lost_connection();
            let reason = ReplayReason::ConnectionLost;
            Next::Resend(LastAttempt { result, token, replay, reason })
        }
        _ => {
            token.report_not_replayed(NotReplayedReason::ConnectionLost);
            Next::Return(result)
        }
    }
}
