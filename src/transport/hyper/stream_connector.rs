//! Connections for protocols other than HTTP, with the same TLS settings, name lookup and limits.

use std::{future::Future, sync::Arc};

use http::Uri;
use rustls::client::Resumption;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service as _;

use super::{builder::HyperTransportBuilder, connect::Connector, identity::IdentityResolver, tls};
use crate::error::{BoxError, Error};

/// Makes connections: TLS for `https`, TCP for `http`.
#[derive(Clone, Debug)]
pub(crate) struct StreamConnector(Connector);

impl HyperTransportBuilder {
    /// Same as [`build`](Self::build), with no ALPN. Each connection presents the current certificate.
    pub(crate) fn build_stream_connector(self) -> Result<StreamConnector, Error> {
        let (connector, identity) = self.connector()?;
        Ok(StreamConnector(connector.without_alpn(|config| match identity {
            None => config.clone(),
            Some(identity) => {
                let certificate = Arc::new(IdentityResolver(identity));
                tls::with_client_certificate(config, certificate, Resumption::disabled())
            }
        })))
    }
}

impl StreamConnector {
    /// Connects. The error shows host and port, and what to do.
    pub(crate) fn connect(
        &self,
        uri: Uri,
    ) -> impl Future<Output = Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static, BoxError>>
    + Send
    + 'static {
        let connecting = self.0.clone().call(uri);
        async move { Ok(connecting.await?.into_inner()) }
    }
}
