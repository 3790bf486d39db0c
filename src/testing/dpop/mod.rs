//! DPoP at the mocks (RFC 9449 §4.3): what a proof must say is checked here, its signature by a
//! JWT library of the test's.

#[cfg(test)]
mod tests;

use std::{
    collections::HashSet,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::RecordedRequest;
use crate::sync::{Mutex, MutexGuard, lock};

/// Maximum difference between `iat` and the current time.
const WINDOW: Duration = Duration::from_secs(60);

type Verify = dyn Fn(&str, Option<&str>) -> Option<String> + Send + Sync;
type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// Checks DPoP proofs (RFC 9449 §4.3), for an [`AuthorizationServer`](super::AuthorizationServer)
/// or a [`ProtectedApi`](super::ProtectedApi). Cheap to clone; clones share nonces and the proofs
/// that they have seen, so give each server a separate one.
///
/// It refuses a proof with a wrong `typ`, `htm`, `htu`, `iat` (60 s) or `nonce`, with a private key, or
/// with a `jti` that was used before. A closure checks the rest, since the mocks have no cryptography.
/// Its arguments are the proof and, at an API, the access token. It returns the thumbprint (RFC 7638)
/// of the key in the proof's `jwk`, if the signature is valid and `ath` is the access token's hash.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::testing::{AuthorizationServer, DpopVerifier, ProtectedApi};
///
/// # fn verified(_: &str, _: Option<&str>) -> Option<String> { None }
/// let idp = AuthorizationServer::builder().dpop(DpopVerifier::new(verified)).build();
/// let at_api = DpopVerifier::new(verified);
/// let api = ProtectedApi::builder(&idp).dpop(at_api.clone()).build();
/// at_api.require_nonce(true);
/// # drop(api);
/// ```
#[derive(Clone)]
pub struct DpopVerifier {
    verify: Arc<Verify>,
    clock: Arc<Clock>,
    /// Not held while a closure runs.
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    seen: HashSet<String>,
    nonce: u64,
    required: bool,
    silent: bool,
    challenges: u64,
}

/// Why a proof is not good.
#[derive(Debug)]
pub(super) enum Unproven {
    Invalid(&'static str),
    WantsNonce,
}

impl Unproven {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_dpop_proof",
            Self::WantsNonce => "use_dpop_nonce",
        }
    }

    pub(super) fn wants_nonce(&self) -> bool {
        matches!(self, Self::WantsNonce)
    }

    pub(super) fn why(&self) -> &'static str {
        match self {
            Self::Invalid(why) => why,
            Self::WantsNonce => "a nonce is required",
        }
    }
}

impl DpopVerifier {
    /// With a closure that verifies signature and `ath`, as described above.
    pub fn new(
        verify: impl Fn(&str, Option<&str>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self { verify: Arc::new(verify), clock: Arc::new(SystemTime::now), state: Arc::default() }
    }

    /// Sets the clock that `iat` is compared with. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets whether proofs must have the current nonce (RFC 9449 §8, §9). Default: no. The nonce is
    /// sent with each refusal of a proof that lacks it, and with each success.
    pub fn require_nonce(&self, require: bool) {
        self.state().required = require;
    }

    /// Another nonce from now on; the one before is no longer good.
    pub fn rotate_nonce(&self) {
        self.state().nonce += 1;
    }

    /// Sets whether the nonce is left out of successes. Default: no.
    pub fn only_challenge(&self, only: bool) {
        self.state().silent = only;
    }

    /// How many requests were refused because they lacked the nonce.
    pub fn challenges(&self) -> u64 {
        self.state().challenges
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The thumbprint of the key that signed a request's proof.
    pub(super) fn check(
        &self,
        request: &RecordedRequest,
        access_token: Option<&str>,
    ) -> Result<String, Unproven> {
        let mut proofs = request.headers.get_all("dpop").iter();
        let (Some(proof), None) = (proofs.next(), proofs.next()) else {
            return Err(Unproven::Invalid("there must be one proof"));
        };
        let proof = proof.to_str().map_err(|_| Unproven::Invalid("it is not ASCII"))?;
        let claims = self.read(proof, request).map_err(Unproven::Invalid)?;
        let key = (self.verify)(proof, access_token)
            .ok_or(Unproven::Invalid("its signature or ath is not good"))?;
        let mut state = self.state();
        if state.required && claims["nonce"] != state.nonce() {
            state.challenges += 1;
            return Err(Unproven::WantsNonce);
        }
        let jti = claims["jti"].as_str().filter(|jti| !jti.is_empty());
        let jti = jti.ok_or(Unproven::Invalid("it has no jti"))?;
        if !state.seen.insert(jti.to_owned()) {
            return Err(Unproven::Invalid("it was used before"));
        }
        Ok(key)
    }

    /// The claims of a proof for this request.
    fn read(&self, proof: &str, request: &RecordedRequest) -> Result<Value, &'static str> {
        let mut parts = proof.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let mut part = || parts.next().flatten().ok_or("it is not a JWS");
        let json = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes);
        let header = json(part()?).map_err(|_| "its header is not JSON")?;
        let claims = json(part()?).map_err(|_| "its payload is not JSON")?;
        if header["typ"] != "dpop+jwt" {
            return Err("its typ is not dpop+jwt");
        }
        if !header["jwk"].is_object() || !header["jwk"]["d"].is_null() {
            return Err("it must have a public key in it, and no private one");
        }
        if claims["htm"] != request.method.as_str() {
            return Err("it is for another method");
        }
        if claims["htu"] != target(request) {
            return Err("it is for another URI");
        }
        let now = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        let iat = claims["iat"].as_u64().map(Duration::from_secs).ok_or("it has no iat")?;
        if iat.abs_diff(now) > WINDOW {
            return Err("it is too old, or from the future");
        }
        Ok(claims)
    }

    /// Adds the nonce to a response, if it belongs there.
    pub(super) fn stamp(&self, headers: &mut HeaderMap, wants_nonce: bool) {
        let state = self.state();
        if wants_nonce || (state.required && !state.silent) {
            let nonce = HeaderValue::from_str(&state.nonce()).expect("letters and digits");
            headers.insert("dpop-nonce", nonce);
        }
    }
}

impl State {
    fn nonce(&self) -> String {
        format!("nonce-{}", self.nonce)
    }
}

/// The URI that was asked, without its query, and with the default port left out.
fn target(request: &RecordedRequest) -> String {
    let origin = request.origin().to_ascii_lowercase();
    let default_port = if origin.starts_with("https:") { ":443" } else { ":80" };
    let origin = origin.strip_suffix(default_port).unwrap_or(&origin);
    format!("{origin}{}", request.uri.path())
}

/// Shows no nonce.
impl fmt::Debug for DpopVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("DpopVerifier")
            .field("requires_nonce", &state.required)
            .field("challenges", &state.challenges)
            .finish_non_exhaustive()
    }
}
