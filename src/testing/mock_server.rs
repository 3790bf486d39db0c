//! A mock on a loopback socket: HTTP/1.1 and h2c.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::{JoinHandle, JoinSet},
};

use super::exchange::{Endpoint, MockResponseFuture};
#[cfg(feature = "testing-rustls")]
use super::{ClientCertificate, recorded::Secure};

/// How long requests that are being answered may take after the server is stopped.
const GRACE: Duration = Duration::from_secs(1);
/// The pause after a failed `accept`, as without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A mock that listens on a free port of 127.0.0.1, until this is dropped.
///
/// When it is dropped, it accepts no more connections. Requests that are being answered have 1 s to
/// finish in the background. [`shutdown`](Self::shutdown) waits for them.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::testing::AuthorizationServer;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let idp = AuthorizationServer::builder().path("/oauth2/token").build();
/// let server = idp.listen().await?;
/// assert_eq!(server.token_url(), format!("http://{}/oauth2/token", server.addr()));
/// server.shutdown().await;
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "the server stops when this is dropped"]
pub struct MockServer {
    addr: SocketAddr,
    paths: Paths,
    secured: bool,
    /// Dropping it is the signal.
    stop: watch::Sender<()>,
    accepting: JoinHandle<()>,
}

/// Where an authorization server has what; nothing for a protected API.
#[derive(Default)]
pub(super) struct Paths {
    pub(super) token: String,
    pub(super) issuer: String,
}

/// Makes something of a new connection before HTTP is spoken on it.
#[derive(Clone)]
pub(super) enum Securing {
    Plain,
    #[cfg(feature = "testing-rustls")]
    Tls(tokio_rustls::TlsAcceptor),
}

impl MockServer {
    pub(super) async fn start<E: Endpoint>(
        endpoint: E,
        paths: Paths,
        securing: Securing,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        let secured = !matches!(securing, Securing::Plain);
        let accepting = tokio::spawn(accept(listener, endpoint, securing, stopped));
        Ok(Self { addr, paths, secured, stop, accepting })
    }

    /// The address it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Scheme, host and port, without a slash at the end: `http://127.0.0.1:…`, or `https` with
    /// TLS.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.secured { "https" } else { "http" }, self.addr)
    }

    /// The issuer identifier of an authorization server, for discovery. A protected API has none:
    /// then this is [`url`](Self::url).
    pub fn issuer(&self) -> String {
        self.url() + &self.paths.issuer
    }

    /// The token endpoint of an authorization server, such as `http://127.0.0.1:…/token`. A
    /// protected API has none: then this is [`url`](Self::url).
    pub fn token_url(&self) -> String {
        self.url() + &self.paths.token
    }

    /// Stops, and waits until every connection is closed: at most a second.
    pub async fn shutdown(self) {
        drop(self.stop);
        // It cannot be cancelled, and a panic in it is on standard error already.
        let _ = self.accepting.await;
    }
}

impl fmt::Debug for MockServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockServer").field("addr", &self.addr).finish_non_exhaustive()
    }
}

async fn accept<E: Endpoint>(
    listener: TcpListener,
    endpoint: E,
    securing: Securing,
    mut stopped: watch::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            // Removed when they end, so that they do not accumulate in a long-lived server.
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (endpoint, securing) = (endpoint.clone(), securing.clone());
                    connections.spawn(secure(stream, endpoint, securing, stopped.clone()));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // Remaining connections are aborted when the set is dropped.
    let _ = tokio::time::timeout(GRACE, all_ended).await;
}

async fn secure<E: Endpoint>(
    stream: TcpStream,
    endpoint: E,
    securing: Securing,
    stopped: watch::Receiver<()>,
) {
    // Responses are small, so waiting to fill a segment only adds latency.
    let _ = stream.set_nodelay(true);
    match securing {
        Securing::Plain => serve(stream, endpoint, http::Extensions::new(), stopped).await,
        #[cfg(feature = "testing-rustls")]
        Securing::Tls(acceptor) => {
            let mut told = stopped.clone();
            let accepted = tokio::select! {
                accepted = acceptor.accept(stream) => accepted,
                _ = told.changed() => return,
            };
            // A client that is refused, or refuses, has heard of it in the handshake.
            let Ok(stream) = accepted else { return };
            let mut connection = http::Extensions::new();
            connection.insert(Secure);
            if let Some([certificate, ..]) = stream.get_ref().1.peer_certificates() {
                connection.insert(ClientCertificate(certificate.to_vec().into()));
            }
            serve(stream, endpoint, connection, stopped).await;
        }
    }
}

/// `connection` has the extensions of each of its requests.
async fn serve<E, S>(
    stream: S,
    endpoint: E,
    connection: http::Extensions,
    mut stopped: watch::Receiver<()>,
) where
    E: Endpoint,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let close = Arc::new(Notify::new());
    let service = service_fn(|mut request: http::Request<Incoming>| {
        request.extensions_mut().extend(connection.clone());
        let answering = MockResponseFuture::start(endpoint.clone(), request);
        let close = Arc::clone(&close);
        async move {
            let answered = answering.await;
            if answered.is_err() {
                // HTTP/2 would only reset the stream.
                close.notify_one();
            }
            answered
        }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = serving.as_mut() => return,
        () = close.notified() => return,
        _ = stopped.changed() => serving.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = serving => {}
        () = close.notified() => {}
    }
}
