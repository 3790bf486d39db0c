//! A type-erased connection.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::byte_limit::Tcp;
use crate::transport::explain::explain;

/// A connection: TCP, TLS, or a tunnel through a proxy.
///
/// Boxed, so that HTTP and TLS are compiled once and not for each combination of streams.
pub(super) struct BoxedIo(Box<dyn Io>);

trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    fn connected(&self) -> Connected;
}

impl Io for Tcp {
    fn connected(&self) -> Connected {
        self.tcp().connected()
    }
}

impl Io for TlsStream<BoxedIo> {
    fn connected(&self) -> Connected {
        let (stream, tls) = self.get_ref();
        match tls.alpn_protocol() {
            Some(b"h2") => stream.connected().negotiated_h2(),
            _ => stream.connected(),
        }
    }
}

impl BoxedIo {
    pub(super) fn new(tcp: Tcp) -> Self {
        Self(Box::new(tcp))
    }

    /// A TLS session over this connection.
    ///
    /// # Errors
    ///
    /// If the TLS handshake fails. The text says what to do.
    pub(super) async fn with_tls(
        self,
        config: Arc<ClientConfig>,
        server: ServerName<'static>,
    ) -> Result<Self, String> {
        let session = TlsConnector::from(config).connect(server, self).await;
        Ok(Self(Box::new(session.map_err(|error| explain(&error))?)))
    }
}

/// The name that a server's certificate must have, for the host of a URI.
///
/// # Errors
///
/// If the host is not a DNS name or an IP address.
pub(super) fn server_name(host: &str) -> Result<ServerName<'static>, String> {
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    ServerName::try_from(v6.unwrap_or(host).to_owned()).map_err(|error| explain(&error))
}

impl Connection for BoxedIo {
    fn connected(&self) -> Connected {
        self.0.connected()
    }
}

impl AsyncRead for BoxedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for BoxedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
