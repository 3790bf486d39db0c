//! Everything below the TLS session with the destination: name lookup, TCP, proxy.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{StatusCode, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use tower_service::Service;

use super::{
    budget::{Budget, Tcp},
    connect::DialError,
    resolve::Resolver,
    tunnel::{self, NoTunnel},
};
use crate::{
    error::BoxError,
    transport::{
        failure::explain,
        proxy::{Protocol, Proxies, ProxyServer},
    },
};

/// A peer that is silent for this long is probed. If it does not answer twice, the connection is
/// dead.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 2;

/// What was sent must be acknowledged in this time (`TCP_USER_TIMEOUT`, RFC 5482).
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// TCP, or TLS to the proxy.
type Stream = MaybeHttpsStream<Tcp>;

/// How far one connection has come.
#[derive(Clone, Default)]
pub(super) struct Progress(Arc<AtomicU8>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    Lookup,
    Tcp,
    /// TLS with the proxy or the destination, whichever the TCP connection leads to.
    Handshake,
    Tunnel,
    /// TLS with the destination, through a tunnel.
    Tunneled,
}

impl Progress {
    pub(super) fn reach(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    /// What took too long: whether it is the proxy, and the problem with advice.
    pub(super) fn overdue(&self, is_proxied: bool, timeout: Duration) -> (bool, String) {
        let reached = self.0.load(Ordering::Relaxed);
        let at_proxy = is_proxied && reached < Stage::Tunneled as u8;
        let (problem, advice) = if reached == Stage::Lookup as u8 {
            ("the name lookup did not end", "check this machine's DNS")
        } else if reached == Stage::Tcp as u8 {
            ("no TCP connection was made", "check the host, the port, and firewalls")
        } else if reached == Stage::Tunnel as u8 {
            ("no answer to CONNECT came", "check the proxy, and whether it can reach the host")
        } else {
            ("the TLS handshake did not end", "check that the port speaks TLS")
        };
        (at_proxy, format!("{problem} within {timeout:?}; {advice}"))
    }
}

/// Makes one connection.
#[derive(Clone)]
pub(super) struct Dialer {
    pub(super) proxies: Arc<Proxies>,
    /// Host and port of the destination.
    pub(super) to: String,
    pub(super) to_proxy: Arc<ClientConfig>,
    pub(super) timeout: Duration,
    pub(super) budget: Option<Arc<Budget>>,
    pub(super) progress: Progress,
}

impl Dialer {
    fn tcp(&self) -> TcpConnector {
        let mut http = HttpConnector::new_with_resolver(Resolver::new(self.progress.clone()));
        http.enforce_http(false);
        http.set_nodelay(true);
        // Shared out among a host's addresses, so that a dead one does not use up all of it.
        http.set_connect_timeout(Some(self.timeout));
        http.set_keepalive(Some(KEEPALIVE));
        http.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        http.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        http.set_tcp_user_timeout(Some(USER_TIMEOUT));
        TcpConnector { http, budget: self.budget.clone(), progress: self.progress.clone() }
    }

    async fn through(self, proxy: &ProxyServer) -> Result<Stream, String> {
        if let Protocol::Socks(_) = proxy.protocol {
            return Err("it is a SOCKS proxy; give an http or https proxy".to_owned());
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
            Err(NoTunnel::Broken(reason)) => Err(reason),
            Err(NoTunnel::Refused(status)) => Err(refused(status, authorization.is_some())),
        }
    }
}

fn refused(status: StatusCode, authorized: bool) -> String {
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
                Some(proxy) => this.through(proxy).await,
                None => {
                    let connected = this.tcp().call(destination).await;
                    connected.map(MaybeHttpsStream::Http).map_err(|error| explain(&*error))
                }
            };
            dialed.map_err(|reason| DialError { at_proxy: proxy.is_some(), reason }.into())
        })
    }
}

/// TCP connections that are on the budget.
struct TcpConnector {
    http: HttpConnector<Resolver>,
    budget: Option<Arc<Budget>>,
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
        let (connecting, budget) = (self.http.call(uri), self.budget.clone());
        let progress = self.progress.clone();
        Box::pin(async move {
            let connection = connecting.await?;
            progress.reach(Stage::Handshake);
            Ok(Tcp::new(connection, budget))
        })
    }
}
