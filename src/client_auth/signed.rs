//! `private_key_jwt` and `client_secret_jwt`: assertions that this crate signs (RFC 7523 §2.2, OpenID
//! Connect Core §9).

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{
    assertion::AssertionSettings,
    audience::AssertionAudience,
    draft::Draft,
    method::{Authenticating, ClientAuth},
    secret::{BLANK_SECRET, Secret},
};
use crate::{
    error::{Error, Problem},
    event::EventKind,
    jose::{self, HmacAlgorithm, Signer, SigningKey, SigningKeySource},
    secret_file::ReadContext,
};

#[derive(Debug)]
pub(crate) struct SignedAssertion {
    pub(crate) id: String,
    pub(crate) credential: Credential,
    pub(crate) audience: AssertionAudience,
    pub(crate) settings: AssertionSettings,
    /// Whether [`EventKind::ShortSecret`] was emitted.
    pub(crate) warned: AtomicBool,
}

/// The credential that signs the assertion.
#[derive(Debug)]
pub(crate) enum Credential {
    Key(SigningKeySource),
    Secret(Secret, HmacAlgorithm),
}

impl ClientAuth for SignedAssertion {
    fn authenticate<'a>(&'a self, draft: &'a mut Draft) -> Authenticating<'a> {
        Box::pin(async move {
            let assertion = match &self.credential {
                Credential::Key(source) => {
                    let key = source.read(&draft.reading).await?;
                    draft.secrets.check("client id", &self.id);
                    draft.secrets.check("key id", key.key_id().unwrap_or_default());
                    self.sign(key_header(&key), &Signer::Key(&key), draft)?
                }
                Credential::Secret(secret, algorithm) => {
                    let secret = secret.read(&draft.reading).await?;
                    self.warn_of_short(&secret, *algorithm, &draft.reading);
                    let signer = Signer::Secret(*algorithm, secret.as_bytes());
                    let assertion = self.sign(Map::new(), &signer, draft)?;
                    draft.secrets.push_password(&self.id, secret);
                    assertion
                }
            };
            self.settings.present(Some(&self.id), assertion, draft);
            Ok(())
        })
    }

    fn mistake(&self) -> Option<&'static str> {
        match &self.credential {
            Credential::Secret(secret, _) if secret.is_blank() => Some(BLANK_SECRET),
            _ => None,
        }
    }

    fn method(&self) -> Option<&'static str> {
        Some(match self.credential {
            Credential::Key(_) => "private_key_jwt",
            Credential::Secret(..) => "client_secret_jwt",
        })
    }

    fn signing_algorithm(&self) -> Option<&'static str> {
        match &self.credential {
            Credential::Key(source) => source.algorithm().map(|algorithm| algorithm.as_str()),
            Credential::Secret(_, algorithm) => Some(algorithm.as_str()),
        }
    }

    fn unknown_client(&self) -> Option<&'static str> {
        match &self.credential {
            Credential::Key(source) => source
                .is_closure()
                .then_some("the closure of private_key_jwt may return the key of any client"),
            Credential::Secret(secret, _) => secret
                .is_closure()
                .then_some("the closure of client_secret_jwt may return the secret of any client"),
        }
    }

    fn configure(&mut self, settings: &AssertionSettings) {
        self.settings = settings.clone();
    }

    fn wants_issuer(&self) -> bool {
        self.audience.wants_issuer()
    }

    fn has_times(&self) -> bool {
        true
    }
}

impl SignedAssertion {
    fn warn_of_short(&self, secret: &str, algorithm: HmacAlgorithm, reading: &ReadContext) {
        let minimum = algorithm.hash_bytes();
        if secret.len() < minimum && !self.warned.swap(true, Ordering::Relaxed) {
            let algorithm = algorithm.as_str();
            reading.observer.emit(EventKind::ShortSecret { algorithm, minimum });
        }
    }

    fn sign(
        &self,
        mut header: Map<String, Value>,
        signer: &Signer<'_>,
        draft: &Draft,
    ) -> Result<Zeroizing<String>, Error> {
        if self.settings.typ {
            header.insert("typ".into(), "client-authentication+jwt".into());
        }
        let audience = self.audience.resolve(draft).ok_or_else(|| {
            Error::of(Problem::Config)
                .with_detail("client assertion: no issuer was discovered; pass the audience")
        })?;
        let mut claims = Map::new();
        claims.insert("iss".into(), self.id.as_str().into());
        claims.insert("sub".into(), self.id.as_str().into());
        claims.insert("aud".into(), audience.into());
        dated_jwt(header, claims, self.settings.lifetime, signer, draft.now)
    }
}

/// The header of a JWT, with `kid` and `x5t#S256` if the key has them.
pub(crate) fn key_header(key: &SigningKey) -> Map<String, Value> {
    let mut header = Map::new();
    if let Some(kid) = key.key_id() {
        header.insert("kid".into(), kid.into());
    }
    if let Some(x5t) = key.x5t_s256() {
        header.insert("x5t#S256".into(), x5t.into());
    }
    header
}

/// Signs claims, and adds `iat`, `exp` and a new `jti` to them and `alg` to the header.
///
/// # Errors
///
/// Kind `Credentials`, when the clock is before 1970, or the key or the system's randomness fails.
pub(crate) fn dated_jwt(
    mut header: Map<String, Value>,
    mut claims: Map<String, Value>,
    lifetime: Duration,
    signer: &Signer<'_>,
    now: SystemTime,
) -> Result<Zeroizing<String>, Error> {
    let issued_at = now.duration_since(UNIX_EPOCH).map_err(|_| {
        Error::of(Problem::Credentials).with_detail("the wall clock is before 1970; correct it")
    })?;
    let issued_at = issued_at.as_secs();
    header.insert("alg".into(), signer.algorithm().into());
    claims.insert("iat".into(), issued_at.into());
    claims.insert("exp".into(), issued_at.saturating_add(lifetime.as_secs()).into());
    claims.insert("jti".into(), jose::random_id()?.into());
    let (header, claims) = (Value::Object(header).to_string(), Value::Object(claims));
    jose::compact(header.as_bytes(), claims.to_string().as_bytes(), signer)
}
