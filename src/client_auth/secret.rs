//! A client secret: a value, a closure or a file, read anew for each attempt.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

use crate::{
    error::{BoxError, Error, ErrorKind},
    secret_file,
};

/// A client secret, wiped from memory when the last copy is dropped. `Debug` does not show it.
///
/// A closure or a file is read again for each attempt, so a rotated secret is picked up without a
/// restart.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::Secret;
///
/// let fixed = Secret::from("s3cr3t");
/// let file = Secret::from_file("/run/secrets/client-secret");
/// let environment = Secret::from_fn(|| Ok(std::env::var("CLIENT_SECRET")?));
/// assert!(!format!("{fixed:?}").contains("s3cr3t"));
/// # let _ = (file, environment);
/// ```
#[derive(Clone)]
pub struct Secret(Kind);

type Provider = dyn Fn() -> Result<String, BoxError> + Send + Sync;

#[derive(Clone)]
enum Kind {
    Value(Arc<Zeroizing<String>>),
    Provider(Arc<Provider>),
    File(Arc<Path>),
}

impl Secret {
    /// A secret that a closure provides. It runs on the acquisition's task, at each attempt: keep
    /// it short, and don't block. Its failure is an error of kind `Credentials`; put no secret
    /// into it.
    pub fn from_fn(
        provider: impl Fn() -> Result<String, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Provider(Arc::new(provider)))
    }

    /// A secret in a UTF-8 file of at most 64 KiB, such as a mounted Kubernetes secret. Line
    /// breaks at its end are not part of it. It is read at each attempt, on a thread where
    /// blocking is allowed.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(Arc::from(path.into())))
    }

    /// # Errors
    ///
    /// Kind `Credentials`, when the closure fails or the file can't be read, is empty, too long
    /// or not UTF-8.
    pub(crate) async fn read(&self) -> Result<Zeroizing<String>, Error> {
        match &self.0 {
            Kind::Value(value) => Ok(Zeroizing::clone(value)),
            Kind::Provider(provider) => provider().map(Zeroizing::new).map_err(|cause| {
                Error::new(ErrorKind::Credentials)
                    .with_detail("the secret's closure failed")
                    .with_source(cause)
            }),
            Kind::File(path) => {
                let text = secret_file::read(path).await.map_err(|cause| {
                    Error::new(ErrorKind::Credentials)
                        .with_detail(format!("secret file {}", path.display()))
                        .with_source(cause)
                })?;
                Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
            }
        }
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(Kind::Value(Arc::new(Zeroizing::new(secret))))
    }
}

impl From<&str> for Secret {
    fn from(secret: &str) -> Self {
        secret.to_owned().into()
    }
}

impl From<&String> for Secret {
    fn from(secret: &String) -> Self {
        secret.clone().into()
    }
}

impl From<Zeroizing<String>> for Secret {
    fn from(secret: Zeroizing<String>) -> Self {
        Self(Kind::Value(Arc::new(secret)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Value(_) => f.write_str("Secret([redacted])"),
            Kind::Provider(_) => f.write_str("Secret(closure)"),
            Kind::File(path) => f.debug_tuple("Secret").field(path).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs, process,
        sync::atomic::{AtomicU32, Ordering},
    };

    use super::*;

    struct TempFile(PathBuf);

    impl TempFile {
        fn new(name: &str, content: &[u8]) -> Self {
            let path = env::temp_dir().join(format!("toacc-{}-{name}", process::id()));
            fs::write(&path, content).unwrap();
            Self(path)
        }
    }

    impl Drop for TempFile {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[tokio::test]
    async fn a_file_is_read_anew_and_its_last_line_break_is_not_part_of_it() {
        let file = TempFile::new("rotated", b"first \r\n");
        let secret = Secret::from_file(&file.0);
        assert_eq!(secret.read().await.unwrap().as_str(), "first ");
        fs::write(&file.0, "second").unwrap();
        assert_eq!(secret.read().await.unwrap().as_str(), "second");
    }

    #[tokio::test]
    async fn an_unusable_file_is_a_credentials_error() {
        let too_long = vec![b'a'; secret_file::MAX_BYTES as usize + 1];
        for (name, content) in [("empty", &b"\n"[..]), ("latin1", b"\xe9"), ("long", &too_long)] {
            let file = TempFile::new(name, content);
            let error = Secret::from_file(&file.0).read().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Credentials, "{name}");
        }
        let error = Secret::from_file("/no/such/file").read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.to_string().contains("/no/such/file"));
    }

    #[tokio::test]
    async fn a_closure_is_called_at_each_read() {
        let calls = AtomicU32::new(0);
        let secret = Secret::from_fn(move || match calls.fetch_add(1, Ordering::Relaxed) {
            0 => Ok("zero".to_owned()),
            _ => Err("vault is sealed".into()),
        });
        assert_eq!(secret.read().await.unwrap().as_str(), "zero");
        let error = secret.read().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "vault is sealed");
    }
}
