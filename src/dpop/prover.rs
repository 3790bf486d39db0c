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
    htu::Htu,
    nonces::{Nonces, nonce},
};
use crate::{
    clock::WallClock,
    error::{Error, Problem},
    event::Observer,
    jose::{self, Signer, SigningKey},
    skew::Skew,
    token::{ProofOfPossession, Token},
};

/// Makes the proofs of one key, for token requests and for requests with the tokens.
///
/// The signature is the main cost of a proof (about 20 µs for ES256). It is made in the caller's task,
/// since another thread would cost as much.
#[derive(Clone)]
pub(crate) struct Prover {
    key: SigningKey,
    /// The JWS header, encoded.
    header: Arc<str>,
    /// A token, and its `ath`.
    hashed: Option<(Token, String)>,
    nonces: Arc<Nonces>,
    clock: Arc<dyn WallClock>,
    /// The authorization server's clock. Each API has its own skew.
    pub(super) skew: Skew,
    /// Of the client that acquired the token.
    observer: Observer,
}

/// The claims of a proof.
struct Claims<'a> {
    method: &'a Method,
    htu: &'a str,
    /// The hash of the token, for an API.
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
        let observer = Observer::default();
        Self { key, header, hashed: None, nonces, clock, skew, observer }
    }

    /// Attaches this prover to a token that is bound to the key. `observer`: for the clocks of APIs.
    pub(crate) fn bind(&self, token: Token, observer: Observer) -> Token {
        let ath = jose::sha256(token.secret().as_bytes());
        let prover = Self { hashed: Some((token.clone(), ath)), observer, ..self.clone() };
        token.with_proof(Arc::new(prover))
    }

    /// The proof for a token request.
    ///
    /// # Errors
    ///
    /// Same errors as [`ProofOfPossession::prove`].
    pub(crate) fn prove_token_request(
        &self,
        method: &Method,
        uri: &Uri,
        nonce: Option<&str>,
    ) -> Result<HeaderValue, Error> {
        let htu = htu(uri)?;
        let now = self.skew.correct(self.clock.now());
        self.sign(&Claims { method, htu: htu.as_str(), ath: None, nonce }, now)
    }

    fn sign(&self, claims: &Claims<'_>, now: SystemTime) -> Result<HeaderValue, Error> {
        /// Bytes for the claims and the signature of an RSA key of 2048 bits.
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
            Error::of(Problem::Credentials).with_detail("the wall clock is before 1970; correct it")
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

/// Only `htu` may need escaping.
fn member(json: &mut Vec<u8>, name: &str, value: &(impl Serialize + ?Sized)) {
    json.extend_from_slice(name.as_bytes());
    serde_json::to_writer(json, value).expect("a string or number, to memory");
}

fn htu(uri: &Uri) -> Result<Htu, Error> {
    Htu::of(uri).ok_or_else(|| {
        Error::of(Problem::Refused).with_detail(
            "a DPoP proof needs the whole URI, but the request's URI has no scheme and host; pass an \
             absolute URI",
        )
    })
}

impl ProofOfPossession for Prover {
    fn prove(&self, method: &Method, uri: &Uri, token: &Token) -> Result<HeaderValue, Error> {
        let htu = htu(uri)?;
        let local = self.clock.now();
        let (nonce, now) = self.nonces.api(htu.origin(), local);
        let ath = match &self.hashed {
            Some((hashed, ath)) if hashed.same_secret(token) => Cow::Borrowed(ath),
            _ => Cow::Owned(jose::sha256(token.secret().as_bytes())),
        };
        let (ath, nonce) = (Some(ath.as_str()), nonce.as_deref());
        self.sign(&Claims { method, htu: htu.as_str(), ath, nonce }, now)
    }

    fn observe(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let Some(htu) = Htu::of(uri) else { return false };
        let nonce = nonce(headers);
        let skewed = self.nonces.keep_api(htu.origin(), nonce, headers, self.clock.now());
        if let Some(event) = skewed {
            self.observer.emit(event);
        }
        nonce.is_some()
    }
}
