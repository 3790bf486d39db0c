//! A signing key: a value, a closure or a file, read anew for each use.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{algorithm::SigningAlgorithm, key::SigningKey};
use crate::{
    error::{BoxError, Error, ErrorKind},
    secret_file,
};

/// Where a [`SigningKey`] comes from: a value, or a closure or file that is read again for each
/// attempt, so that a rotated key is picked up without a restart.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{SigningAlgorithm, SigningKey, SigningKeySource};
///
/// let fixed = SigningKeySource::from(SigningKey::generate(SigningAlgorithm::EdDsa)?);
/// let file = SigningKeySource::from_pem_file(SigningAlgorithm::Es256, "/run/secrets/key.pem")
///     // The key's id, where it follows from the key.
///     .and_then(|key| Ok(key.clone().kid(key.thumbprint())));
/// let jwk = SigningKeySource::from_jwk_file("/run/secrets/key.json");
/// # let _ = (fixed, file, jwk);
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
pub struct SigningKeySource {
    kind: Kind,
    then: Option<Arc<Then>>,
}

type Provider = dyn Fn() -> Result<SigningKey, BoxError> + Send + Sync;
type Then = dyn Fn(SigningKey) -> Result<SigningKey, BoxError> + Send + Sync;

#[derive(Clone)]
enum Kind {
    Value(SigningKey),
    Provider(Arc<Provider>),
    /// A JWK where there is no algorithm.
    File(Arc<Path>, Option<SigningAlgorithm>),
}

impl SigningKeySource {
    /// A key that a closure provides. It runs on the acquisition's task, at each attempt: keep it
    /// short, and don't block. Its failure is an error of kind `Credentials`; put no secret into
    /// it.
    pub fn from_fn(
        provider: impl Fn() -> Result<SigningKey, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Kind::Provider(Arc::new(provider)))
    }

    /// A key in a PEM file of at most 64 KiB, as for [`SigningKey::from_pem`]. It is read at each
    /// attempt, on a thread where blocking is allowed.
    pub fn from_pem_file(algorithm: SigningAlgorithm, path: impl Into<PathBuf>) -> Self {
        Self::new(Kind::File(path.into().into(), Some(algorithm)))
    }

    /// A key in a JWK file of at most 64 KiB, as for [`SigningKey::from_jwk`]. Its `kid` can
    /// change with it. It is read at each attempt, on a thread where blocking is allowed.
    pub fn from_jwk_file(path: impl Into<PathBuf>) -> Self {
        Self::new(Kind::File(path.into().into(), None))
    }

    /// Completes each key that was read, such as with an id or its certificate. Given again, it
    /// replaces the earlier closure.
    #[must_use]
    pub fn and_then(
        mut self,
        then: impl Fn(SigningKey) -> Result<SigningKey, BoxError> + Send + Sync + 'static,
    ) -> Self {
        self.then = Some(Arc::new(then));
        self
    }

    fn new(kind: Kind) -> Self {
        Self { kind, then: None }
    }

    /// The algorithm, where it is known before the key is read.
    pub(crate) fn algorithm(&self) -> Option<SigningAlgorithm> {
        match &self.kind {
            Kind::Value(key) => Some(key.algorithm()),
            Kind::File(_, algorithm) => *algorithm,
            Kind::Provider(_) => None,
        }
    }

    /// # Errors
    ///
    /// Kind `Credentials`, when a closure fails or the file is not a usable key.
    pub(crate) async fn read(&self) -> Result<SigningKey, Error> {
        let refuse = |detail: String| {
            |cause| Error::new(ErrorKind::Credentials).with_detail(detail).with_source(cause)
        };
        let key = match &self.kind {
            Kind::Value(key) => key.clone(),
            Kind::Provider(provider) => {
                provider().map_err(refuse("the signing key's closure failed".into()))?
            }
            Kind::File(path, algorithm) => {
                let text = secret_file::read(path).await;
                let key = text.and_then(|text| match algorithm {
                    Some(algorithm) => Ok(SigningKey::from_pem(*algorithm, text.as_bytes())?),
                    None => Ok(SigningKey::from_jwk(text.as_bytes())?),
                });
                key.map_err(refuse(format!("signing key file {}", path.display())))?
            }
        };
        match &self.then {
            None => Ok(key),
            Some(then) => then(key).map_err(refuse("the signing key's closure failed".into())),
        }
    }
}

impl From<SigningKey> for SigningKeySource {
    fn from(key: SigningKey) -> Self {
        Self::new(Kind::Value(key))
    }
}

impl fmt::Debug for SigningKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Value(key) => key.fmt(f),
            Kind::Provider(_) => f.write_str("SigningKeySource(closure)"),
            Kind::File(path, _) => f.debug_tuple("SigningKeySource").field(path).finish(),
        }
    }
}
