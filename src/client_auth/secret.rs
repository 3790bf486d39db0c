//! A client secret: a value, a closure or a file, read again for each attempt.

use std::{fmt, path::PathBuf, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    error::{BoxError, Error, Problem},
    secret_file::{FileValue, ReadContext, SecretFile},
};

/// The error of a value that is empty or only white space.
pub(super) const BLANK_SECRET: &str = "client secret: it is empty; pass the secret that the authorization server gave this client, or \
     call public_client";

/// A client secret, wiped from memory when the last copy is dropped. `Debug` does not show it.
///
/// A closure or a file is read again for each attempt, so a rotated secret is picked up without a
/// restart.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::client_auth::Secret;
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
    File(Arc<FileValue<Zeroizing<String>>>),
}

impl Secret {
    /// A secret from a closure. It runs in the acquisition's task at each attempt, so it must not block.
    /// Its failure is an error of kind `Credentials`, which must not contain a secret.
    pub fn from_fn(
        provider: impl Fn() -> Result<String, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Provider(Arc::new(provider)))
    }

    /// A secret in a UTF-8 file of at most 64 KiB, such as a mounted Kubernetes secret. A byte order
    /// mark at its start and line breaks at its end are not part of it.
    ///
    /// It is read at each attempt, on a thread of this crate. Only a regular file, or a symbolic
    /// link to one, is read. If the read fails or takes longer than 5 s, as on a hung mount,
    /// the secret that was read last is used, with an
    /// [`EventKind::StaleCredentialUsed`](crate::event::EventKind::StaleCredentialUsed). A file that was removed or is empty
    /// is an error.
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self::in_file(SecretFile::new(path))
    }

    pub(crate) fn in_file(file: SecretFile) -> Self {
        Self(Kind::File(Arc::new(FileValue::new("secret", file))))
    }

    /// Whether it is a value that is empty or only white space.
    pub(crate) fn is_blank(&self) -> bool {
        matches!(&self.0, Kind::Value(value) if usable(value, "").is_err())
    }

    pub(crate) fn is_closure(&self) -> bool {
        matches!(self.0, Kind::Provider(_))
    }

    /// # Errors
    ///
    /// Kind `Credentials`, when the closure fails, or the file can't be read, is too long or not
    /// UTF-8, or the secret is empty.
    pub(crate) async fn read(&self, context: &ReadContext) -> Result<Zeroizing<String>, Error> {
        match &self.0 {
            Kind::Value(value) => usable(value, "the secret is empty"),
            Kind::Provider(provider) => {
                let secret = provider().map(Zeroizing::new).map_err(|cause| {
                    Error::of(Problem::Credentials)
                        .with_detail("the secret's closure failed")
                        .with_source(cause)
                })?;
                usable(&secret, "the secret's closure returned an empty secret")
            }
            Kind::File(file) => file.read(context, parse).await,
        }
    }
}

/// The secret in a value or in what a closure returned, which may come from a file.
fn usable(text: &str, blank: &'static str) -> Result<Zeroizing<String>, Error> {
    let secret = text.strip_prefix('\u{feff}').unwrap_or(text);
    if secret.trim().is_empty() {
        return Err(Error::of(Problem::Credentials).with_detail(blank));
    }
    Ok(Zeroizing::new(secret.to_owned()))
}

/// The secret in a file's text.
pub(crate) fn parse(text: &str) -> Result<Zeroizing<String>, BoxError> {
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

impl Secret {
    pub(crate) fn from_wiped(secret: Zeroizing<String>) -> Self {
        Self(Kind::Value(Arc::new(secret)))
    }
}

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self::from_wiped(Zeroizing::new(secret))
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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Value(_) => f.write_str("Secret([redacted])"),
            Kind::Provider(_) => f.write_str("Secret(closure)"),
            Kind::File(file) => f.debug_tuple("Secret").field(file).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs, process,
        sync::{
            Mutex,
            atomic::{AtomicU32, Ordering},
        },
    };

    use super::*;
    use crate::{
        event::{EventKind, Observer},
        limits::MAX_CREDENTIAL_BYTES,
    };

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

    async fn read(secret: &Secret) -> Result<String, Error> {
        secret.read(&ReadContext::default()).await.map(|secret| secret.to_string())
    }

    #[tokio::test]
    async fn a_file_is_read_again_and_its_mark_and_last_line_break_are_not_part_of_it() {
        let file = TempFile::new("rotated", b"first \r\n");
        let secret = Secret::from_file(&file.0);
        assert_eq!(read(&secret).await.unwrap(), "first ");
        fs::write(&file.0, "\u{feff}second").unwrap();
        assert_eq!(read(&secret).await.unwrap(), "second");
    }

    #[tokio::test]
    async fn a_secret_is_up_to_64_kib() {
        let longest = vec![b'a'; MAX_CREDENTIAL_BYTES];
        let file = TempFile::new("longest", &longest);
        assert_eq!(read(&Secret::from_file(&file.0)).await.unwrap().into_bytes(), longest);
    }

    #[tokio::test]
    async fn an_unusable_file_is_a_credentials_error_that_names_it() {
        let too_long = vec![b'a'; MAX_CREDENTIAL_BYTES + 1];
        for (name, content, why) in [
            ("empty", &b"\n"[..], "it is empty"),
            ("only-a-mark", b"\xef\xbb\xbf", "it is empty"),
            ("latin1", b"\xe9", "it is not UTF-8"),
            ("utf16", b"\xff\xfes\0", "it is UTF-16; save it as UTF-8"),
            ("long", &too_long, "it is longer than 64 KiB"),
        ] {
            let file = TempFile::new(name, content);
            let error = read(&Secret::from_file(&file.0)).await.unwrap_err();
            assert_eq!(error.problem(), Problem::Credentials, "{name}");
            let expected = format!("secret file {}: {why}", file.0.display());
            assert!(error.to_string().contains(&expected), "{error}");
        }
        let error = read(&Secret::from_file("/no/such/file")).await.unwrap_err();
        assert_eq!(error.problem(), Problem::Credentials);
        assert!(error.to_string().contains("/no/such/file: "));
    }

    #[tokio::test]
    async fn the_last_good_secret_is_used_while_the_file_cannot_be_read() {
        let file = TempFile::new("kept", b"first");
        let secret = Secret::from_file(&file.0);
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&events);
        let observer = Observer::new(move |event| seen.lock().unwrap().push(event.kind().clone()));
        let context = ReadContext { observer, ..ReadContext::default() };
        assert_eq!(secret.read(&context).await.unwrap().as_str(), "first");
        assert!(events.lock().unwrap().is_empty());

        let name = file.0.display().to_string();
        fs::remove_file(&file.0).unwrap();
        fs::create_dir(&file.0).unwrap();
        for _ in 0..2 {
            // Clones share it.
            assert_eq!(secret.clone().read(&context).await.unwrap().as_str(), "first");
            match events.lock().unwrap().pop() {
                Some(EventKind::StaleCredentialUsed { from, error }) => {
                    assert_eq!(from, name);
                    assert!(error.to_string().contains(&name), "{error}");
                }
                other => panic!("{other:?}"),
            }
        }
        // It was removed, or is being written.
        fs::remove_dir(&file.0).unwrap();
        secret.read(&context).await.unwrap_err();
        fs::write(&file.0, "").unwrap();
        secret.read(&context).await.unwrap_err();
        fs::write(&file.0, "second").unwrap();
        assert_eq!(secret.read(&context).await.unwrap().as_str(), "second");
        assert!(events.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_closure_is_called_at_each_read() {
        let calls = AtomicU32::new(0);
        let secret = Secret::from_fn(move || match calls.fetch_add(1, Ordering::Relaxed) {
            0 => Ok("\u{feff}zero".to_owned()),
            _ => Err("vault is sealed".into()),
        });
        assert_eq!(read(&secret).await.unwrap(), "zero");
        let error = read(&secret).await.unwrap_err();
        assert_eq!(error.problem(), Problem::Credentials);
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "vault is sealed");
    }

    #[tokio::test]
    async fn an_empty_value_or_closure_is_an_error() {
        for empty in ["", " ", "\r\n", "\u{feff}"] {
            assert!(Secret::from(empty).is_blank());
            for secret in [Secret::from(empty), Secret::from_fn(|| Ok(empty.to_owned()))] {
                let error = read(&secret).await.unwrap_err();
                assert_eq!(error.problem(), Problem::Credentials, "{empty:?}");
                assert!(error.to_string().contains("empty"), "{error}");
            }
        }
        assert!(!Secret::from("a").is_blank());
    }
}
