//! A private key with the algorithm that it signs with.

use std::{fmt, sync::Arc};

use super::{
    algorithm::SigningAlgorithm,
    error::config_error,
    jwk::{self, Jwk},
    key_pair::KeyPair,
    pem, public_jwk,
};
use crate::{
    error::{Error, Problem},
    secret_file::{without_bom, without_escapes},
};

/// A private key that signs JWTs. Cheap to clone; wiped from memory when the last copy is dropped.
/// `Debug` shows its algorithm and its id only.
///
/// For a key that is rotated while the process runs see [`SigningKeySource`](super::SigningKeySource).
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::jose::{SigningAlgorithm, SigningKey};
///
/// // Usually `SigningKey::from_pem(SigningAlgorithm::Es256, pem)?`.
/// let key = SigningKey::generate(SigningAlgorithm::Es256)?.with_key_id("2026-11");
/// println!("register this at the authorization server: {}", key.public_jwk());
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    pair: Arc<KeyPair>,
    algorithm: SigningAlgorithm,
    key_id: Option<Arc<str>>,
    x5t_s256: Option<Arc<str>>,
}

impl SigningKey {
    /// The private key in a PEM text: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC 1
    /// (`EC PRIVATE KEY`), not encrypted. Certificates next to it are skipped. Its line breaks may
    /// be written as `\n`, as in a variable of one line.
    ///
    /// # Errors
    ///
    /// Kind `Config` for an RSA key below 2048 bits (RFC 7518 §3.3), a key that does not fit the
    /// algorithm, a public key, more than one private key, or a damaged one. The message says what
    /// to do.
    pub fn from_pem(algorithm: SigningAlgorithm, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::with_pem(pem.as_ref(), Some(algorithm), "")
    }

    /// A private key as a JWK (RFC 7517). The algorithm is its `alg`, or follows from its curve;
    /// its `kid` is taken.
    ///
    /// # Errors
    ///
    /// Same errors as [`from_pem`](Self::from_pem). Also when an RSA key has no `alg`, or `alg` is
    /// `none` or not known, or `use` or `key_ops` say that the key is for something else.
    pub fn from_jwk(jwk: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::with_jwk(jwk.as_ref(), None, "use from_jwk_as")
    }

    /// A private key as a JWK, with an algorithm that the JWK may leave out.
    ///
    /// # Errors
    ///
    /// Same errors as [`from_jwk`](Self::from_jwk). Also when the JWK names another algorithm.
    pub fn from_jwk_as(algorithm: SigningAlgorithm, jwk: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::with_jwk(jwk.as_ref(), Some(algorithm), "")
    }

    /// Reads a key in PEM or a JWK. `advice` says how to set the algorithm of a key that fits
    /// several.
    #[cfg(feature = "jwt")]
    pub(super) fn from_text(
        text: &str,
        algorithm: Option<SigningAlgorithm>,
        advice: &str,
    ) -> Result<Self, Error> {
        if text.trim_start().starts_with('{') {
            Self::with_jwk(text.as_bytes(), algorithm, advice)
        } else {
            Self::with_pem(text.as_bytes(), algorithm, advice)
        }
    }

    fn with_pem(
        pem: &[u8],
        algorithm: Option<SigningAlgorithm>,
        advice: &str,
    ) -> Result<Self, Error> {
        let pem = without_escapes(pem);
        let pem = str::from_utf8(&pem).map_err(|_| {
            config_error("signing key PEM: it is not text; if it is DER, convert it")
        })?;
        let pair = KeyPair::from_pem(pem)?;
        let algorithm = algorithm.or_else(|| pair.kind().only_algorithm()).ok_or_else(|| {
            config_error(format!("signing key PEM: an RSA key fits several algorithms; {advice}"))
        })?;
        Self::new(algorithm, pair)
    }

    fn with_jwk(jwk: &[u8], wanted: Option<SigningAlgorithm>, advice: &str) -> Result<Self, Error> {
        let jwk =
            str::from_utf8(without_bom(jwk)).map_err(|_| config_error("JWK: it is not UTF-8"))?;
        let Jwk { pair, algorithm, key_id } = jwk::parse(jwk)?;
        let algorithm = match (wanted, algorithm) {
            (Some(wanted), Some(named)) if wanted != named => {
                return Err(config_error(format!(
                    "JWK: its alg is {named} and not {wanted}; use {named}"
                )));
            }
            (Some(algorithm), _) | (None, Some(algorithm)) => algorithm,
            (None, None) => pair.kind().only_algorithm().ok_or_else(|| {
                config_error(format!(
                    "JWK: an RSA key without alg fits several algorithms; {advice}"
                ))
            })?,
        };
        let mut key = Self::new(algorithm, pair)?;
        key.key_id = key_id.map(Arc::from);
        Ok(key)
    }

    /// A new random key, for tests and for proofs of possession. RSA keys have 2048 bits.
    ///
    /// # Errors
    ///
    /// Kind `Credentials` when the system has no randomness.
    pub fn generate(algorithm: SigningAlgorithm) -> Result<Self, Error> {
        let pair = KeyPair::generate(algorithm.key_kind()).map_err(|_| {
            Error::of(Problem::Credentials).with_detail(
                "a key could not be generated; check the system's random number generator",
            )
        })?;
        Self::new(algorithm, pair)
    }

    fn new(algorithm: SigningAlgorithm, pair: KeyPair) -> Result<Self, Error> {
        let kind = pair.kind();
        if kind != algorithm.key_kind() {
            let (kind, fits) = (kind.name(), kind.algorithms());
            let needed = algorithm.key_kind().name();
            return Err(config_error(format!(
                "signing key: {algorithm} needs a key of kind {needed} and this one is {kind}; \
                 sign with {fits}, or pass another key"
            )));
        }
        Ok(Self { pair: Arc::new(pair), algorithm, key_id: None, x5t_s256: None })
    }

    /// Sets the key's id at the authorization server: `kid` in the JWT's header (RFC 7515 §4.1.4).
    /// Default: none.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into().into());
        self
    }

    /// Identifies the key by its certificate: `x5t#S256` in the JWT's header (RFC 7515 §4.1.8), as
    /// Entra ID requires it. The first certificate of a chain is used.
    ///
    /// # Errors
    ///
    /// Kind `Config` when there is no certificate, or it belongs to another key.
    pub fn x5t_s256_from_certificate_pem(mut self, pem: impl AsRef<[u8]>) -> Result<Self, Error> {
        let refuse = |why: &str| config_error(format!("signing key's certificate: {why}"));
        let pem = without_escapes(pem.as_ref());
        let pem = str::from_utf8(&pem).map_err(|_| refuse("it is not PEM"))?;
        let sections = pem::sections(pem).map_err(refuse)?;
        let certificate = sections
            .iter()
            .find(|section| section.label == "CERTIFICATE")
            .ok_or_else(|| refuse("there is no -----BEGIN CERTIFICATE----- in it"))?;
        // The x coordinate of a point, since a certificate may contain the compressed point.
        let public = match self.pair.public() {
            point @ [4, ..] => &point[1..1 + (point.len() - 1) / 2],
            public => public,
        };
        if !certificate.der.windows(public.len()).any(|window| window == public) {
            return Err(refuse("it is for another key; pass the one made for this key"));
        }
        self.x5t_s256 = Some(public_jwk::sha256(&certificate.der).into());
        Ok(self)
    }

    /// The signature algorithm.
    pub fn algorithm(&self) -> SigningAlgorithm {
        self.algorithm
    }

    /// The key's id, if it was set.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    #[cfg(feature = "jwt")]
    pub(crate) fn x5t_s256(&self) -> Option<&str> {
        self.x5t_s256.as_deref()
    }

    /// The public key as a JWK (RFC 7517) with `alg`, `use` and, if it is known, `kid`. Register it at the
    /// authorization server.
    pub fn public_jwk(&self) -> String {
        let mut jwk = public_jwk::object(&public_jwk::members(&self.pair));
        jwk.pop();
        jwk.push_str(&format!(r#","alg":"{}","use":"sig""#, self.algorithm));
        if let Some(id) = self.key_id() {
            jwk.push_str(&format!(r#","kid":{}"#, serde_json::Value::from(id)));
        }
        jwk.push('}');
        jwk
    }

    /// The public key with its required members only (RFC 7638 §3.2).
    #[cfg(feature = "dpop")]
    pub(crate) fn bare_jwk(&self) -> String {
        public_jwk::object(&public_jwk::members(&self.pair))
    }

    /// The SHA-256 thumbprint of the public key in base64url (RFC 7638): often used as
    /// [key id](Self::with_key_id).
    pub fn thumbprint(&self) -> String {
        public_jwk::thumbprint(&self.pair)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        self.pair.sign(self.algorithm, message).map_err(|_| {
            Error::of(Problem::Credentials)
                .with_detail("the signing key cannot sign; check the key")
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}
