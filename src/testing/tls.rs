//! The mocks over TLS, with client certificates.

use std::{io, sync::Arc};

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::{
    AuthorizationServer, MockServer, ProtectedApi,
    mock_server::{Paths, Securing},
};

impl AuthorizationServer {
    /// Same as [`listen`](Self::listen), over TLS. The configuration decides whether client
    /// certificates are asked for, and which authorities they may be of.
    ///
    /// # Errors
    ///
    /// An I/O error if no port can be bound.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its I/O driver enabled.
    #[cfg_attr(docsrs, doc(cfg(feature = "testing-rustls")))]
    pub async fn listen_tls(&self, config: Arc<ServerConfig>) -> io::Result<MockServer> {
        MockServer::start(self.clone(), self.paths(), tls(config)).await
    }
}

impl ProtectedApi {
    /// Same as [`listen`](Self::listen), over TLS. Tokens that are bound to a certificate are
    /// accepted on a connection with that certificate only (RFC 8705 §3).
    ///
    /// # Errors
    ///
    /// An I/O error if no port can be bound.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with its I/O driver enabled.
    #[cfg_attr(docsrs, doc(cfg(feature = "testing-rustls")))]
    pub async fn listen_tls(&self, config: Arc<ServerConfig>) -> io::Result<MockServer> {
        MockServer::start(self.clone(), Paths::default(), tls(config)).await
    }
}

fn tls(config: Arc<ServerConfig>) -> Securing {
    Securing::Tls(TlsAcceptor::from(config))
}
