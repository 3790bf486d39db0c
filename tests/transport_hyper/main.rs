//! The default transport over real sockets: TLS, HTTP versions, pool, bounds.
#![cfg(feature = "hyper-transport")]
#![allow(missing_docs, unreachable_pub)]

mod builder_mistakes;
mod failures;
mod hosts;
mod limits;
mod lost_connections;
#[path = "../support/one_request.rs"]
mod one_request;
mod proxy;
mod silent_peers;
mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use tokio::net::TcpListener;
use tower::ServiceExt;
use tower_oauth2_client_credentials::{
    ErrorKind,
    transport::{HyperTransport, TokenRequestBody},
};

use support::{Authority, Seen, Server, bounded, failure, post};

const LOOPBACK: &[&str] = &["127.0.0.1"];

async fn exchange(alpn: &[&str], version: Version) {
    let authority = Authority::new();
    let mut server = Server::start(Some(authority.server(LOOPBACK, alpn))).await;
    let transport = authority.client().build().unwrap();
    transport.check_roots().unwrap();
    let url = format!("https://{}/token", server.addr);
    for _ in 0..2 {
        let answer = post(&transport, &url).await.unwrap();
        assert_eq!(answer, (StatusCode::OK, version, Bytes::from_static(b"answer")));
        let seen = server.seen.recv().await.unwrap();
        let body = Bytes::from_static(b"a=b");
        assert_eq!(seen, Seen { version, target: "/token".into(), body });
    }
    assert_eq!(server.connections(), 1, "the second request reuses the connection");
}

#[tokio::test]
async fn https_with_an_extra_root_over_http_1() {
    exchange(&["http/1.1"], Version::HTTP_11).await;
}

#[tokio::test]
async fn https_without_alpn_is_http_1() {
    exchange(&[], Version::HTTP_11).await;
}

#[tokio::test]
async fn https_with_an_extra_root_over_http_2() {
    exchange(&["h2", "http/1.1"], Version::HTTP_2).await;
}

#[tokio::test]
async fn an_unknown_authority_is_refused_and_the_error_says_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut server = Server::start(Some(authority.server(LOOPBACK, &["h2"]))).await;
    let platform = HyperTransport::builder().proxy_from_env(false).build().unwrap();
    let only_other = HyperTransport::builder()
        .only_root_certificates_pem(&other.pem)
        .proxy_from_env(false)
        .build()
        .unwrap();
    for transport in [platform, other.client().build().unwrap(), only_other] {
        let text = failure(&transport, format!("https://{}/token", server.addr)).await;
        assert!(text.starts_with("no connection to 127.0.0.1:"), "{text}");
        assert!(text.contains("the server's certificate is from an unknown authority"), "{text}");
    }
    assert!(server.seen.try_recv().is_err(), "no request reaches a server that is not trusted");
}

#[tokio::test]
async fn only_these_roots_work_alone() {
    let authority = Authority::new();
    let server = Server::start(Some(authority.server(LOOPBACK, &["h2"]))).await;
    let transport = HyperTransport::builder()
        .only_root_certificates_pem(&authority.pem)
        .proxy_from_env(false)
        .build()
        .unwrap();
    post(&transport, format!("https://{}/token", server.addr)).await.unwrap();
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let tls = authority.server(&["login.test"], &["h2"]);
    let mut server = Server::start(Some(tls)).await;
    let transport = authority.client().build().unwrap();
    let text = failure(&transport, format!("https://{}/token", server.addr)).await;
    assert!(text.contains("certificate not valid for name"), "{text}");
    assert!(server.seen.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_is_returned() {
    let mut server = Server::start(None).await;
    let transport = Authority::new().client().build().unwrap();
    let (status, ..) = post(&transport, format!("http://{}/redirect", server.addr)).await.unwrap();
    assert_eq!(status, StatusCode::FOUND);
    assert_eq!(server.seen.recv().await.unwrap().target, "/redirect");
    assert!(server.seen.try_recv().is_err(), "nobody went to the new address");
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_bounded_by_the_connect_timeout() {
    // The kernel completes the TCP connection, and no process accepts it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let authority = Authority::new();
    let transport = authority.client().connect_timeout(Duration::from_millis(100)).build().unwrap();
    let started = Instant::now();
    let text = failure(&transport, format!("https://{}", listener.local_addr().unwrap())).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(text.contains("the TLS handshake did not end within 100ms"), "{text}");
}

#[tokio::test]
async fn an_abandoned_request_does_not_pass_its_connection_to_the_next() {
    let authority = Authority::new();
    let mut server = Server::start(Some(authority.server(LOOPBACK, &["h2"]))).await;
    let transport = authority.client().build().unwrap();
    post(&transport, format!("https://{}/token", server.addr)).await.unwrap();
    server.seen.recv().await.unwrap();

    let request = Request::post(format!("https://{}/silence", server.addr));
    let request = request.body(TokenRequestBody::default()).unwrap();
    let given_up = bounded(async {
        tokio::select! {
            answer = transport.clone().oneshot(request) => panic!("{answer:?}"),
            seen = server.seen.recv() => seen.unwrap(),
        }
    });
    assert_eq!(given_up.await.target, "/silence");
    assert_eq!(server.connections(), 1);

    post(&transport, format!("https://{}/token", server.addr)).await.unwrap();
    assert_eq!(server.connections(), 2, "HTTP/2 would share the one that may be dead");
}

#[test]
fn one_runtime_after_another_may_use_it() {
    let authority = Authority::new();
    let transport = authority.client().build().unwrap();
    let servers = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let tls = authority.server(LOOPBACK, &["h2"]);
    let server = servers.block_on(Server::start(Some(tls)));
    for _ in 0..2 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let url = format!("https://{}/token", server.addr);
        runtime.block_on(post(&transport, url)).unwrap();
    }
}

#[test]
fn a_wrong_setting_is_an_error_of_build() {
    let wrong = [
        HyperTransport::builder().extra_root_certificates_pem("no PEM"),
        HyperTransport::builder().only_root_certificates_pem(""),
        HyperTransport::builder().proxy("http://user:hunter2@"),
    ];
    for builder in wrong {
        assert!(!format!("{builder:?}").contains("hunter2"));
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
