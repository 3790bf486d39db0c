//! A signing key: a value, a closure or a file, read again for each use.

use std::{fmt, path::PathBuf, sync::Arc};

use super::{algorithm::SigningAlgorithm, key::SigningKey};
use crate::{
    error::{BoxError, Error, Problem},
    secret_file::{FileValue, ReadContext, SecretFile},
};

/// Where a [`SigningKey`] comes from: a value, or a closure or file that is read again for each
/// attempt, so that a rotated key is picked up without a restart.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::jose::{SigningAlgorithm, SigningKey, SigningKeySource};
///
/// let fixed = SigningKeySource::from(SigningKey::generate(SigningAlgorithm::EdDsa)?);
/// let file = SigningKeySource::from_pem_file(SigningAlgorithm::Es256, "/run/secrets/key.pem")
///     // The key's id, where it follows from the key.
///     .and_then(|key| Ok(key.clone().with_key_id(key.thumbprint())));
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
    File(Arc<FileKey>),
}

struct FileKey {
    file: FileValue<SigningKey>,
    algorithm: Option<SigningAlgorithm>,
    /// How to set the algorithm of a key that fits several.
    advice: String,
}

impl SigningKeySource {
    /// A key from a closure. It runs in the acquisition's task at each attempt, so it must not block. Its
    /// failure is an error of kind `Credentials`, which must not contain a secret.
    pub fn from_fn(
        provider: impl Fn() -> Result<SigningKey, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self::new(Kind::Provider(Arc::new(provider)))
    }

    /// A key in a PEM file of at most 64 KiB, as for [`SigningKey::from_pem`].
    ///
    /// It is read at each attempt, on a thread of this crate. Only a regular file, or a symbolic link to
    /// one, is read. If the read fails or takes longer than 5 s, as on a hung mount, the key that was read
    /// last is used, with an [`EventKind::StaleCredentialUsed`](crate::event::EventKind::StaleCredentialUsed). A file that was
    /// removed or has no usable key is an error.
    #[must_use]
    pub fn from_pem_file(algorithm: SigningAlgorithm, path: impl Into<PathBuf>) -> Self {
        Self::in_file(SecretFile::new(path), Some(algorithm), String::new())
    }

    /// A key in a JWK file, as for [`SigningKey::from_jwk`], read as for
    /// [`from_pem_file`](Self::from_pem_file). Its `kid` can change with it.
    #[must_use]
    pub fn from_jwk_file(path: impl Into<PathBuf>) -> Self {
        Self::in_file(SecretFile::new(path), None, "use from_jwk_file_as".to_owned())
    }

    /// A key in a JWK file, with an algorithm that the JWK may leave out (RFC 7517 §4.4).
    #[must_use]
    pub fn from_jwk_file_as(algorithm: SigningAlgorithm, path: impl Into<PathBuf>) -> Self {
        Self::from_pem_file(algorithm, path)
    }

    /// Returns a key in PEM or a JWK. `advice` says how to set the algorithm of a key that fits
    /// several.
    pub(crate) fn in_file(
        file: SecretFile,
        algorithm: Option<SigningAlgorithm>,
        advice: String,
    ) -> Self {
        let file = FileValue::new("signing key", file);
        Self::new(Kind::File(Arc::new(FileKey { file, algorithm, advice })))
    }

    pub(crate) fn is_closure(&self) -> bool {
        matches!(self.kind, Kind::Provider(_))
    }

    /// Reads the key if it is in a file. Blocks the thread for a bounded time.
    ///
    /// # Errors
    ///
    /// An error if there is no usable key.
    pub(crate) fn check_file(&self) -> Result<(), BoxError> {
        match &self.kind {
            Kind::File(key) => key.file.check(|text| key.parse(text)).map(drop),
            Kind::Value(_) | Kind::Provider(_) => Ok(()),
        }
    }

    /// Sets a closure that completes each key that was read, such as with an id or its certificate.
    /// Given again, it replaces the earlier closure. Default: none.
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
            Kind::File(key) => key.algorithm,
            Kind::Provider(_) => None,
        }
    }

    /// # Errors
    ///
    /// Kind `Credentials`, when a closure fails or the file is not a usable key.
    pub(crate) async fn read(&self, context: &ReadContext) -> Result<SigningKey, Error> {
        let refuse = |detail: String| {
            |cause| Error::of(Problem::Credentials).with_detail(detail).with_source(cause)
        };
        let key = match &self.kind {
            Kind::Value(key) => key.clone(),
            Kind::Provider(provider) => provider()
                .map_err(refuse("the signing key's closure failed (see the cause)".into()))?,
            Kind::File(key) => key.file.read(context, |text| key.parse(text)).await?,
        };
        match &self.then {
            None => Ok(key),
            Some(then) => {
                then(key).map_err(refuse("the signing key's closure failed (see the cause)".into()))
            }
        }
    }
}

impl FileKey {
    fn parse(&self, text: &str) -> Result<SigningKey, BoxError> {
        Ok(SigningKey::from_text(text, self.algorithm, &self.advice)?)
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
            Kind::File(key) => f.debug_tuple("SigningKeySource").field(&key.file).finish(),
        }
    }
}
