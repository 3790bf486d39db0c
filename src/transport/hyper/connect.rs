//! Makes connections, directly or through a proxy, with TLS, within one timeout.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, client::Resumption, sign::SingleCertAndKey};
use tower_service::Service;

use super::{
    byte_limit::ByteLimit,
    dial::{DialError, Dialer},
    identity::ClientIdentity,
    progress::Progress,
    stream::BoxedIo,
    tls::{self, Tls},
};
use crate::{
    error::{BoxError, Error},
    transport::proxy::{Protocol, Proxies, ProxySettings},
};

/// The connector below the client, for `http` and `https`.
#[derive(Clone)]
pub(super) struct Connector {
    /// Without a client certificate, which is never shown to a proxy.
    proxy_tls: Arc<ClientConfig>,
    destination_tls: Arc<ClientConfig>,
    proxies: Arc<Proxies>,
    timeout: Duration,
    missing_roots: Option<&'static str>,
    proxy_debug: Arc<str>,
    byte_limit: Option<Arc<ByteLimit>>,
}

impl Connector {
    /// # Errors
    ///
    /// A proxy that cannot be used.
    pub(super) fn new(tls: Tls, proxy: &ProxySettings, timeout: Duration) -> Result<Self, Error> {
        let Tls { config, missing_roots } = tls;
        let proxy_tls = Arc::new(config.clone());
        Ok(Self {
            proxy_tls,
            destination_tls: Arc::new(with_alpn(config)),
            proxies: Arc::new(proxy.resolve()?),
            timeout,
            missing_roots,
            proxy_debug: format!("{proxy:?}").into(),
            byte_limit: None,
        })
    }

    /// A connector whose connections show the identity's current certificate only, and the generation
    /// of that certificate.
    pub(super) fn with_identity(&self, identity: Option<&ClientIdentity>) -> (u64, Self) {
        let Some(identity) = identity else { return (0, self.clone()) };
        let current = identity.current();
        // The files of an identity may be created later. The generation changes then.
        let Some(key) = current.key.clone() else { return (current.generation, self.clone()) };
        let certificate = Arc::new(SingleCertAndKey::from(key));
        let tls =
            tls::with_client_certificate(&self.destination_tls, certificate, Resumption::default());
        (current.generation, Self { destination_tls: Arc::new(tls), ..self.clone() })
    }

    /// A connector for other protocols than HTTP. `change` gets the TLS settings without ALPN.
    #[cfg(feature = "redis")]
    pub(super) fn without_alpn(self, change: impl FnOnce(&ClientConfig) -> ClientConfig) -> Self {
        // The settings for a proxy have no ALPN and no client certificate.
        let destination_tls = Arc::new(change(&self.proxy_tls));
        Self { destination_tls, ..self }
    }

    /// A connector whose connections share a byte limit.
    pub(super) fn with_byte_limit(self, byte_limit: &Arc<ByteLimit>) -> Self {
        Self { byte_limit: Some(Arc::clone(byte_limit)), ..self }
    }

    /// The proxy for a destination, without its credentials.
    pub(super) fn proxy_for(&self, destination: &Uri) -> Option<String> {
        let is_https = destination.scheme_str() == Some("https");
        self.proxies.select(is_https, destination.host()?).map(ToString::to_string)
    }

    pub(super) fn missing_roots(&self) -> Option<&'static str> {
        self.missing_roots
    }
}

/// HTTP/2 or HTTP/1.1, as the server prefers.
fn with_alpn(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

impl Service<Uri> for Connector {
    type Response = TokioIo<BoxedIo>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<BoxedIo>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let is_https = destination.scheme_str() == Some("https");
        let host = destination.host().unwrap_or_default();
        let port = destination.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let to = format!("{host}:{port}");
        let proxy = self.proxies.select(is_https, host).cloned();
        let via = proxy.as_ref().map(ToString::to_string);
        let is_https_proxy = proxy.as_ref().is_some_and(|it| it.protocol == Protocol::Https);
        if let Some(text) = self.missing_roots.filter(|_| is_https || is_https_proxy) {
            let error = ConnectError { to, via, at_proxy: is_https_proxy, reason: text.to_owned() };
            return Box::pin(async move { Err(error.into()) });
        }
        let (progress, timeout) = (Progress::default(), self.timeout);
        let dialer = Dialer {
            proxy,
            authority: to.clone(),
            proxy_tls: Arc::clone(&self.proxy_tls),
            destination_tls: Arc::clone(&self.destination_tls),
            timeout,
            byte_limit: self.byte_limit.clone(),
            progress: progress.clone(),
        };
        Box::pin(async move {
            let connecting = tokio::time::timeout(timeout, dialer.connect(destination));
            let (at_proxy, reason) = match connecting.await {
                Ok(Ok(stream)) => return Ok(TokioIo::new(stream)),
                Ok(Err(DialError { at_proxy, reason })) => (at_proxy, reason),
                Err(_) => progress.timeout_reason(via.is_some(), timeout),
            };
            Err(ConnectError { to, via, at_proxy, reason }.into())
        })
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("proxy", &self.proxy_debug)
            .field("timeout", &self.timeout)
            .field("missing_roots", &self.missing_roots.is_some())
            .finish_non_exhaustive()
    }
}

/// A connection could not be made. The text shows hosts and ports, but no paths and no credentials.
#[derive(Debug)]
pub(super) struct ConnectError {
    to: String,
    via: Option<String>,
    /// Whether the proxy failed.
    at_proxy: bool,
    /// `problem (causes); advice`
    reason: String,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection to {}", self.to)?;
        match &self.via {
            Some(proxy) if self.at_proxy => write!(f, ": the proxy {proxy}: ")?,
            Some(proxy) => write!(f, " through the proxy {proxy}: ")?,
            None => f.write_str(": ")?,
        }
        f.write_str(&self.reason)
    }
}

impl std::error::Error for ConnectError {}
