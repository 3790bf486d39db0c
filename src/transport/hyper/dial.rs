//! The steps of one connection: name lookup, TCP, proxy, TLS.

use std::{future::poll_fn, sync::Arc, time::Duration};

use http::{StatusCode, Uri};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use tower_service::Service;

use super::{
    byte_limit::{ByteLimit, Tcp},
    progress::{Progress, Stage},
    resolve::Resolver,
    stream::{BoxedIo, server_name},
    tunnel::{self, TunnelError},
};
use crate::transport::{
    explain::explain,
    proxy::{Protocol, ProxyServer},
};

/// How long a peer may be silent before it is probed. After two unanswered probes the connection is
/// closed. On Linux `TCP_USER_TIMEOUT` decides when, and not the number of probes.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 2;

/// How long sent data may remain unacknowledged (`TCP_USER_TIMEOUT`, RFC 5482).
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes one connection.
pub(super) struct Dialer {
    pub(super) proxy: Option<Arc<ProxyServer>>,
    /// Host and port of the destination.
    pub(super) authority: String,
    pub(super) proxy_tls: Arc<ClientConfig>,
    pub(super) destination_tls: Arc<ClientConfig>,
    pub(super) timeout: Duration,
    pub(super) byte_limit: Option<Arc<ByteLimit>>,
    pub(super) progress: Progress,
}

/// A connection attempt that failed. The connector adds the destination.
pub(super) struct DialError {
    pub(super) at_proxy: bool,
    pub(super) reason: String,
}

impl Dialer {
    /// Connects directly or through a proxy, with TLS for `https`.
    pub(super) async fn connect(self, destination: Uri) -> Result<BoxedIo, DialError> {
        let failed = |reason| DialError { at_proxy: false, reason };
        let host = destination.host().unwrap_or_default();
        // The name is checked before any connection is made.
        let name = match destination.scheme_str() {
            Some("https") => Some(server_name(host).map_err(failed)?),
            Some("http") => None,
            _ => return Err(failed("the scheme is unknown; give an https URL".to_owned())),
        };
        let stream = match &self.proxy {
            Some(proxy) => {
                let tunnel = self.open_tunnel(proxy).await;
                tunnel.map_err(|reason| DialError { at_proxy: true, reason })?
            }
            None => self.connect_tcp(destination).await.map_err(failed)?,
        };
        match name {
            Some(name) => stream.with_tls(self.destination_tls, name).await.map_err(failed),
            None => Ok(stream),
        }
    }

    async fn connect_tcp(&self, uri: Uri) -> Result<BoxedIo, String> {
        let mut http = HttpConnector::new_with_resolver(Resolver::new(self.progress.clone()));
        http.enforce_http(false);
        http.set_nodelay(true);
        // Divided among a host's addresses, so that one dead address does not use up all of it.
        http.set_connect_timeout(Some(self.timeout));
        http.set_keepalive(Some(KEEPALIVE));
        http.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        http.set_tcp_user_timeout(Some(USER_TIMEOUT));
        // The resolver sets `Lookup`, unless the host is an address.
        self.progress.reach(Stage::Tcp);
        poll_fn(|cx| http.poll_ready(cx)).await.map_err(|error| explain(&error))?;
        let connection = http.call(uri).await.map_err(|error| explain(&error))?;
        self.progress.reach(Stage::Handshake);
        Ok(BoxedIo::new(Tcp::new(connection.into_inner(), self.byte_limit.clone())))
    }

    /// A tunnel to the destination.
    async fn open_tunnel(&self, proxy: &ProxyServer) -> Result<BoxedIo, String> {
        let uri = proxy.to_string().parse().map_err(|_| "its URL is malformed".to_owned())?;
        let stream = match proxy.protocol {
            Protocol::Socks(_) => {
                return Err("it is a SOCKS proxy; use an http or https proxy".to_owned());
            }
            Protocol::Http => self.connect_tcp(uri).await?,
            Protocol::Https => {
                let name = server_name(&proxy.host)?;
                self.connect_tcp(uri).await?.with_tls(Arc::clone(&self.proxy_tls), name).await?
            }
        };
        self.progress.reach(Stage::Tunnel);
        let authorization = proxy.authorization();
        match tunnel::open(stream, &self.authority, authorization).await {
            Ok(tunnel) => {
                self.progress.reach(Stage::Tunneled);
                Ok(tunnel)
            }
            Err(TunnelError::Broken(reason)) => Err(reason),
            Err(TunnelError::Refused(status)) => Err(refusal_text(status, authorization.is_some())),
        }
    }
}

fn refusal_text(status: StatusCode, authorized: bool) -> String {
    let advice = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED if authorized => {
            "it does not accept the user and password in its URL; check them"
        }
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            "it requires authentication; give user and password in its URL"
        }
        StatusCode::FORBIDDEN => {
            "it refuses a tunnel to this host; have the host allowed there, or list it in NO_PROXY"
        }
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            "it cannot reach this host; check the host in the URL, and the proxy"
        }
        _ => "it opens no tunnel; check its address, and its log",
    };
    format!("it answered CONNECT with status {}; {advice}", status.as_u16())
}
