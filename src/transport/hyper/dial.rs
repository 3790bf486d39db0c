//! Connections below the TLS session with the destination: name lookup, TCP, proxy.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{StatusCode, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use tower_service::Service;

use super::{
    byte_limit::{ByteLimit, Tcp},
    progress::{Progress, Stage},
    resolve::Resolver,
    tunnel::{self, TunnelError},
};
use crate::{
    error::BoxError,
    transport::{
        explain::explain,
        proxy::{Protocol, Proxies, ProxyServer},
    },
};

/// How long a peer may be silent before it is probed. After two unanswered probes the connection is
/// closed.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 2;

/// How long sent data may remain unacknowledged (`TCP_USER_TIMEOUT`, RFC 5482).
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// TCP, or TLS to the proxy.
type Stream = MaybeHttpsStream<Tcp>;

/// There is no connection. The connector adds the destination.
#[derive(Debug)]
pub(super) struct DialError {
    pub(super) at_proxy: bool,
    pub(super) reason: String,
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for DialError {}

/// Makes one connection.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) proxies: Arc<Proxies>,
    /// Host and port of the destination.
    pub(super) to: String,
    pub(super) to_proxy: Arc<ClientConfig>,
    pub(super) timeout: Duration,
    pub(super) byte_limit: Option<Arc<ByteLimit>>,
    pub(super) progress: Progress,
}

impl Dialer {
    fn tcp(&self) -> TcpConnector {
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
        TcpConnector { http, byte_limit: self.byte_limit.clone(), progress: self.progress.clone() }
    }

    async fn connect_through(self, proxy: &ProxyServer) -> Result<Stream, String> {
        if let Protocol::Socks(_) = proxy.protocol {
            return Err("it is a SOCKS proxy; use an http or https proxy".to_owned());
        }
        let uri: Uri = proxy.to_string().parse().map_err(|_| "its URL is malformed".to_owned())?;
        let mut connector = HttpsConnector::from((self.tcp(), Arc::clone(&self.to_proxy)));
        let connection = connector.call(uri).await.map_err(|error| explain(&*error))?;
        self.progress.reach(Stage::Tunnel);
        let authorization = proxy.authorization();
        match tunnel::open(connection, &self.to, authorization).await {
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

impl Service<Uri> for Dialer {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let proxies = Arc::clone(&this.proxies);
            let is_https = destination.scheme_str() == Some("https");
            let proxy = proxies.select(is_https, destination.host().unwrap_or_default());
            let dialed = match proxy {
                Some(proxy) => this.connect_through(proxy).await,
                None => {
                    let connected = this.tcp().call(destination).await;
                    connected.map(MaybeHttpsStream::Http).map_err(|error| explain(&*error))
                }
            };
            dialed.map_err(|reason| DialError { at_proxy: proxy.is_some(), reason }.into())
        })
    }
}

/// Makes TCP connections that count against the byte limit.
struct TcpConnector {
    http: HttpConnector<Resolver>,
    byte_limit: Option<Arc<ByteLimit>>,
    progress: Progress,
}

impl Service<Uri> for TcpConnector {
    type Response = Tcp;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Tcp, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // An address needs no lookup.
        self.progress.reach(Stage::Tcp);
        let (connecting, byte_limit) = (self.http.call(uri), self.byte_limit.clone());
        let progress = self.progress.clone();
        Box::pin(async move {
            let connection = connecting.await?;
            progress.reach(Stage::Handshake);
            Ok(Tcp::new(connection, byte_limit))
        })
    }
}
