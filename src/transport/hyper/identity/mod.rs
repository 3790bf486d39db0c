//! The certificate and key that a client shows (RFC 8705): one identity for token requests and for
//! the API, followed when its files are replaced.

mod load;
mod resolver;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{crypto::aws_lc_rs::cipher_suite, sign::CertifiedKey};
use rustls_pki_types::CertificateDer;
use tokio::{runtime::Handle, time::Instant};

use self::load::{Files, LoadError};
pub(super) use self::resolver::Following;
use super::lock;
use crate::{
    error::{Error, ErrorKind},
    event::{Event, Observer},
    secret_file::{READ_TIMEOUT, ReadContext, SecretFile},
};

/// How often API calls and connections have the files looked at; token requests always do.
/// Certificates are replaced long before they expire, so this may be slow.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a token request waits for each file.
const REFRESH_LIMIT: Duration = Duration::from_secs(1);
/// The same after a read that failed.
const SLOW_REFRESH_LIMIT: Duration = Duration::from_millis(100);

/// A certificate chain and its private key: who the client is on a TLS connection (RFC 8705).
///
/// Cheap to clone; all clones are one identity. Give it to everything that must show the same
/// certificate: [`HyperTransportBuilder::client_identity`](crate::HyperTransportBuilder::client_identity)
/// for token requests, and [`build_client`](crate::HyperTransportBuilder::build_client) or
/// [`build_tls_config`](crate::HyperTransportBuilder::build_tls_config) for the API.
///
/// # Rotation
///
/// An identity [from files](Self::from_files) follows them without a restart. They are read before
/// each token request, and in the background of API calls and new connections at most every 5 s.
/// Files that are damaged, half written, cannot be read, or do not belong together are not used: the
/// last good identity stays, with an [`Event::CredentialKept`](crate::Event::CredentialKept).
///
/// With a new certificate
/// - token requests and [`HyperClient`](crate::HyperClient) use new connections only,
/// - tokens that were got with the old one are dropped, where the identity is known to the
///   [source](crate::ClientCredentialsBuilder::client_identity): an API would refuse them, as they
///   are bound to the old certificate (RFC 8705 §3),
/// - [`on_rotation`](Self::on_rotation) is called.
///
/// # Secrets
///
/// `Debug` shows the certificate's thumbprint. The key's text and its decoded form are wiped after
/// use as far as this crate holds them; the PEM decoder's buffer and the signing key within the
/// crypto library are out of its hands.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_oauth2_client_credentials::{
///     ClientCredentials, ClientIdentity, HyperClient, HyperTransport,
/// };
///
/// let identity = ClientIdentity::from_files("/run/tls/tls.crt", "/run/tls/tls.key")?;
/// let tokens = ClientCredentials::discover("https://idp.example.com")
///     .tls_client_auth("my-service")
///     .client_identity(identity.clone())
///     .build()?
///     .into_cache();
/// let api: HyperClient<String> = HyperTransport::builder().client_identity(identity).build_client()?;
/// # let _ = (tokens, api);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientIdentity {
    shared: Arc<Shared>,
}

struct Shared {
    files: Option<Files>,
    current: ArcSwap<Current>,
    /// Held while the certificate is replaced and listeners are called. Not while files are read: a
    /// runtime that is not driven would keep it.
    replacing: Mutex<()>,
    /// Whether the last refresh failed.
    is_slow: AtomicBool,
    /// When the next look at the files is due, in milliseconds from `made_at`.
    next_look: AtomicU64,
    made_at: Instant,
    listeners: Mutex<Vec<Listener>>,
}

/// One certificate with its key, and how many came before it.
pub(super) struct Current {
    pub(super) generation: u64,
    /// `None` until files that are created later can be read.
    pub(super) key: Option<Arc<CertifiedKey>>,
}

impl Current {
    fn chain(&self) -> &[CertificateDer<'static>] {
        self.key.as_deref().map_or(&[], |key| &key.cert)
    }
}

type Closure = dyn Fn() + Send + Sync;

#[derive(Clone)]
enum Listener {
    Kept(Arc<Closure>),
    /// Kept by somebody else, and over when that one is gone.
    Lent(Weak<Closure>),
}

impl ClientIdentity {
    /// From PEM texts: the chain, the client's own certificate first, and its unencrypted key
    /// (PKCS#8, PKCS#1 or SEC1). Both may be one text. It does not change.
    ///
    /// # Errors
    ///
    /// Kind `Config`, when either is missing, damaged or of an unknown kind, or they do not belong
    /// together.
    pub fn from_pem(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<Self, Error> {
        let key = load::parse(chain.as_ref(), key.as_ref()).map_err(|why| {
            Error::new(ErrorKind::Config).with_detail(format!("client identity: {why}"))
        })?;
        Ok(Self::new(None, Some(key)))
    }

    /// From PEM files of at most 1 MiB, as [`from_pem`](Self::from_pem). They are read here, for 5 s
    /// at most each, and followed from then on. Only regular files, or symbolic links to them, are
    /// read.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, when they cannot be read, and where `from_pem` fails.
    pub fn from_files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, Error> {
        let files = Files::new(chain, key);
        let key = files.load_blocking().map_err(unreadable)?;
        Ok(Self::new(Some(files), Some(key)))
    }

    /// From files that may be created later. Until they can be read, token requests fail.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, when they can be read and are unusable.
    pub(crate) fn in_files(chain: SecretFile, key: SecretFile) -> Result<Self, Error> {
        let files = Files { chain, key };
        let key = match files.load_blocking() {
            Ok(key) => Some(key),
            Err(error) if error.may_appear_later => None,
            Err(error) => return Err(unreadable(error)),
        };
        Ok(Self::new(Some(files), key))
    }

    fn new(files: Option<Files>, key: Option<CertifiedKey>) -> Self {
        let current = Current { generation: 0, key: key.map(Arc::new) };
        let current = ArcSwap::from_pointee(current);
        Self {
            shared: Arc::new(Shared {
                files,
                current,
                replacing: Mutex::default(),
                is_slow: AtomicBool::new(false),
                next_look: AtomicU64::new(0),
                made_at: Instant::now(),
                listeners: Mutex::default(),
            }),
        }
    }

    /// How many times the certificate was replaced.
    pub fn generation(&self) -> u64 {
        self.shared.current.load().generation
    }

    /// The certificate's thumbprint as bound tokens carry it (`x5t#S256`, RFC 8705 §3.1). Empty while
    /// files that [configuration](crate::ClientCredentialsConfig) names have not been created.
    pub fn thumbprint(&self) -> String {
        let sha_256 = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().expect("it is of TLS 1.3");
        let current = self.shared.current.load();
        let Some(certificate) = current.chain().first() else { return String::new() };
        URL_SAFE_NO_PAD.encode(sha_256.common.hash_provider.hash(certificate).as_ref())
    }

    /// Calls a closure each time the certificate was replaced, on the thread that noticed it: keep
    /// it short, and don't wait for [`reload`](Self::reload) in it. New connections show the new
    /// certificate by then.
    pub fn on_rotation(&self, closure: impl Fn() + Send + Sync + 'static) {
        self.listen(Listener::Kept(Arc::new(closure)));
    }

    /// As [`on_rotation`](Self::on_rotation), for as long as the caller keeps the closure.
    pub(crate) fn lend(&self, closure: &Arc<Closure>) {
        self.listen(Listener::Lent(Arc::downgrade(closure)));
    }

    fn listen(&self, listener: Listener) {
        let mut listeners = lock(&self.shared.listeners);
        // An identity may outlive many who listened.
        listeners.retain(|it| !matches!(it, Listener::Lent(lent) if lent.strong_count() == 0));
        listeners.push(listener);
    }

    /// Reads the files now, and returns whether that replaced the certificate. Without files there
    /// is nothing to do. When it returns, everything that follows from a new certificate has been
    /// done.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, when they cannot be used, or not be read within 5 s each; the last good
    /// identity stays.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its time driver enabled.
    pub async fn reload(&self) -> Result<bool, Error> {
        self.load(READ_TIMEOUT).await
    }

    /// Before a token request. The last good identity is better than none.
    ///
    /// # Errors
    ///
    /// When there is none yet.
    pub(crate) async fn refresh(&self, context: &ReadContext) -> Result<(), Error> {
        // The last good identity can be used at once, so this waits less than for a secret.
        let is_slow = self.shared.is_slow.load(Ordering::Relaxed);
        let limit = if is_slow { SLOW_REFRESH_LIMIT } else { REFRESH_LIMIT };
        let loaded = self.load(limit.min(context.timeout)).await;
        self.shared.is_slow.store(loaded.is_err(), Ordering::Relaxed);
        match loaded {
            Err(error) if self.current().key.is_none() => Err(error),
            loaded => {
                report(loaded, &context.observer);
                Ok(())
            }
        }
    }

    pub(super) fn current(&self) -> Arc<Current> {
        self.shared.current.load_full()
    }

    /// Has the files read in the background, if that is due. Outside of a runtime it is left to the
    /// next token request.
    pub(super) fn look(&self) {
        let shared = &self.shared;
        if shared.files.is_none() {
            return;
        }
        let now = u64::try_from(shared.made_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = shared.next_look.load(Ordering::Relaxed);
        if now < due {
            return;
        }
        let next = now.saturating_add(LOOK_EVERY.as_millis() as u64);
        let first =
            shared.next_look.compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed);
        if let (Ok(_), Ok(runtime)) = (first, Handle::try_current()) {
            let this = self.clone();
            runtime.spawn(async move {
                report(this.load(READ_TIMEOUT).await, &Observer::default());
            });
        }
    }

    async fn load(&self, limit: Duration) -> Result<bool, Error> {
        let Some(files) = &self.shared.files else { return Ok(false) };
        loop {
            let known = self.current();
            let key = files.load(known.chain(), limit).await.map_err(unreadable)?;
            // Read again if another task replaced it: what was read here may be older.
            if let Some(is_replaced) = self.replace(known.generation, key) {
                return Ok(is_replaced);
            }
        }
    }

    /// Returns `None` if the current certificate is not of that generation.
    fn replace(&self, generation: u64, key: Option<CertifiedKey>) -> Option<bool> {
        let shared = &self.shared;
        // Held until all listeners were called: a caller that finds the new certificate may rely on
        // the tokens of the old one being dropped.
        let _replacing = lock(&shared.replacing);
        if self.generation() != generation {
            return None;
        }
        let Some(key) = key else { return Some(false) };
        let generation = generation + 1;
        shared.current.store(Arc::new(Current { generation, key: Some(Arc::new(key)) }));
        tracing::info!(thumbprint = self.thumbprint(), "client certificate replaced");
        // Copied out: a closure may add another.
        let listeners = lock(&shared.listeners).clone();
        for listener in listeners {
            let closure = match listener {
                Listener::Kept(closure) => Some(closure),
                Listener::Lent(closure) => closure.upgrade(),
            };
            closure.inspect(|closure| closure());
        }
        Some(true)
    }
}

fn unreadable(error: LoadError) -> Error {
    Error::new(ErrorKind::Credentials).with_detail(format!("client identity: {}", error.text))
}

fn report(loaded: Result<bool, Error>, observer: &Observer) {
    if let Err(error) = loaded {
        observer.emit(&Event::CredentialKept { from: "client certificate".to_owned(), error });
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.shared.files.as_ref();
        f.debug_struct("ClientIdentity")
            .field("thumbprint", &self.thumbprint())
            .field("generation", &self.generation())
            .field("chain_file", &files.map(|files| &files.chain))
            .field("key_file", &files.map(|files| &files.key))
            .finish_non_exhaustive()
    }
}
