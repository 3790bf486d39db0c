//! One acquisition.

use tower_oauth2_client_credentials::{
    Error, Token, TokenSource as _, event::AcquisitionReason, source::AcquireContext,
};

use super::{
    exchange::{Exchange, Kind},
    setup::{Server, Setup},
    variant::Variant,
};

pub(super) enum Outcome {
    Token(Token),
    Failed(Error),
    /// A setting is wrong, so nothing was sent.
    Mistake(String),
    /// The limits of the run do not allow it.
    NotSent(String),
}

pub(super) async fn run(setup: &Setup<'_>, server: &Server, variant: Variant) -> Outcome {
    if let Some(why) = setup.recorder.stopped() {
        return Outcome::NotSent(why);
    }
    let source = match setup.source(server, variant) {
        Ok(source) => source,
        Err(mistake) => return Outcome::Mistake(mistake),
    };
    let sent = setup.recorder.token_requests();
    match source.acquire(AcquireContext::new(AcquisitionReason::Missing)).await {
        Ok(token) => Outcome::Token(token),
        Err(_) if setup.recorder.token_requests() == sent && setup.recorder.is_used_up() => {
            Outcome::NotSent("the limit for token requests is reached".to_owned())
        }
        Err(error) => Outcome::Failed(error),
    }
}

impl Outcome {
    /// Whether the server accepts the client's credentials. `None`: it is not known.
    pub(super) fn is_accepted(&self, setup: &Setup<'_>) -> Option<bool> {
        match self {
            Self::Token(_) => Some(true),
            Self::Failed(error) => match error.code() {
                "invalid_client" => Some(false),
                "invalid_scope"
                | "invalid_target"
                | "unauthorized_client"
                | "unsupported_token_type" => Some(true),
                _ => setup
                    .last_token_answer()
                    .is_some_and(|it| {
                        it.answer
                            .is_some_and(|answer| answer.status == 401 && answer.is_failed_login())
                    })
                    .then_some(false),
            },
            Self::Mistake(_) | Self::NotSent(_) => None,
        }
    }
}

impl Setup<'_> {
    pub(super) fn last_token_answer(&self) -> Option<Exchange> {
        self.recorder.last(Kind::Token)
    }
}
