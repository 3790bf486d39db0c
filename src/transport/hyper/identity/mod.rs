//! The certificate and key that a client shows (RFC 8705): one identity for token requests and for
//! the API, followed when its files are replaced.

mod load;
mod resolver;

use std::{
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{crypto::aws_lc_rs::cipher_suite, sign::CertifiedKey};
use tokio::{runtime::Handle, time::Instant};

use self::load::Files;
pub(super) use self::resolver::Following;
use super::lock;
use crate::error::{Error, ErrorKind};

/// How often API calls and connections have the files looked at; token requests always do.
/// Certificates are replaced long before they expire, so this may be slow.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A certificate chain and its private key: who the client is on a TLS connection (RFC 8705).
///
/// Cheap to clone; all clones are one identity. Give it to everything that must show the same
/// certificate: [`HyperTransportBuilder::client_identity`](crate::HyperTransportBuilder::client_identity)
/// for token requests, and [`build_client`](crate::HyperTransportBuilder::build_client) or
/// [`build_tls_config`](crate::HyperTransportBuilder::build_tls_config) for the API.
///
/// # Rotation
///
/// An identity [from files](Self::from_files) follows them without a restart. They are read on a
/// thread where blocking is allowed: before each token request, and beside API calls and new
/// connections, at most every 5 s. What is damaged, half written, or a certificate and a key that
/// do not belong together, is not used: the last good identity stays.
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
    /// Held while the files are read, their content takes its place, and listeners are told.
    loading: Mutex<()>,
    /// When the next look at the files is due, in milliseconds from `made_at`.
    next_look: AtomicU64,
    made_at: Instant,
    listeners: Mutex<Vec<Listener>>,
}

/// One certificate with its key, and how many came before it.
pub(super) struct Current {
    pub(super) generation: u64,
    pub(super) key: Arc<CertifiedKey>,
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
        Ok(Self::new(None, key))
    }

    /// From PEM files, as [`from_pem`](Self::from_pem); they are read at once, in place, and
    /// followed from then on.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, when they cannot be read, and where `from_pem` fails.
    pub fn from_files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, Error> {
        let files = Files { chain: chain.into(), key: key.into() };
        let key = files.load(&[]).map_err(unreadable)?;
        let key = key.expect("no chain is equal to an empty one");
        Ok(Self::new(Some(files), key))
    }

    fn new(files: Option<Files>, key: CertifiedKey) -> Self {
        let current = ArcSwap::from_pointee(Current { generation: 0, key: Arc::new(key) });
        Self {
            shared: Arc::new(Shared {
                files,
                current,
                loading: Mutex::default(),
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

    /// The certificate's thumbprint as bound tokens carry it (`x5t#S256`, RFC 8705 §3.1).
    pub fn thumbprint(&self) -> String {
        let sha_256 = cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().expect("it is of TLS 1.3");
        let certificate = &self.shared.current.load().key.cert[0];
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

    /// Looks at the files now, and says whether that replaced the certificate. Without files there
    /// is nothing to do. Whatever it says, what follows a new certificate has been done.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, when they cannot be used; the last good identity stays.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn reload(&self) -> Result<bool, Error> {
        if self.shared.files.is_none() {
            return Ok(false);
        }
        let this = self.clone();
        match tokio::task::spawn_blocking(move || this.load()).await {
            Ok(loaded) => loaded,
            Err(cause) => Err(Error::new(ErrorKind::Credentials).with_source(cause)),
        }
    }

    /// Before a token request. The last good identity is better than none.
    pub(crate) async fn refresh(&self) {
        warn(self.reload().await);
    }

    pub(super) fn current(&self) -> Arc<Current> {
        self.shared.current.load_full()
    }

    /// Has the files looked at beside the traffic, if that is due. Without a runtime at hand it is
    /// left to the next token request.
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
            runtime.spawn_blocking(move || warn(this.load()));
        }
    }

    fn load(&self) -> Result<bool, Error> {
        let shared = &self.shared;
        let Some(files) = &shared.files else { return Ok(false) };
        // Held until everyone has heard of it: who finds the new certificate here may rely on that
        // the tokens of the old one are dropped.
        let _loading = lock(&shared.loading);
        let current = shared.current.load();
        let Some(key) = files.load(&current.key.cert).map_err(unreadable)? else {
            return Ok(false);
        };
        let generation = current.generation + 1;
        shared.current.store(Arc::new(Current { generation, key: Arc::new(key) }));
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
        Ok(true)
    }
}

fn unreadable(why: String) -> Error {
    Error::new(ErrorKind::Credentials).with_detail(format!("client identity: {why}"))
}

fn warn(loaded: Result<bool, Error>) {
    if let Err(error) = loaded {
        tracing::warn!(%error, "client certificate not read, the last good one is used");
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
