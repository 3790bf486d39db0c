//! The default transport: hyper-util's client over rustls.

mod budget;
mod builder;
mod client;
mod connect;
mod dial;
mod failure;
mod identity;
#[cfg(not(target_os = "android"))]
mod platform;
mod pool;
mod resolve;
mod tls;
mod tunnel;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use http_body_util::BodyExt;
use tower_service::Service;

pub use builder::HyperTransportBuilder;
pub use client::{HyperClient, HyperClientFuture};
use connect::Connector;
pub(super) use failure::Failure;
pub use identity::ClientIdentity;
use pool::{AnswerBody, Pools};

use super::{FreshConnection, Sending, TokenRequest, TokenResponse};
use crate::{
    error::{BoxError, Error, ErrorKind},
    secret_file::ReadContext,
};

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
/// - **Silent peers**: TCP keepalive, and on Linux `TCP_USER_TIMEOUT` (30 s).
/// - **Time**: 5 s for a connection, name lookup, proxy and TLS handshake included
///   ([`connect_timeout`](HyperTransportBuilder::connect_timeout)). The bound on a whole attempt
///   is the caller's.
/// - **Pool**: connections are kept for 20 s. When a request is given up before the end of its
///   answer, as by the attempt's timeout, the connections to its host are closed. One of them may be
///   dead without a sign, and HTTP/2 would share it with every retry. Other hosts keep theirs.
/// - **Bytes**: an answer that is not complete after 1 MiB, without its body, ends with an error: a
///   server cannot keep a client busy with header fields or informational responses.
///
/// Errors are text, sanitized and cut, that names the problem and what to do. They show the host and
/// the proxy, but no paths, no credentials and no part of the request. Of the server's own text they
/// show only a piece.
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
///     .extra_root_certificates_file("/etc/corporate/ca.pem")
///     .proxy("http://proxy.internal:3128")
///     .connect_timeout(Duration::from_secs(2))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HyperTransport {
    pools: Arc<Pools>,
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
        match self.pools.connector.missing_roots() {
            Some(text) => Err(Error::new(ErrorKind::Config).with_detail(text)),
            None => Ok(()),
        }
    }

    pub(crate) fn has_client_identity(&self) -> bool {
        self.pools.identity.is_some()
    }

    fn with_connector(connector: Connector, identity: Option<ClientIdentity>) -> Self {
        Self { pools: Arc::new(Pools::new(connector, identity)) }
    }
}

/// Locks, also after a panic: what is behind each mutex here is whole at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service<TokenRequest> for HyperTransport {
    type Response = TokenResponse;
    type Error = BoxError;
    type Future = Sending;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TokenRequest) -> Sending {
        let pools = Arc::clone(&self.pools);
        Box::pin(async move {
            if let Some(identity) = &pools.identity {
                identity.refresh(&ReadContext::default()).await?;
            }
            let fresh = request.extensions().get::<FreshConnection>().is_some();
            let mut exchange = pools.begin(request.uri(), fresh);
            match exchange.pool.client.request(request).await {
                Ok(response) => {
                    Ok(response.map(|body| AnswerBody::new(body, exchange).boxed_unsync()))
                }
                Err(error) => {
                    exchange.end();
                    Err(Failure::request(&error, &exchange.shown).into())
                }
            }
        })
    }
}

impl fmt::Debug for HyperTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransport")
            .field("connector", &self.pools.connector)
            .field("identity", &self.pools.identity)
            .finish_non_exhaustive()
    }
}
