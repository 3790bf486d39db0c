//! Proofs (RFC 9449 §4.2).

use std::{
    borrow::Cow,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_core::Serialize;

use super::{
    nonces::{Nonces, nonce},
    target::Target,
};
use crate::{
    clock::WallClock,
    error::{Error, ErrorKind},
    jose::{self, Signer, SigningKey},
    skew::Skew,
    token::{ProofOfPossession, Token},
};

/// Makes the proofs of one key: for token requests, and for those with the tokens that came of
/// them.
///
/// A proof costs little but its signature (ES256 some 20 µs), which is made in the caller's task:
/// handing it to another thread would cost as much.
#[derive(Clone)]
pub(crate) struct Prover {
    key: SigningKey,
    /// The JWS header, encoded.
    header: Arc<str>,
    /// A token, and its `ath`: all that a proof has of it.
    hashed: Option<(Token, String)>,
    nonces: Arc<Nonces>,
    clock: Arc<dyn WallClock>,
    /// Of the authorization server. Each API has its own.
    pub(super) skew: Skew,
}

/// What a proof is for.
struct Claims<'a> {
    method: &'a Method,
    htu: &'a str,
    /// For an API.
    ath: Option<&'a str>,
    nonce: Option<&'a str>,
}

impl Prover {
    pub(crate) fn new(
        key: SigningKey,
        nonces: Arc<Nonces>,
        clock: Arc<dyn WallClock>,
        skew: Skew,
    ) -> Self {
        let (algorithm, jwk) = (key.algorithm(), key.bare_jwk());
        let header = format!(r#"{{"typ":"dpop+jwt","alg":"{algorithm}","jwk":{jwk}}}"#);
        let header = URL_SAFE_NO_PAD.encode(header).into();
        Self { key, header, hashed: None, nonces, clock, skew }
    }

    /// Lets a token that is bound to the key be used.
    pub(crate) fn bind(&self, token: Token) -> Token {
        let ath = jose::sha256(token.secret().as_bytes());
        let prover = Self { hashed: Some((token.clone(), ath)), ..self.clone() };
        token.with_proof(Arc::new(prover))
    }

    /// The proof for a token request.
    ///
    /// # Errors
    ///
    /// As [`ProofOfPossession::prove`].
    pub(crate) fn prove_token_request(
        &self,
        method: &Method,
        uri: &Uri,
        nonce: Option<&str>,
    ) -> Result<HeaderValue, Error> {
        let target = target(uri)?;
        let now = self.skew.correct(self.clock.now());
        self.sign(&Claims { method, htu: target.htu(), ath: None, nonce }, now)
    }

    fn sign(&self, claims: &Claims<'_>, now: SystemTime) -> Result<HeaderValue, Error> {
        /// Beyond the header: claims and the signature of an RSA key of 2048 bits.
        const ROOM: usize = 1024;
        let payload = claims.encode(&jose::proof_id()?, now)?;
        let mut proof = Vec::with_capacity(self.header.len() + ROOM);
        proof.extend_from_slice(self.header.as_bytes());
        jose::append(&mut proof, &payload, &Signer::Key(&self.key))?;
        let mut proof =
            HeaderValue::from_maybe_shared(Bytes::from(proof)).expect("base64url and dots");
        proof.set_sensitive(true);
        Ok(proof)
    }
}

impl Claims<'_> {
    fn encode(&self, jti: &str, now: SystemTime) -> Result<Vec<u8>, Error> {
        let issued_at = now.duration_since(UNIX_EPOCH).map_err(|_| {
            Error::new(ErrorKind::Credentials).with_detail("the wall clock is before 1970")
        })?;
        let mut json = Vec::with_capacity(512);
        member(&mut json, "{\"jti\":", jti);
        member(&mut json, ",\"htm\":", self.method.as_str());
        member(&mut json, ",\"htu\":", self.htu);
        member(&mut json, ",\"iat\":", &issued_at.as_secs());
        if let Some(ath) = self.ath {
            member(&mut json, ",\"ath\":", ath);
        }
        if let Some(nonce) = self.nonce {
            member(&mut json, ",\"nonce\":", nonce);
        }
        json.push(b'}');
        Ok(json)
    }
}

/// Only `htu` ever needs escaping, and it rarely.
fn member(json: &mut Vec<u8>, name: &str, value: &(impl Serialize + ?Sized)) {
    json.extend_from_slice(name.as_bytes());
    serde_json::to_writer(json, value).expect("a string or number, to memory");
}

fn target(uri: &Uri) -> Result<Target, Error> {
    Target::of(uri).ok_or_else(|| {
        Error::new(ErrorKind::Refused).with_detail(
            "a DPoP proof names the whole URI, and the request's has no scheme and host",
        )
    })
}

impl ProofOfPossession for Prover {
    fn prove(&self, method: &Method, uri: &Uri, token: &Token) -> Result<HeaderValue, Error> {
        let target = target(uri)?;
        let local = self.clock.now();
        let (nonce, now) = self.nonces.api(target.origin(), local);
        let ath = match &self.hashed {
            Some((hashed, ath)) if hashed.same_secret(token) => Cow::Borrowed(ath),
            _ => Cow::Owned(jose::sha256(token.secret().as_bytes())),
        };
        let (ath, nonce) = (Some(ath.as_str()), nonce.as_deref());
        self.sign(&Claims { method, htu: target.htu(), ath, nonce }, now)
    }

    fn observe(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(target) = Target::of(uri) else { return false };
        let nonce = nonce(headers);
        self.nonces.keep_api(target.origin(), nonce, headers, self.clock.now());
        nonce.is_some()
    }
}
