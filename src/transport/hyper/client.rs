//! A client for the API, from the same settings and the same identity as the token transport.

use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use arc_swap::ArcSwap;
use http::{Request, Response};
use http_body::Body;
use hyper_util::{
    client::legacy::{Client, ResponseFuture},
    rt::{TokioExecutor, TokioTimer},
};
use tower_service::Service;

use super::{
    body::HyperBody,
    connect::Connector,
    failure::{Failure, host_and_port},
    identity::ClientIdentity,
};
use crate::{
    error::BoxError,
    sync::{Mutex, lock},
    transport::ping::{PING_INTERVAL, PING_TIMEOUT},
};

/// An HTTP client for the API behind the layer: HTTP/1.1 and HTTP/2 (by ALPN) over rustls, with the
/// trust, proxy and client certificate of a [`HyperTransportBuilder`](crate::transport::HyperTransportBuilder).
///
/// It is hyper-util's client with one addition: when its [`ClientIdentity`] gets a new certificate,
/// later requests use new connections, which show the new certificate. Tokens that are bound to it
/// (RFC 8705 §3) would be refused on the old connections.
///
/// **Silent peers.** A peer that disappears without closing the connection is noticed. While requests
/// are in flight, a PING is sent on an HTTP/2 connection that is silent for 15 s, and the connection is
/// closed if the PING is not answered within 10 s. TCP keepalive and, on Linux, `TCP_USER_TIMEOUT`
/// (30 s) do the same for TCP. A peer that only delays its response is not noticed: bound the time of a
/// request with a timeout such as `tower::timeout`.
///
/// **Errors** name the problem and what to do in their message. `source()` returns the cause.
///
/// Redirects are not followed. Cheap to clone.
///
/// # Panics
///
/// A request outside a tokio runtime with I/O and time enabled panics, as tokio's sockets do.
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use http_body_util::Empty;
/// use tower::ServiceBuilder;
/// use tower_oauth2_client_credentials::{
///     ClientCredentials, OAuthClientCredentialsLayer, Origins,
///     transport::{ChainAndKey, ClientIdentity, HyperTransport},
/// };
///
/// let identity = ClientIdentity::from_files(ChainAndKey { chain: "/run/tls/tls.crt", key: "/run/tls/tls.key" })?;
/// let tokens = ClientCredentials::builder("https://mtls.idp.example.com/token")
///     .tls_client_auth("my-service")
///     .client_identity(identity.clone())
///     .build()?
///     .into_cache();
/// let http = HyperTransport::builder().client_identity(identity).build_client::<Empty<&[u8]>>()?;
/// let client = ServiceBuilder::new()
///     .layer(OAuthClientCredentialsLayer::new(tokens, Origins::parse(["https://api.example.com"])?))
///     .service(http);
/// # let _ = client;
/// # Ok(())
/// # }
/// ```
pub struct HyperClient<B> {
    shared: Arc<Inner<B>>,
}

struct Inner<B> {
    connector: Connector,
    identity: Option<ClientIdentity>,
    pool: ArcSwap<Pool<B>>,
    /// Held while the pool is replaced, so that it is replaced once.
    replacing: Mutex<()>,
}

/// Connections that all show the same certificate.
struct Pool<B> {
    /// The generation of the certificate.
    generation: u64,
    client: Client<Connector, B>,
}

impl<B> HyperClient<B>
where
    B: Body + Send,
    B::Data: Send,
{
    pub(super) fn new(connector: Connector, identity: Option<ClientIdentity>) -> Self {
        let pool = ArcSwap::from_pointee(pool(&connector, identity.as_ref()));
        let replacing = Mutex::default();
        Self { shared: Arc::new(Inner { connector, identity, pool, replacing }) }
    }
}

fn pool<B>(connector: &Connector, identity: Option<&ClientIdentity>) -> Pool<B>
where
    B: Body + Send,
    B::Data: Send,
{
    let (generation, connector) = connector.with_identity(identity);
    let client = Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .build(connector);
    Pool { generation, client }
}

impl<B> Inner<B>
where
    B: Body + Send,
    B::Data: Send,
{
    /// Replaces the pool after the certificate was replaced.
    fn update_pool(&self, identity: &ClientIdentity) {
        identity.read_in_background();
        if self.pool.load().generation == identity.generation() {
            return;
        }
        let _replacing = lock(&self.replacing);
        if self.pool.load().generation != identity.generation() {
            self.pool.store(Arc::new(pool(&self.connector, Some(identity))));
        }
    }
}

impl<B> Service<Request<B>> for HyperClient<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<HyperBody>;
    type Error = BoxError;
    type Future = HyperClientFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> HyperClientFuture {
        if let Some(identity) = &self.shared.identity {
            self.shared.update_pool(identity);
        }
        let host = host_and_port(request.uri());
        HyperClientFuture { host, response: self.shared.pool.load().client.request(request) }
    }
}

/// The future of [`HyperClient`].
#[must_use = "futures do nothing unless polled"]
pub struct HyperClientFuture {
    response: ResponseFuture,
    /// For messages.
    host: String,
}

impl Future for HyperClientFuture {
    type Output = Result<Response<HyperBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(Pin::new(&mut self.response).poll(cx));
        let host = mem::take(&mut self.host);
        Poll::Ready(match response {
            Ok(response) => Ok(response.map(|body| HyperBody::of_api(body, host))),
            Err(error) => Err(Failure::request(&error, &host).with_source(error).into()),
        })
    }
}

impl<B> Clone for HyperClient<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<B> fmt::Debug for HyperClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperClient")
            .field("connector", &self.shared.connector)
            .field("identity", &self.shared.identity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for HyperClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperClientFuture").finish_non_exhaustive()
    }
}
