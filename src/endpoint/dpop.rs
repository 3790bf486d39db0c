//! DPoP at the token endpoint (RFC 9449 §5, §8).

use std::sync::Arc;

use http::HeaderMap;

use super::{
    request::PreparedRequest, token_endpoint::ResolvedEndpoint, token_type::AcceptedTypes,
};
use crate::{
    clock::WallClock,
    dpop::{self, DpopKey, Nonces, Prover},
    error::{Error, Problem},
    event::Observer,
    skew::Skew,
    token::{DPOP, Token},
};

/// The settings of DPoP, and the stored nonces.
#[derive(Default)]
pub(super) struct DpopConfig {
    /// `None` if DPoP is off.
    pub(super) key: Option<DpopKey>,
    /// Whether a bearer token is accepted too.
    pub(super) optional: bool,
    nonces: Arc<Nonces>,
}

/// The proofs of one attempt.
pub(super) struct DpopAttempt {
    prover: Prover,
    nonces: Arc<Nonces>,
}

/// The nonce in a response, compared with the nonce in the request's proof.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum ReceivedNonce {
    Absent,
    Unchanged,
    New,
}

impl DpopConfig {
    pub(super) fn accepted_types(&self) -> AcceptedTypes {
        let is_on = self.key.is_some();
        AcceptedTypes { bearer: !is_on || self.optional, dpop: is_on }
    }

    /// Attaches the proofs of a given key to a token that another process acquired.
    /// `observer`: for the clocks of APIs.
    pub(super) fn adopt(
        &self,
        token: Token,
        clock: &Arc<dyn WallClock>,
        skew: &Skew,
        observer: Observer,
    ) -> Token {
        let key = self.key.as_ref().and_then(DpopKey::given).filter(|_| token.is_bound());
        let Some(key) = key else { return token };
        let (nonces, clock) = (Arc::clone(&self.nonces), Arc::clone(clock));
        Prover::new(key.clone(), nonces, clock, skew.clone()).bind(token, observer)
    }

    /// The proofs of one attempt, if DPoP is on.
    ///
    /// # Errors
    ///
    /// Kind `Config` when the server lists no algorithm that fits the key.
    pub(super) async fn attempt(
        &self,
        endpoint: &ResolvedEndpoint,
        clock: &Arc<dyn WallClock>,
        skew: &Skew,
    ) -> Result<Option<DpopAttempt>, Error> {
        let Some(key) = &self.key else { return Ok(None) };
        let metadata = endpoint.metadata.as_ref();
        let listed = metadata.map_or(&[][..], |metadata| metadata.dpop_signing_algorithms());
        let key = key.choose(listed).await?;
        let nonces = Arc::clone(&self.nonces);
        let prover = Prover::new(key, Arc::clone(&nonces), Arc::clone(clock), skew.clone());
        Ok(Some(DpopAttempt { prover, nonces }))
    }
}

impl DpopAttempt {
    /// Adds a proof to a request, and returns the nonce in the proof.
    pub(super) fn add_proof(
        &self,
        request: &mut PreparedRequest,
    ) -> Result<Option<Arc<str>>, Error> {
        let PreparedRequest { request, secrets } = request;
        let nonce = self.nonces.token_endpoint();
        let proof =
            self.prover.prove_token_request(request.method(), request.uri(), nonce.as_deref())?;
        secrets.extend(proof.to_str().map(|proof| proof.to_owned().into()));
        request.headers_mut().insert(DPOP, proof);
        Ok(nonce)
    }

    /// Stores the nonce of a response of any status. `sent` is the nonce in the request's proof.
    pub(super) fn observe(&self, headers: &HeaderMap, sent: Option<&str>) -> ReceivedNonce {
        match dpop::nonce(headers) {
            None => ReceivedNonce::Absent,
            Some(nonce) => {
                self.nonces.keep_token_endpoint(nonce);
                if sent == Some(nonce) { ReceivedNonce::Unchanged } else { ReceivedNonce::New }
            }
        }
    }

    /// Attaches the prover to a token that is bound to the key.
    pub(super) fn bind(&self, token: Token, observer: &Observer) -> Token {
        if token.is_bound() { self.prover.bind(token, observer.clone()) } else { token }
    }
}

impl ReceivedNonce {
    /// Marks an error as retryable if it only asks for the nonce that came with it.
    pub(super) fn adjust(self, error: Error) -> Error {
        let is_retryable = error.problem() == Problem::UseDpopNonce && self != Self::Absent;
        if is_retryable { error.with_retryable(true) } else { error }
    }

    /// Whether a second request with the new nonce may succeed (RFC 9449 §8). This includes an error
    /// without a usable code: the `error` member of some servers is not a string then.
    pub(super) fn allows_second_request(self, error: &Error) -> bool {
        let wants_nonce = error.problem() == Problem::UseDpopNonce;
        let status = error.status().is_some_and(|status| matches!(status.as_u16(), 400 | 401));
        let code = error.oauth_code().map(Problem::of_oauth_code);
        let is_unclear = status && code.is_none_or(|code| code == Problem::OtherOAuthError);
        self == Self::New && (wants_nonce || is_unclear)
    }
}
