//! How a connection comes about: straight or through a proxy, then TLS, all within one bound.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::connect::{HttpConnector, proxy::Tunnel},
    rt::TokioIo,
};
use rustls::{ClientConfig, client::Resumption, sign::SingleCertAndKey};
use tokio::net::TcpStream;
use tower_service::Service;

use super::{
    identity::ClientIdentity,
    resolve::Resolver,
    tls::{self, Tls},
};
use crate::{
    error::{BoxError, Error},
    transport::proxy::{Protocol, Proxies, ProxySettings},
};

/// TCP, or TLS to the proxy.
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// The connector below the client, for `http` and `https`.
#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Dialer>,
    timeout: Duration,
    missing_roots: Option<&'static str>,
    described: Arc<str>,
    /// Shows no certificate; a proxy never gets to see one.
    tls: Arc<ClientConfig>,
    dialer: Dialer,
}

impl Connector {
    /// # Errors
    ///
    /// A proxy that cannot be used.
    pub(super) fn new(tls: Tls, proxy: &ProxySettings, timeout: Duration) -> Result<Self, Error> {
        let described = format!("{proxy:?}").into();
        let proxies = Arc::new(proxy.resolve()?);
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        // Shared out among a host's addresses, so that a dead one does not use up all of it.
        tcp.set_connect_timeout(Some(timeout));
        let to_proxy = HttpsConnectorBuilder::new()
            .with_tls_config(tls.config.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp.clone());
        let dialer = Dialer { tcp, to_proxy, proxies };
        let Tls { config, missing_roots } = tls;
        let https = https(config.clone(), dialer.clone());
        Ok(Self { https, timeout, missing_roots, described, tls: Arc::new(config), dialer })
    }

    /// The connector whose connections show the identity's current certificate and no other, and
    /// the generation of that.
    pub(super) fn showing(&self, identity: Option<&ClientIdentity>) -> (u64, Self) {
        let Some(identity) = identity else { return (0, self.clone()) };
        let current = identity.current();
        let certificate = Arc::new(SingleCertAndKey::from(Arc::clone(&current.key)));
        let tls = tls::showing(&self.tls, certificate, Resumption::default());
        let https = https(tls, self.dialer.clone());
        (current.generation, Self { https, ..self.clone() })
    }

    pub(super) fn missing_roots(&self) -> Option<&'static str> {
        self.missing_roots
    }
}

fn https(tls: ClientConfig, dialer: Dialer) -> HttpsConnector<Dialer> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(dialer)
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Stream>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(cx)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        if let Some(text) = self.missing_roots.filter(|_| is_https(&destination)) {
            return Box::pin(async move { Err(text.into()) });
        }
        let timeout = self.timeout;
        let connecting = self.https.call(destination);
        Box::pin(async move {
            match tokio::time::timeout(timeout, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(format!(
                    "not within {timeout:?} (name lookup, TCP, proxy and TLS handshake together)"
                )
                .into()),
            }
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("proxy", &self.described)
            .field("timeout", &self.timeout)
            .field("missing_roots", &self.missing_roots.is_some())
            .finish_non_exhaustive()
    }
}

/// Everything below the TLS session with the destination.
#[derive(Clone)]
struct Dialer {
    tcp: HttpConnector<Resolver>,
    to_proxy: HttpsConnector<HttpConnector<Resolver>>,
    proxies: Arc<Proxies>,
}

impl Service<Uri> for Dialer {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.to_proxy.poll_ready(cx)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let host = destination.host().unwrap_or_default();
        let Some(proxy) = self.proxies.select(is_https(&destination), host) else {
            let connecting = self.tcp.call(destination);
            return Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) });
        };
        let at = proxy.to_string();
        if let Protocol::Socks(_) = proxy.protocol {
            let text = format!("the proxy {at} is neither http nor https, which is all we speak");
            return Box::pin(async move { Err(text.into()) });
        }
        let uri = at.parse().expect("scheme, host and port were checked");
        let mut tunnel = Tunnel::new(uri, self.to_proxy.clone());
        if let Some(credentials) = proxy.authorization() {
            tunnel = tunnel.with_auth(credentials.clone());
        }
        let connecting = tunnel.call(with_port(destination));
        Box::pin(async move {
            connecting.await.map_err(|cause| NoTunnel { proxy: at, cause: cause.into() }.into())
        })
    }
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

/// The tunnel takes a missing port for 443, for plain `http` too.
fn with_port(uri: Uri) -> Uri {
    if is_https(&uri) || uri.port().is_some() {
        return uri;
    }
    let authority = format!("{}:80", uri.host().unwrap_or_default());
    let with_port = Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
    with_port.unwrap_or(uri)
}

/// The proxy could not be reached, or refused.
#[derive(Debug)]
struct NoTunnel {
    proxy: String,
    cause: BoxError,
}

impl fmt::Display for NoTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no tunnel through the proxy {}", self.proxy)
    }
}

impl std::error::Error for NoTunnel {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn a_tunnel_for_plain_http_goes_to_port_80() {
        assert_eq!(with_port(uri("http://a.example")).port_u16(), Some(80));
        assert_eq!(with_port(uri("http://a.example:8080")).port_u16(), Some(8080));
        assert_eq!(with_port(uri("https://a.example")).port_u16(), None);
    }
}
