//! `private_key_jwt` and `client_secret_jwt`: assertions that are signed here (RFC 7523 §2.2,
//! OpenID Connect Core §9).

use std::time::UNIX_EPOCH;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{AssertionAudience, AssertionSettings, Authenticating, ClientAuth, Draft, Secret};
use crate::{
    error::{Error, ErrorKind},
    jose::{self, HmacAlgorithm, Signer, SigningKeySource},
};

#[derive(Debug)]
pub(crate) struct SignedAssertion {
    pub(crate) id: String,
    pub(crate) credential: Credential,
    pub(crate) audience: AssertionAudience,
    pub(crate) settings: AssertionSettings,
}

/// What the client and the server both know something of.
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
                    let key = source.read().await?;
                    let mut header = Map::new();
                    draft.secrets.check("client id", &self.id);
                    if let Some(kid) = key.key_id() {
                        draft.secrets.check("key id", kid);
                        header.insert("kid".into(), kid.into());
                    }
                    if let Some(x5t) = key.x5t_s256() {
                        header.insert("x5t#S256".into(), x5t.into());
                    }
                    self.sign(header, &Signer::Key(&key), draft)?
                }
                Credential::Secret(secret, algorithm) => {
                    let secret = secret.read().await?;
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

    fn configure(&mut self, settings: &AssertionSettings) {
        self.settings = settings.clone();
    }

    fn wants_issuer(&self) -> bool {
        self.audience.wants_issuer()
    }

    fn is_dated(&self) -> bool {
        true
    }
}

impl SignedAssertion {
    fn sign(
        &self,
        mut header: Map<String, Value>,
        signer: &Signer<'_>,
        draft: &Draft,
    ) -> Result<Zeroizing<String>, Error> {
        header.insert("alg".into(), signer.algorithm().into());
        if self.settings.typ {
            header.insert("typ".into(), "client-authentication+jwt".into());
        }
        let issued_at = draft.now.duration_since(UNIX_EPOCH).map_err(|_| {
            Error::new(ErrorKind::Credentials).with_detail("the wall clock is before 1970")
        })?;
        let issued_at = issued_at.as_secs();
        let audience = self.audience.resolve(draft).ok_or_else(|| {
            Error::new(ErrorKind::Config).with_detail("client assertion: no issuer was discovered")
        })?;
        let mut claims = Map::new();
        claims.insert("iss".into(), self.id.as_str().into());
        claims.insert("sub".into(), self.id.as_str().into());
        claims.insert("aud".into(), audience.into());
        claims.insert("iat".into(), issued_at.into());
        let expires_at = issued_at.saturating_add(self.settings.lifetime.as_secs());
        claims.insert("exp".into(), expires_at.into());
        claims.insert("jti".into(), jose::random_id()?.into());
        let (header, claims) = (Value::Object(header).to_string(), Value::Object(claims));
        jose::compact(header.as_bytes(), claims.to_string().as_bytes(), signer)
    }
}
