//! A JWT with given claims, signed for each attempt: the assertion of the JWT bearer grant
//! (RFC 7523 §2.1), or a token to exchange (RFC 8693).

use std::{fmt, time::Duration};

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::{
    client_auth::{AssertionAudience, Draft, dated_jwt, key_header},
    error::{Error, Problem},
    jose::{Signer, SigningKeySource},
};

/// Long enough for a slow network. All known servers accept it, and some refuse 5 minutes.
const LIFETIME: Duration = Duration::from_secs(60);

/// The claims that differ in each JWT, and are added here.
const ADDED_CLAIMS: [&str; 3] = ["iat", "exp", "jti"];

/// Claims that name parties and permissions. Messages need them.
const PUBLIC_CLAIMS: [&str; 8] =
    ["iss", "sub", "aud", "scope", "client_id", "azp", "resource", "target_audience"];

/// A JWT with given claims that a private key signs for each attempt: the value of a
/// [parameter](crate::endpoint::ClientCredentialsBuilder::parameter), such as the `assertion` of the JWT
/// bearer grant (RFC 7523 §2.1).
///
/// `iat`, `exp` and `jti` are added. The header has `alg`, `typ`, and `kid` and `x5t#S256` where
/// the key has them. [`build`](crate::endpoint::ClientCredentialsBuilder::build) reports invalid
/// claims. For a JWT that authenticates the *client*, use
/// [`private_key_jwt`](crate::endpoint::ClientCredentialsBuilder::private_key_jwt) instead.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "hyper-transport")] {
/// use tower_oauth2_client_credentials::{
///     ClientCredentials, endpoint::SignedJwt,
///     jose::{SigningAlgorithm, SigningKeySource},
/// };
///
/// let key = SigningKeySource::from_pem_file(SigningAlgorithm::Rs256, "/run/secrets/key.pem");
/// let source = ClientCredentials::builder("https://login.example.com/oauth2/token")
///     .no_client_authentication()
///     .grant_type("urn:ietf:params:oauth:grant-type:jwt-bearer")
///     .parameter(
///         "assertion",
///         SignedJwt::new(key)
///             .issuer("my-service")
///             .subject("user@example.com")
///             .audience("https://login.example.com")
///             .claim("scope", "invoices:read"),
///     )
///     .build()?;
/// # let _ = source;
/// # }
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "pass it to `parameter`"]
pub struct SignedJwt {
    key: SigningKeySource,
    claims: Map<String, Value>,
    audience: Option<AssertionAudience>,
    lifetime: Duration,
    typ: String,
    /// The first error, kept until `build`.
    mistake: Option<String>,
}

impl SignedJwt {
    /// Starts with the key that signs it.
    pub fn new(key: impl Into<SigningKeySource>) -> Self {
        Self {
            key: key.into(),
            claims: Map::new(),
            audience: None,
            lifetime: LIFETIME,
            typ: "JWT".to_owned(),
            mistake: None,
        }
    }

    /// Sets `iss` (RFC 7519 §4.1.1): the party that signs, such as a service account's email or a
    /// client id. Default: none.
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        self.claim("iss", issuer)
    }

    /// Sets `sub` (RFC 7519 §4.1.2): the party that the access token is for. Default: none.
    pub fn subject(self, subject: impl Into<String>) -> Self {
        self.claim("sub", subject)
    }

    /// Sets `aud` (RFC 7519 §4.1.3), as one string: the authorization server's issuer identifier or
    /// its token URL, as its documentation says (RFC 7523 §3). With
    /// [`discover`](crate::ClientCredentials::discover) it can be
    /// [`AssertionAudience::discovered_issuer`].
    pub fn audience(mut self, audience: impl Into<AssertionAudience>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Adds a further claim that is a string. Given again, it replaces the earlier one. Default:
    /// none.
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.insert(name.into(), Value::String(value.into()));
        self
    }

    /// Adds further claims of any type: the members of a JSON object. Default: none.
    pub fn claims(mut self, json: impl AsRef<str>) -> Self {
        match serde_json::from_str::<Map<String, Value>>(json.as_ref()) {
            Ok(claims) => claims.into_iter().for_each(|(name, value)| self.insert(name, value)),
            Err(_) => self.keep_mistake("its claims are not a JSON object; pass one".to_owned()),
        }
        self
    }

    /// Sets how long the JWT is valid: `exp` minus `iat`, in whole seconds. Below 1 s is an error
    /// of [`build`](crate::endpoint::ClientCredentialsBuilder::build). Default: 60 s.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets `typ` in the header (RFC 7515 §4.1.9). An empty one is left out. Default: `JWT`.
    pub fn typ(mut self, typ: impl Into<String>) -> Self {
        self.typ = typ.into();
        self
    }

    fn insert(&mut self, name: String, value: Value) {
        if name.is_empty() {
            self.keep_mistake("the name of a claim is empty; pass one".to_owned());
        } else if let Some(name) = ADDED_CLAIMS.iter().find(|added| **added == name) {
            self.keep_mistake(format!(
                "the claim {name} is added for each attempt; leave it out, and set the lifetime"
            ));
        } else {
            self.claims.insert(name, value);
        }
    }

    fn keep_mistake(&mut self, mistake: String) {
        self.mistake.get_or_insert(mistake);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        if self.lifetime < Duration::from_secs(1) {
            return Err("the lifetime of its JWT is below 1 s; set 1 s or more".to_owned());
        }
        if self.audience.as_ref().is_some_and(AssertionAudience::is_empty) {
            return Err("the audience of its JWT is empty; pass the authorization server's \
                        issuer or token URL"
                .to_owned());
        }
        Ok(())
    }

    pub(super) fn wants_issuer(&self) -> bool {
        self.audience.as_ref().is_some_and(AssertionAudience::wants_issuer)
    }

    /// The texts in all claims that are not known to be public, since some servers require an account's
    /// secret among the claims.
    pub(super) fn confidential_texts(&self) -> impl Iterator<Item = &str> {
        let claims = self.claims.iter();
        let claims = claims.filter(|(name, _)| !PUBLIC_CLAIMS.contains(&name.as_str()));
        claims.flat_map(|(_, value)| texts(value))
    }

    /// # Errors
    ///
    /// Kind `Credentials`, when the key cannot be read or does not sign.
    pub(super) async fn sign(&self, draft: &Draft) -> Result<Zeroizing<String>, Error> {
        let key = self.key.read(&draft.reading).await?;
        let mut header = key_header(&key);
        if !self.typ.is_empty() {
            header.insert("typ".into(), self.typ.as_str().into());
        }
        let mut claims = self.claims.clone();
        if let Some(audience) = &self.audience {
            let audience = audience.resolve(draft).ok_or_else(|| {
                Error::of(Problem::Config)
                    .with_detail("no issuer was discovered; pass the audience")
            })?;
            claims.insert("aud".into(), audience.into());
        }
        dated_jwt(header, claims, self.lifetime, &Signer::Key(&key), draft.now)
    }
}

/// All strings in a value, at any depth.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

impl fmt::Debug for SignedJwt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without values, since some servers require an account's secret among the claims.
        let claims: Vec<_> = self.claims.keys().collect();
        f.debug_struct("SignedJwt")
            .field("key", &self.key)
            .field("claims", &claims)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
