//! The default transport: hyper-util's client over rustls.

mod builder;
mod client;
mod connect;
mod failure;
mod identity;
mod resolve;
mod tls;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::BodyExt;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tower_service::Service;

pub use builder::HyperTransportBuilder;
pub use client::{HyperClient, HyperClientFuture};
use connect::Connector;
use failure::Failure;
pub use identity::ClientIdentity;

use super::{Sending, TokenRequest, TokenRequestBody, TokenResponse};
use crate::error::{BoxError, Error, ErrorKind};

/// Below the idle timeouts common at servers and load balancers (30 s to 75 s), so that a
/// connection is seldom found closed; above what the retries of one acquisition need.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// After a burst on HTTP/1.1 (many caches, one authorization server) few sockets stay open.
const MAX_IDLE_PER_HOST: usize = 4;

/// The default transport: HTTP/1.1 and HTTP/2 (by ALPN) over rustls with aws-lc-rs.
///
/// - **Trust**: the platform's root certificates, and those added with
///   [`extra_root_certificates_pem`](HyperTransportBuilder::extra_root_certificates_pem). The
///   crypto provider is given explicitly: it neither needs nor changes rustls' process-wide one.
/// - **No roots at all** (a container from scratch): building works, since plain `http` on
///   loopback needs none, but every `https` request fails at once and says so.
///   [`check_roots`](Self::check_roots) tells earlier.
/// - **Proxy**: those of the environment, read when it is built as [`ProxySettings`](crate::ProxySettings)
///   says. Every
///   connection through a proxy is a `CONNECT` tunnel, for plain `http` too. Proxies are `http` or
///   `https`; a SOCKS one is an error at the request, not a silent detour around it.
/// - **Loopback** is never reached through a proxy. `localhost` is 127.0.0.1 or `[::1]`; no resolver is
///   asked.
/// - **Client certificate** (RFC 8705): a [`ClientIdentity`], if one is given. When it is replaced,
///   the pool is too: no connection that shows the old certificate is used again.
/// - **Redirects** are not followed.
/// - **Time**: 5 s for a connection, name lookup, proxy and TLS handshake included
///   ([`connect_timeout`](HyperTransportBuilder::connect_timeout)). The bound on a whole attempt
///   is the caller's.
/// - **Pool**: connections are kept for 20 s. When a request is given up before its answer, the
///   pool is dropped: its connection may be dead without a sign (HTTP/2 would share it with
///   every retry), or belong to a runtime that nobody drives any more.
///
/// Errors are text, sanitised and cut: no URL, no credentials, no part of the request, and of the
/// server's own text only a piece.
///
/// Buffers below this type (hyper, rustls, the kernel) hold requests and the proxy's credentials
/// and are not zeroized.
///
/// # Panics
///
/// A request outside a tokio runtime with I/O and time enabled panics, as tokio's sockets do.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::HyperTransport;
///
/// let transport = HyperTransport::builder()
///     .extra_root_certificates_pem(std::fs::read("/etc/corporate/ca.pem")?)
///     .proxy("http://proxy.internal:3128")
///     .connect_timeout(Duration::from_secs(2))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperTransport {
    shared: Arc<Shared>,
}

struct Shared {
    connector: Connector,
    identity: Option<ClientIdentity>,
    pool: Mutex<Pool>,
}

/// A client and which one it is, so that of many given-up requests only the first replaces it.
struct Pool {
    generation: u64,
    /// Which certificate its connections show.
    certificate: u64,
    client: Client<Connector, TokenRequestBody>,
}

impl HyperTransport {
    /// The transport with its defaults.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], if TLS cannot be set up.
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Changes a default.
    pub fn builder() -> HyperTransportBuilder {
        HyperTransportBuilder::new()
    }

    /// Whether `https` can work at all: there are root certificates to trust.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with what to do about it, if there are none.
    pub fn check_roots(&self) -> Result<(), Error> {
        match self.shared.connector.missing_roots() {
            Some(text) => Err(Error::new(ErrorKind::Config).with_detail(text)),
            None => Ok(()),
        }
    }

    fn with_connector(connector: Connector, identity: Option<ClientIdentity>) -> Self {
        let pool = Mutex::new(Pool::new(0, &connector, identity.as_ref()));
        Self { shared: Arc::new(Shared { connector, identity, pool }) }
    }
}

impl Pool {
    fn new(generation: u64, connector: &Connector, identity: Option<&ClientIdentity>) -> Self {
        let (certificate, connector) = connector.showing(identity);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .build(connector);
        Self { generation, certificate, client }
    }
}

impl Shared {
    fn replace(&self, pool: &mut Pool) {
        *pool = Pool::new(pool.generation + 1, &self.connector, self.identity.as_ref());
    }

    fn pool(&self) -> MutexGuard<'_, Pool> {
        lock(&self.pool)
    }
}

/// Locks, also after a panic: what is behind each mutex here is whole at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces the pool unless the request it watches is answered, one way or the other.
struct Watch {
    shared: Arc<Shared>,
    generation: u64,
    answered: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let mut pool = self.shared.pool();
        if pool.generation == self.generation {
            self.shared.replace(&mut pool);
        }
    }
}

impl Service<TokenRequest> for HyperTransport {
    type Response = TokenResponse;
    type Error = BoxError;
    type Future = Sending;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TokenRequest) -> Sending {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            if let Some(identity) = &shared.identity {
                identity.refresh().await;
            }
            let (generation, client) = {
                let mut pool = shared.pool();
                if shared.identity.as_ref().is_some_and(|it| it.generation() != pool.certificate) {
                    shared.replace(&mut pool);
                }
                (pool.generation, pool.client.clone())
            };
            let mut watch = Watch { shared, generation, answered: false };
            let answer = client.request(request).await;
            watch.answered = true;
            match answer {
                Ok(response) => Ok(response.map(|body| {
                    body.map_err(|error| Failure::answer(&error).into()).boxed_unsync()
                })),
                Err(error) => Err(Failure::request(&error).into()),
            }
        })
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport")
            .field("connector", &self.shared.connector)
            .field("identity", &self.shared.identity)
            .finish_non_exhaustive()
    }
}
