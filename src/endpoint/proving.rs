//! DPoP at the token endpoint (RFC 9449 §5, §8): among the settings of
//! [`ClientCredentials`](super::ClientCredentials), and in each token request.

#[cfg(feature = "dpop")]
use std::sync::Arc;

#[cfg(feature = "dpop")]
use super::ClientCredentialsBuilder;
use super::{Inner, target::Target, token_type::Expected};
use crate::{
    client_auth::SentSecrets,
    error::{Error, ErrorKind},
    token::Token,
    transport::TokenRequest,
};
#[cfg(feature = "dpop")]
use crate::{
    dpop::{self, DpopKey, Nonces, Prover},
    token::DPOP,
};

/// Nothing, or the key and the nonces that servers gave so far.
#[derive(Default)]
pub(super) struct Proving {
    #[cfg(feature = "dpop")]
    key: Option<DpopKey>,
    #[cfg(feature = "dpop")]
    nonces: Arc<Nonces>,
    #[cfg(feature = "dpop")]
    optional: bool,
}

/// The proofs of one attempt.
pub(super) struct Proofs {
    #[cfg(feature = "dpop")]
    prover: Option<Prover>,
    #[cfg(feature = "dpop")]
    nonces: Arc<Nonces>,
}

/// What an answer brought, beside what the request's proof had.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Nonce {
    None,
    #[cfg_attr(not(feature = "dpop"), allow(dead_code))]
    Same,
    #[cfg_attr(not(feature = "dpop"), allow(dead_code))]
    Another,
}

/// One request was refused.
pub(super) struct Denied {
    pub(super) error: Error,
    /// It may be good with the nonce that came with the refusal.
    pub(super) again: bool,
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Self { error, again: false }
    }
}

impl Denied {
    /// RFC 9449 §8, or a new nonce beside an error that says nothing else: some servers' `error`
    /// is no string then.
    pub(super) fn new(error: Error, nonce: Nonce) -> Self {
        let wants_nonce = error.kind() == ErrorKind::UseDpopNonce;
        let status = error.status().is_some_and(|status| matches!(status.as_u16(), 400 | 401));
        let code = error.oauth_code().map(ErrorKind::of_oauth_code);
        let unclear = status && code.is_none_or(|code| code == ErrorKind::OtherOAuthError);
        let again = nonce == Nonce::Another && (wants_nonce || unclear);
        let retryable = wants_nonce && nonce != Nonce::None;
        let error = if retryable { error.with_retryable(true) } else { error };
        Self { error, again }
    }
}

#[cfg(feature = "dpop")]
impl ClientCredentialsBuilder {
    /// Tokens that are bound to a key (DPoP, RFC 9449): a thief of the token can't use it without
    /// the key. Each request that carries one has a new proof of the key beside it, which the
    /// layer makes: a signature more, in the caller's task (ES256: some 20 µs).
    ///
    /// Nonces that a server wants are kept, for the token endpoint and for each API; a request
    /// that was refused for want of one is sent once more at once.
    ///
    /// Where the server is [discovered](crate::ClientCredentials::discover) and lists no algorithm
    /// that the key fits, acquisitions fail with kind `Config`. A server that ignores proofs issues
    /// a bearer token, which is refused; see [`dpop_optional`](Self::dpop_optional).
    #[cfg_attr(docsrs, doc(cfg(feature = "dpop")))]
    pub fn dpop(mut self, key: impl Into<DpopKey>) -> Self {
        self.proving.key = Some(key.into());
        self
    }

    /// Uses a bearer token if the server issues one in spite of the proof (RFC 9449 §5), such as
    /// while it learns DPoP. Whoever steals that token can use it. Default: no, it is refused.
    #[cfg_attr(docsrs, doc(cfg(feature = "dpop")))]
    pub fn dpop_optional(mut self, optional: bool) -> Self {
        self.proving.optional = optional;
        self
    }
}

#[cfg(feature = "dpop")]
impl Proving {
    /// The types of token that an answer may have.
    pub(super) fn expected(&self) -> Expected {
        match self.key {
            None => Expected::Bearer,
            Some(_) if self.optional => Expected::Either,
            Some(_) => Expected::Dpop,
        }
    }

    /// # Errors
    ///
    /// Kind `Config` when the server lists no algorithm that the key fits.
    pub(super) async fn proofs(&self, inner: &Inner, target: &Target) -> Result<Proofs, Error> {
        let nonces = Arc::clone(&self.nonces);
        let Some(key) = &self.key else { return Ok(Proofs { prover: None, nonces }) };
        let metadata = target.metadata.as_ref();
        let listed = metadata.map_or(&[][..], |metadata| metadata.dpop_signing_algorithms());
        let key = key.choose(listed).await?;
        let (clock, skew) = (Arc::clone(&inner.clock), inner.skew.clone());
        let prover = Prover::new(key, Arc::clone(&nonces), clock, skew);
        Ok(Proofs { prover: Some(prover), nonces })
    }
}

#[cfg(feature = "dpop")]
impl Proofs {
    /// Whether proofs are made, which hold the time.
    pub(super) fn are_made(&self) -> bool {
        self.prover.is_some()
    }

    /// Adds a proof, also to what must not come back in an error, and returns the nonce in it.
    pub(super) fn attach(
        &self,
        request: &mut TokenRequest,
        secrets: &mut SentSecrets,
    ) -> Result<Option<Arc<str>>, Error> {
        let Some(prover) = &self.prover else { return Ok(None) };
        let nonce = self.nonces.token_endpoint();
        let proof =
            prover.prove_token_request(request.method(), request.uri(), nonce.as_deref())?;
        secrets.extend(proof.to_str().map(|proof| proof.to_owned().into()));
        request.headers_mut().insert(DPOP, proof);
        Ok(nonce)
    }

    /// Keeps an answer's nonce, success or not. `sent`: what the request's proof had.
    pub(super) fn observe(&self, headers: &http::HeaderMap, sent: Option<&str>) -> Nonce {
        match dpop::nonce(headers).filter(|_| self.are_made()) {
            None => Nonce::None,
            Some(nonce) => {
                self.nonces.keep_token_endpoint(nonce);
                if sent == Some(nonce) { Nonce::Same } else { Nonce::Another }
            }
        }
    }

    /// Lets a token that is bound to the key be used.
    pub(super) fn bind(&self, token: Token) -> Token {
        match &self.prover {
            Some(prover) if token.is_bound() => prover.bind(token),
            _ => token,
        }
    }
}

#[cfg(not(feature = "dpop"))]
impl Proving {
    pub(super) fn expected(&self) -> Expected {
        Expected::Bearer
    }

    pub(super) async fn proofs(&self, _: &Inner, _: &Target) -> Result<Proofs, Error> {
        Ok(Proofs {})
    }
}

#[cfg(not(feature = "dpop"))]
impl Proofs {
    pub(super) fn are_made(&self) -> bool {
        false
    }

    pub(super) fn attach(
        &self,
        _: &mut TokenRequest,
        _: &mut SentSecrets,
    ) -> Result<Option<std::sync::Arc<str>>, Error> {
        Ok(None)
    }

    pub(super) fn observe(&self, _: &http::HeaderMap, _: Option<&str>) -> Nonce {
        Nonce::None
    }

    pub(super) fn bind(&self, token: Token) -> Token {
        token
    }
}
