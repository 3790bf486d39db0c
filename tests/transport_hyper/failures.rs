//! The operator's message for a failed token request: the problem and what to do.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower::ServiceExt as _;
use tower_oauth2_client_credentials::{
    ClientCredentials, ErrorKind, TokenSource as _,
    event::AcquisitionReason,
    source::AcquireContext,
    transport::{HyperBody, HyperTransport},
};

use super::support::{Authority, ProxyServer, Server, assert_no_credentials, bounded};

/// The message of a single attempt.
async fn message(transport: HyperTransport, url: &str) -> String {
    let source = ClientCredentials::builder(url)
        .client_secret_basic("user", "hunter2")
        .transport(transport)
        .allow_plain_http()
        .attempts(1)
        .build()
        .unwrap();
    let error =
        bounded(source.acquire(AcquireContext::new(AcquisitionReason::Missing))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Transport, "{error}");
    assert_no_credentials(&format!("{error} {error:?}"));
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains("/token"), "{text}");
    text
}

#[track_caller]
fn assert_says(text: &str, problem: &str, advice: &str) {
    assert!(text.starts_with("transport: no "), "{text}");
    assert!(text.contains(problem), "{problem}: {text}");
    assert!(
        text.split_once("; ").is_some_and(|(_, rest)| rest.contains(advice)),
        "{advice}: {text}"
    );
}

async fn refusing() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn an_unknown_host_is_reported() {
    let transport = Authority::new().client().build().unwrap();
    // No resolver accepts a name with a label this long, so nothing is sent.
    let host = format!("{}.test", "a".repeat(64));
    let text = message(transport.clone(), &format!("http://{host}/token")).await;
    assert_says(&text, &format!("no connection to {host}:80: "), "check the host in the URL");
    assert_says(&text, "the host name was not found (", "DNS");
    let text = message(transport, &format!("https://{host}/token")).await;
    assert_says(&text, "the host is not a valid name for TLS (", "check the host in the URL");
}

#[tokio::test]
async fn a_refused_connection_is_reported() {
    let transport = Authority::new().client().build().unwrap();
    let to = refusing().await;
    let text = message(transport, &format!("https://{to}/token")).await;
    assert_says(&text, &format!("no connection to {to}: the connection was refused ("), "port");
}

#[tokio::test]
async fn a_refused_certificate_is_reported_with_the_reason() {
    let (authority, other) = (Authority::new(), Authority::new());
    let past = rcgen::date_time_ymd(2020, 1, 1);
    let expired = authority.server_with(&["127.0.0.1"], &[], |params| params.not_after = past);
    let future = rcgen::date_time_ymd(4000, 1, 1);
    let early = authority.server_with(&["127.0.0.1"], &[], |params| params.not_before = future);
    for (tls, problem, advice) in [
        (expired, "the server's certificate has expired (", "clock"),
        (early, "the server's certificate is not valid yet (", "clock"),
        (
            other.server(&["127.0.0.1"], &[]),
            "the server's certificate is from an unknown authority (",
            "extra_root_certificates_pem, or the setting ca_file",
        ),
        (
            authority.server(&["login.test"], &[]),
            "the server's certificate is for another name (",
            "check the host in the URL",
        ),
    ] {
        let server = Server::start(Some(tls)).await;
        let transport = authority.client().build().unwrap();
        let text = message(transport, &format!("https://{}/token", server.addr)).await;
        assert_says(&text, problem, advice);
    }
}

#[tokio::test]
async fn tls_to_a_plain_port_and_plain_http_to_a_tls_port_are_reported() {
    let authority = Authority::new();
    let transport = authority.client().build().unwrap();
    let plain = Server::start(None).await;
    let text = message(transport.clone(), &format!("https://{}/token", plain.addr)).await;
    assert_says(&text, "the server does not speak TLS on this port (", "http URL");

    let tls = Server::start(Some(authority.server(&["127.0.0.1"], &[]))).await;
    let text = message(transport, &format!("http://{}/token", tls.addr)).await;
    assert_says(&text, &format!("no answer from {}: ", tls.addr), "if the port expects TLS");
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_is_named_with_its_status() {
    let server = Server::start(None).await;
    for (user, answer, problem, advice) in [
        ("user:hunter2@", "407 Proxy Authentication Required", "status 407", "does not accept"),
        ("", "407 Proxy Authentication Required", "status 407", "give user and password"),
        ("user:hunter2@", "403 Forbidden", "status 403", "NO_PROXY"),
        ("", "502 Bad Gateway", "status 502", "cannot reach this host"),
        ("", "400 Bad Request", "status 400", "opens no tunnel"),
    ] {
        let mut proxy = ProxyServer::start(None, answer, server.addr).await;
        let client = Authority::new().client().proxy(format!("http://{user}{}", proxy.addr));
        let text = message(client.build().unwrap(), "https://login.test/token").await;
        let who = format!("no connection to login.test:443: the proxy http://{}: ", proxy.addr);
        assert_says(&text, &who, advice);
        assert_says(&text, problem, advice);
        assert!(proxy.heads.try_recv().is_ok());
    }
    assert_eq!(server.connections(), 0, "nothing went around the proxy");
}

#[tokio::test]
async fn a_proxy_that_is_down_or_hangs_is_distinguished_from_the_server() {
    let to = refusing().await;
    let client = Authority::new().client().proxy(format!("http://user:hunter2@{to}"));
    let text = message(client.build().unwrap(), "https://login.test/token").await;
    assert_says(&text, &format!("the proxy http://{to}: the connection was refused ("), "port");

    // The kernel completes the connection, and no process reads from it.
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to = hanging.local_addr().unwrap();
    let client = Authority::new().client().proxy(format!("http://{to}"));
    let client = client.connect_timeout(Duration::from_millis(200));
    let text = message(client.build().unwrap(), "https://login.test/token").await;
    let problem = format!("the proxy http://{to}: no answer to CONNECT came within 200ms");
    assert_says(&text, &problem, "check the proxy");

    // A tunnel to a server that hangs.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = ProxyServer::start(None, "200 OK", silent.local_addr().unwrap()).await;
    let client = Authority::new().client().proxy(format!("http://{}", proxy.addr));
    let client = client.connect_timeout(Duration::from_millis(200));
    let text = message(client.build().unwrap(), "https://login.test/token").await;
    let problem = format!(
        "no connection to login.test:443 through the proxy http://{}: the TLS handshake did not end",
        proxy.addr
    );
    assert_says(&text, &problem, "speaks TLS");
}

#[tokio::test]
async fn certificates_of_proxy_and_server_are_distinguished() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = Server::start(Some(other.server(&["login.test"], &[]))).await;
    let of_proxy = other.server(&["127.0.0.1"], &[]);
    let proxy = ProxyServer::start(Some(of_proxy), "200 OK", server.addr).await;
    let client = authority.client().proxy(format!("https://{}", proxy.addr));
    let text = message(client.build().unwrap(), "https://login.test/token").await;
    let problem = format!("the proxy https://{}: the server's certificate is from", proxy.addr);
    assert_says(&text, &problem, "ca_file");

    let of_proxy = authority.server(&["127.0.0.1"], &[]);
    let proxy = ProxyServer::start(Some(of_proxy), "200 OK", server.addr).await;
    let client = authority.client().proxy(format!("https://{}", proxy.addr));
    let text = message(client.build().unwrap(), "https://login.test/token").await;
    let problem =
        format!("through the proxy https://{}: the server's certificate is from", proxy.addr);
    assert_says(&text, &problem, "ca_file");
}

/// Metadata requests use the same connection, so their error contains the reason too.
#[tokio::test]
async fn discovery_reports_the_reason_too() {
    let to = refusing().await;
    let source = ClientCredentials::discover(format!("https://{to}"))
        .client_secret_basic("user", "hunter2")
        .transport(Authority::new().client().build().unwrap())
        .attempts(1)
        .build()
        .unwrap();
    let error =
        bounded(source.acquire(AcquireContext::new(AcquisitionReason::Missing))).await.unwrap_err();
    let text = error.to_string();
    assert!(error.is_retryable() && error.kind() == ErrorKind::Discovery, "{text}");
    let problem = format!("no connection to {to}: the connection was refused (");
    assert_eq!(text.matches(&problem).count(), 1, "{text}");
}

/// The body of `HyperClient` is a type of this crate. Its error names the host, and keeps the cause.
#[tokio::test]
async fn a_body_of_the_api_that_breaks_off_is_reported_with_its_cause() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let read = stream.read(&mut [0; 1024]).await.unwrap();
        assert!(read > 0, "no request");
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
        stream.write_all(answer).await.unwrap();
    });
    let client = HyperTransport::builder().build_client::<Empty<Bytes>>().unwrap();
    let request = http::Request::get(format!("http://{address}/secret-path")).body(Empty::new());
    let response = bounded(client.oneshot(request.unwrap())).await.unwrap();
    let body: HyperBody = response.into_body();
    assert_eq!(body.size_hint().exact(), Some(10));
    assert!(format!("{body:?}").starts_with("HyperBody"));
    let error = bounded(body.collect()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("broke off"), "{text}");
    assert!(!text.contains("secret-path"), "{text}");
    assert!(error.source().is_some_and(|cause| cause.is::<hyper::Error>()), "{error:?}");
}
