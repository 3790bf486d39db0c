//! The transport for token requests.

use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Uri;
use tower_service::Service;

use super::{
    body::HyperBody, connect::Connector, failure::Failure, identity::ClientIdentity, pool::Pools,
};
use crate::{
    error::{BoxError, Error, Problem},
    secret_file::ReadContext,
    transport::request::{FreshConnection, TokenRequest},
};

/// The default transport: HTTP/1.1 and HTTP/2 (by ALPN) over rustls with aws-lc-rs.
///
/// - **Trust**: the platform's root certificates, and those added with
///   [`extra_root_certificates_pem`](crate::transport::HyperTransportBuilder::extra_root_certificates_pem). The
///   crypto provider is passed explicitly. The process-wide provider of rustls is not used or changed.
/// - **No root certificates** (a container from scratch): building works, since plain `http` on
///   loopback needs none. Every `https` request fails at once with an error that says so.
///   [`check_roots`](Self::check_roots) reports it earlier.
/// - **Proxy**: the proxies of the environment, read when the transport is built. See
///   [`ProxySettings`](crate::transport::ProxySettings). Every connection through a proxy is a `CONNECT` tunnel,
///   also for plain `http`. Proxies are `http` or `https`. With a SOCKS proxy, requests fail.
/// - **Loopback** is never reached through a proxy. `localhost` is 127.0.0.1 or `[::1]`, without a
///   resolver.
/// - **Client certificate** (RFC 8705): a [`ClientIdentity`], if one is given. When it is replaced,
///   connections with the old certificate are not used again.
/// - **Redirects** are not followed.
/// - **Silent peers**: TCP keepalive, and on Linux `TCP_USER_TIMEOUT` (30 s).
/// - **Time**: 5 s for a connection, including name lookup, proxy and TLS handshake
///   ([`connect_timeout`](crate::transport::HyperTransportBuilder::connect_timeout)). The caller bounds the whole
///   attempt.
/// - **Pool**: idle connections are kept for 20 s. When a request is dropped before the end of its
///   response, as by the attempt's timeout, its host gets new connections. The old one may be
///   dead without a sign, and HTTP/2 would share it with every retry. Connections to other hosts stay.
/// - **Bytes**: more than 1 MiB of a response in addition to its body is an error. So a server
///   cannot keep a client busy with header fields or informational responses.
///
/// Errors are sanitized and shortened text that names the problem and what to do. They show the host,
/// the proxy and a short part of the server's text. They never show paths, credentials or any part of
/// the request.
///
/// The buffers of hyper, rustls and the kernel hold requests and the proxy's credentials, and are not
/// zeroized.
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
/// use tower_oauth2_client_credentials::transport::HyperTransport;
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
    /// Whether `https` can work at all: there are root certificates to trust.
    ///
    /// # Errors
    ///
    /// Kind [`Config`](crate::ErrorKind::Config) if there are none. The message says what to do.
    pub fn check_roots(&self) -> Result<(), Error> {
        match self.pools.connector.missing_roots() {
            Some(text) => Err(Error::of(Problem::Config).with_detail(text)),
            None => Ok(()),
        }
    }

    /// The proxy for requests to this URI, such as `http://proxy.internal:3128`, without user and
    /// password. `None`: they are sent directly.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::transport::HyperTransport;
    ///
    /// let transport =
    ///     HyperTransport::builder().proxy("http://user:s3cret@proxy.internal:3128").build()?;
    /// let proxy = transport.proxy_for(&"https://idp.example.com/token".parse()?);
    /// assert_eq!(proxy.as_deref(), Some("http://proxy.internal:3128"));
    /// assert_eq!(transport.proxy_for(&"http://127.0.0.1:8080/token".parse()?), None);
    /// # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
    /// ```
    pub fn proxy_for(&self, uri: &Uri) -> Option<String> {
        self.pools.connector.proxy_for(uri)
    }

    pub(super) fn with_connector(connector: Connector, identity: Option<ClientIdentity>) -> Self {
        Self { pools: Arc::new(Pools::new(connector, identity)) }
    }
}

impl Service<TokenRequest> for HyperTransport {
    type Response = http::Response<HyperBody>;
    type Error = BoxError;
    type Future = HyperTransportFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TokenRequest) -> HyperTransportFuture {
        let pools = Arc::clone(&self.pools);
        HyperTransportFuture(Box::pin(async move {
            if let Some(identity) = &pools.identity {
                identity.refresh(&ReadContext::default()).await?;
            }
            let fresh = request.extensions().get::<FreshConnection>().is_some();
            let mut exchange = pools.begin(request.uri(), fresh);
            match exchange.pool.client.request(request).await {
                Ok(response) => {
                    Ok(response.map(|body| HyperBody::of_token_endpoint(body, exchange)))
                }
                Err(error) => {
                    exchange.end();
                    Err(Failure::request(&error, &exchange.display_host).into())
                }
            }
        }))
    }
}

/// The future of [`HyperTransport`].
#[must_use = "futures do nothing unless polled"]
pub struct HyperTransportFuture(Pin<Box<dyn Future<Output = Answered> + Send>>);

type Answered = Result<http::Response<HyperBody>, BoxError>;

impl Future for HyperTransportFuture {
    type Output = Answered;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answered> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for HyperTransportFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HyperTransportFuture").finish_non_exhaustive()
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

/// Whether a service is a [`HyperTransport`] with a client certificate.
pub(crate) fn has_client_identity<S: 'static>(service: &S) -> bool {
    let transport = (service as &dyn Any).downcast_ref::<HyperTransport>();
    transport.is_some_and(|transport| transport.pools.identity.is_some())
}
