//! Servers and proxies on loopback, with certificates of a test authority.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Once,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::CryptoProvider};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;
use tower_oauth2_client_credentials::{
    BoxError,
    transport::{HyperTransport, HyperTransportBuilder, TokenRequestBody},
};

/// A generous timeout that turns a hang into a failure.
pub async fn bounded<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("the test hangs")
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// TLS for a server of these names.
    pub fn server(&self, names: &[&str], alpn: &[&str]) -> TlsAcceptor {
        self.server_with(names, alpn, |_| ())
    }

    /// TLS for a server of these names, with a change of its certificate.
    pub fn server_with(
        &self,
        names: &[&str],
        alpn: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let chain = vec![CertificateDer::from(leaf)];
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// A transport that trusts the platform's roots and this authority, and uses no proxy.
    ///
    /// The process-wide crypto provider is broken, to show that it isn't used.
    pub fn client(&self) -> HyperTransportBuilder {
        static BREAK: Once = Once::new();
        BREAK.call_once(|| {
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let broken = CryptoProvider { cipher_suites: Vec::new(), ..provider };
            broken.install_default().unwrap();
        });
        HyperTransport::builder().extra_root_certificates_pem(&self.pem).proxy_from_env(false)
    }
}

/// A request as the server saw it.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub version: Version,
    pub target: String,
    pub body: Bytes,
}

pub struct Server {
    pub addr: SocketAddr,
    pub seen: UnboundedReceiver<Seen>,
    pub connections: Arc<AtomicUsize>,
    /// The number of connections that have ended.
    pub ended: UnboundedReceiver<()>,
}

impl Server {
    /// Answers 200. Exceptions: `/redirect` answers 302 to `/elsewhere`, `/silence` never answers,
    /// `/half` sends a body that does not end, and `/large` sends [`LARGE`] bytes.
    pub async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, seen) = unbounded_channel();
        let (end, ended) = unbounded_channel();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (tls, sender, end) = (tls.clone(), sender.clone(), end.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(tcp, sender).await,
                        Some(tls) => {
                            // Some tests have a client that refuses the certificate.
                            if let Ok(stream) = tls.accept(tcp).await {
                                serve(stream, sender).await;
                            }
                        }
                    }
                    let _ = end.send(());
                });
            }
        });
        Self { addr, seen, connections, ended }
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn serve<S>(stream: S, seen: UnboundedSender<Seen>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let seen = seen.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let target = parts.uri.path().to_owned();
            let _ = seen.send(Seen { version: parts.version, target: target.clone(), body });
            let answer = Response::builder();
            let answer = match &*target {
                "/silence" => std::future::pending().await,
                "/redirect" => answer.status(302).header("location", "/elsewhere"),
                _ => answer,
            };
            let body = match &*target {
                "/half" => Half(Some(Bytes::from_static(b"half"))).boxed(),
                "/large" => Full::new(Bytes::from(vec![b'x'; LARGE])).boxed(),
                _ => Full::new(Bytes::from_static(b"answer")).boxed(),
            };
            Ok::<_, Infallible>(answer.body(body).unwrap())
        }
    });
    // The client may close at any time.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A length far above any limit for the rest of a response.
pub const LARGE: usize = 5 * 1024 * 1024;

/// A body that never ends.
struct Half(Option<Bytes>);

impl http_body::Body for Half {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(data) => Poll::Ready(Some(Ok(http_body::Frame::data(data)))),
            None => Poll::Pending,
        }
    }
}

pub fn assert_no_credentials(text: &str) {
    for secret in ["hunter2", "user:", "dXNlcjpodW50ZXIy"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// A proxy that answers `CONNECT` and forwards every tunnel to one address.
pub struct ProxyServer {
    pub addr: SocketAddr,
    pub heads: UnboundedReceiver<String>,
}

impl ProxyServer {
    pub async fn start(tls: Option<TlsAcceptor>, answer: &'static str, to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (sender, heads) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (tls, sender) = (tls.clone(), sender.clone());
                tokio::spawn(async move {
                    match tls {
                        None => tunnel(tcp, answer, to, sender).await,
                        Some(tls) => tunnel(tls.accept(tcp).await?, answer, to, sender).await,
                    }
                });
            }
        });
        Self { addr, heads }
    }
}

async fn tunnel<S>(
    mut client: S,
    answer: &'static str,
    to: SocketAddr,
    heads: UnboundedSender<String>,
) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let _ = heads.send(String::from_utf8(head).unwrap());
    client.write_all(format!("HTTP/1.1 {answer}\r\n\r\n").as_bytes()).await?;
    if answer.starts_with("200") {
        let mut server = TcpStream::connect(to).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    }
    Ok(())
}

/// Posts a form. Returns status, version and body of the response.
pub async fn post(
    transport: &HyperTransport,
    url: impl AsRef<str>,
) -> Result<(http::StatusCode, Version, Bytes), BoxError> {
    let body = TokenRequestBody::from(Bytes::from_static(b"a=b"));
    let request = Request::post(url.as_ref()).body(body).unwrap();
    bounded(async {
        let response = transport.clone().oneshot(request).await?;
        let (parts, body) = response.into_parts();
        Ok((parts.status, parts.version, body.collect().await?.to_bytes()))
    })
    .await
}

/// The error of a request that must fail, in `Display` and `Debug`.
pub async fn failure(transport: &HyperTransport, url: impl AsRef<str>) -> String {
    let error = post(transport, url).await.expect_err("the request must fail");
    format!("{error} {error:?}")
}
