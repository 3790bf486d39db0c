//! The certificate and key of a client (RFC 8705), one identity for token requests and for the API.
//! It is read again when its files are replaced.

mod chain_and_key;
mod load;
#[cfg(any(feature = "rustls", feature = "redis"))]
mod resolver;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{crypto::aws_lc_rs::cipher_suite, sign::CertifiedKey};
use rustls_pki_types::CertificateDer;
use tokio::{runtime::Handle, time::Instant};

pub use self::chain_and_key::ChainAndKey;
use self::load::Files;
#[cfg(any(feature = "rustls", feature = "redis"))]
pub(super) use self::resolver::IdentityResolver;
use crate::{
    error::{Error, Problem},
    event::{EventKind, Observer, TARGET},
    secret_file::{READ_TIMEOUT, ReadContext, SecretFile},
    sync::{Mutex, lock},
};

/// How often API calls and connections read the files again. Every token request reads them.
/// Certificates are replaced long before they expire, so this may be slow.
const BACKGROUND_READ_INTERVAL: Duration = Duration::from_secs(5);
/// How long a token request waits for each file.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);
/// The same after a read that failed.
const SLOW_REFRESH_TIMEOUT: Duration = Duration::from_millis(100);

/// A certificate chain and its private key, which identify the client in TLS (RFC 8705).
///
/// Cheap to clone; all clones are one identity. Use it everywhere the same certificate must be shown:
/// [`HyperTransportBuilder::client_identity`](crate::transport::HyperTransportBuilder::client_identity)
/// for token requests, and [`build_client`](crate::transport::HyperTransportBuilder::build_client) or
/// [`build_tls_config`](crate::transport::HyperTransportBuilder::build_tls_config) for the API.
///
/// # Rotation
///
/// An identity [from files](Self::from_files) is updated without a restart. The files are read before
/// each token request. For API calls and new connections they are read in the background, at most
/// every 5 s. Files that are damaged, half written, cannot be read, or do not belong together are not
/// used. The last good identity stays, with an
/// [`EventKind::StaleCredentialUsed`](crate::event::EventKind::StaleCredentialUsed).
///
/// With a new certificate
/// - token requests and [`HyperClient`](crate::transport::HyperClient) use new connections only,
/// - tokens that are bound to the old certificate (RFC 8705 §3) are dropped, since an API would refuse
///   them. This requires that the
///   [source](crate::endpoint::ClientCredentialsBuilder::client_identity) has the identity,
/// - [`on_rotation`](Self::on_rotation) is called.
///
/// # Secrets
///
/// `Debug` shows the certificate's thumbprint. This crate wipes its copies of the key's text and of
/// its decoded form. It cannot wipe the buffer of the PEM decoder and the signing key in the crypto
/// library.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_oauth2_client_credentials::{
///     ClientCredentials,
///     transport::{ChainAndKey, ClientIdentity, HyperClient, HyperTransport},
/// };
///
/// let identity = ClientIdentity::from_files(ChainAndKey { chain: "/run/tls/tls.crt", key: "/run/tls/tls.key" })?;
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
    shared: Arc<Inner>,
}

struct Inner {
    files: Option<Files>,
    current: ArcSwap<Current>,
    /// Held while the certificate is replaced and listeners are called. Never held while files are
    /// read, since a stalled runtime would keep it locked.
    replacing: Mutex<()>,
    /// Whether the last refresh failed.
    last_read_failed: AtomicBool,
    /// The time of the next background read, in milliseconds since `made_at`.
    next_background_read: AtomicU64,
    made_at: Instant,
    listeners: Mutex<Vec<Listener>>,
}

/// A certificate with its key, and the number of its predecessors.
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
    Strong(Arc<Closure>),
    /// Removed when its owner drops the closure.
    Weak(Weak<Closure>),
}

impl ClientIdentity {
    /// Reads PEM texts: the chain, with the client's own certificate first, and its unencrypted key
    /// (PKCS#8, PKCS#1 or SEC1). Both may be one text. Such an identity never changes.
    ///
    /// # Errors
    ///
    /// Kind `Config`, when either is missing, damaged or of an unknown kind, or they do not belong
    /// together.
    pub fn from_pem(pem: ChainAndKey<impl AsRef<[u8]>, impl AsRef<[u8]>>) -> Result<Self, Error> {
        Self::try_from_pem(pem).map_err(|why| {
            Error::of(Problem::Config).with_detail(format!("client identity: {why}"))
        })
    }

    /// # Errors
    ///
    /// Why `from_pem` fails.
    pub(super) fn try_from_pem(
        pem: ChainAndKey<impl AsRef<[u8]>, impl AsRef<[u8]>>,
    ) -> Result<Self, &'static str> {
        let key = load::parse(pem.chain.as_ref(), pem.key.as_ref())?;
        Ok(Self::new(None, Some(key)))
    }

    /// Reads the PEM files of a chain and a key, each of at most 1 MiB. See
    /// [`from_pem`](Self::from_pem). They are read here, for 5 s at most each, and again when they
    /// are replaced. Only regular files, or symbolic links to them, are read.
    ///
    /// # Errors
    ///
    /// Kind `Credentials` if the files cannot be read, or their content is not valid for
    /// `from_pem`.
    pub fn from_files(
        paths: ChainAndKey<impl Into<PathBuf>, impl Into<PathBuf>>,
    ) -> Result<Self, Error> {
        Self::try_from_files(paths).map_err(unreadable)
    }

    /// # Errors
    ///
    /// Why `from_files` fails, with the path.
    pub(super) fn try_from_files(
        paths: ChainAndKey<impl Into<PathBuf>, impl Into<PathBuf>>,
    ) -> Result<Self, String> {
        let files = Files::new(paths.chain, paths.key);
        let key = files.load_blocking().map_err(|error| error.text)?;
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
            Err(error) => return Err(unreadable(error.text)),
        };
        Ok(Self::new(Some(files), key))
    }

    fn new(files: Option<Files>, key: Option<CertifiedKey>) -> Self {
        let current = Current { generation: 0, key: key.map(Arc::new) };
        let current = ArcSwap::from_pointee(current);
        Self {
            shared: Arc::new(Inner {
                files,
                current,
                replacing: Mutex::default(),
                last_read_failed: AtomicBool::new(false),
                next_background_read: AtomicU64::new(0),
                made_at: Instant::now(),
                listeners: Mutex::default(),
            }),
        }
    }

    /// How many times the certificate was replaced.
    pub fn generation(&self) -> u64 {
        self.shared.current.load().generation
    }

    /// Whether its files have been read.
    pub(crate) fn has_certificate(&self) -> bool {
        self.current().key.is_some()
    }

    /// The certificate's thumbprint as bound tokens carry it (`x5t#S256`, RFC 8705 §3.1). Empty while
    /// files that [configuration](crate::config::ClientCredentialsConfig) names have not been created.
    pub fn thumbprint(&self) -> String {
        let sha_256 = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().expect("it is of TLS 1.3");
        let current = self.shared.current.load();
        let Some(certificate) = current.chain().first() else { return String::new() };
        URL_SAFE_NO_PAD.encode(sha_256.common.hash_provider.hash(certificate).as_ref())
    }

    /// Calls a closure after each replacement of the certificate, on the thread that noticed it. Keep
    /// it short, and don't wait for [`reload`](Self::reload) in it. New connections already show the
    /// new certificate.
    pub fn on_rotation(&self, closure: impl Fn() + Send + Sync + 'static) {
        self.listen(Listener::Strong(Arc::new(closure)));
    }

    /// Same as [`on_rotation`](Self::on_rotation), for as long as the caller keeps the closure.
    pub(crate) fn on_rotation_while_held(&self, closure: &Arc<Closure>) {
        self.listen(Listener::Weak(Arc::downgrade(closure)));
    }

    fn listen(&self, listener: Listener) {
        let mut listeners = lock(&self.shared.listeners);
        // An identity may outlive many listeners.
        listeners
            .retain(|it| !matches!(it, Listener::Weak(closure) if closure.strong_count() == 0));
        listeners.push(listener);
    }

    /// Reads the files now, and returns whether that replaced the certificate. Does nothing without
    /// files. When it returns, the closures of [`on_rotation`](Self::on_rotation) were called and the
    /// tokens that are bound to the old certificate were dropped.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, when the files cannot be used, or cannot be read within 5 s each. The last
    /// good identity stays.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its time driver enabled.
    pub async fn reload(&self) -> Result<bool, Error> {
        self.load(READ_TIMEOUT).await
    }

    /// Reads the files before a token request. If that fails, the last good identity is used.
    ///
    /// # Errors
    ///
    /// An error if there is no last good identity.
    pub(crate) async fn refresh(&self, context: &ReadContext) -> Result<(), Error> {
        // Shorter than for a secret, since the last good identity can be used at once.
        let last_read_failed = self.shared.last_read_failed.load(Ordering::Relaxed);
        let timeout = if last_read_failed { SLOW_REFRESH_TIMEOUT } else { REFRESH_TIMEOUT };
        let loaded = self.load(timeout.min(context.timeout)).await;
        self.shared.last_read_failed.store(loaded.is_err(), Ordering::Relaxed);
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

    /// Starts a read of the files in the background, if it is due. Does nothing outside of a runtime.
    pub(super) fn read_in_background(&self) {
        let shared = &self.shared;
        if shared.files.is_none() {
            return;
        }
        let now = u64::try_from(shared.made_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = shared.next_background_read.load(Ordering::Relaxed);
        if now < due {
            return;
        }
        let next = now.saturating_add(BACKGROUND_READ_INTERVAL.as_millis() as u64);
        let first = shared.next_background_read.compare_exchange(
            due,
            next,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
        if let (Ok(_), Ok(runtime)) = (first, Handle::try_current()) {
            let this = self.clone();
            runtime.spawn(async move {
                report(this.load(READ_TIMEOUT).await, &Observer::default());
            });
        }
    }

    async fn load(&self, timeout: Duration) -> Result<bool, Error> {
        let Some(files) = &self.shared.files else { return Ok(false) };
        loop {
            let known = self.current();
            let key = files.load(known.chain(), timeout).await;
            let key = key.map_err(|error| unreadable(error.text))?;
            // Read again if another task replaced it, since this content may be older.
            if let Some(is_replaced) = self.replace(known.generation, key) {
                return Ok(is_replaced);
            }
        }
    }

    /// Returns `None` if the current certificate is not of that generation.
    fn replace(&self, generation: u64, key: Option<CertifiedKey>) -> Option<bool> {
        let shared = &self.shared;
        // Held until all listeners were called. When a caller sees the new certificate, the tokens of
        // the old certificate are already dropped.
        let _replacing = lock(&shared.replacing);
        if self.generation() != generation {
            return None;
        }
        let Some(key) = key else { return Some(false) };
        let generation = generation + 1;
        shared.current.store(Arc::new(Current { generation, key: Some(Arc::new(key)) }));
        let thumbprint = self.thumbprint();
        tracing::info!(target: TARGET, thumbprint, "client certificate replaced");
        // Cloned, since a closure may add another listener.
        let listeners = lock(&shared.listeners).clone();
        for listener in listeners {
            let closure = match listener {
                Listener::Strong(closure) => Some(closure),
                Listener::Weak(closure) => closure.upgrade(),
            };
            closure.inspect(|closure| closure());
        }
        Some(true)
    }
}

fn unreadable(why: String) -> Error {
    Error::of(Problem::Credentials).with_detail(format!("client identity: {why}"))
}

fn report(loaded: Result<bool, Error>, observer: &Observer) {
    if let Err(error) = loaded {
        observer
            .emit(EventKind::StaleCredentialUsed { from: "client certificate".to_owned(), error });
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
