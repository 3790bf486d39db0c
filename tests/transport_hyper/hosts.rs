//! Connections per host: an abandoned request closes those of its host, and no others.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use tower_oauth2_client_credentials::{
    BoxError,
    transport::{HyperTransport, TokenRequestBody},
};

use super::{
    LOOPBACK,
    support::{Authority, Server, bounded, post},
};

fn request(server: &Server, path: &str) -> Request<TokenRequestBody> {
    let url = format!("https://{}{path}", server.addr);
    Request::post(url).body(TokenRequestBody::default()).unwrap()
}

/// Well before idle connections expire.
async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(5), future).await.expect("the connection is closed")
}

/// A request that the server received and does not answer.
async fn hanging(
    transport: &HyperTransport,
    server: &mut Server,
) -> impl Future<Output = Result<(), BoxError>> + use<> {
    let sending = transport.clone().oneshot(request(server, "/silence"));
    let mut sending = Box::pin(async move { sending.await.map(drop) });
    bounded(async {
        tokio::select! {
            answer = &mut sending => panic!("{answer:?}"),
            seen = server.seen.recv() => assert_eq!(seen.unwrap().target, "/silence"),
        }
    })
    .await;
    sending
}

#[tokio::test]
async fn a_host_that_hangs_costs_other_hosts_no_connection() {
    let authority = Authority::new();
    for alpn in [&["h2"][..], &["http/1.1"]] {
        let start = || Server::start(Some(authority.server(LOOPBACK, alpn)));
        let (mut hangs, healthy) = (start().await, start().await);
        let transport = authority.client().build().unwrap();
        for _ in 0..5 {
            drop(hanging(&transport, &mut hangs).await);
            post(&transport, format!("https://{}/token", healthy.addr)).await.unwrap();
        }
        assert_eq!((hangs.connections(), healthy.connections()), (5, 1), "{alpn:?}");
    }
}

#[tokio::test]
async fn an_abandoned_request_closes_its_connection() {
    let authority = Authority::new();
    for alpn in [&["h2"][..], &["http/1.1"]] {
        let mut server = Server::start(Some(authority.server(LOOPBACK, alpn))).await;
        let transport = authority.client().build().unwrap();
        drop(hanging(&transport, &mut server).await);
        soon(server.ended.recv()).await.unwrap();

        // The same during the response's body.
        let answer = bounded(transport.clone().oneshot(request(&server, "/half"))).await.unwrap();
        let mut body = answer.into_body();
        assert_eq!(bounded(body.frame()).await.unwrap().unwrap().into_data().unwrap(), "half");
        assert!(server.ended.try_recv().is_err());
        drop(body);
        soon(server.ended.recv()).await.unwrap();

        // A response that was read to its end keeps its connection.
        let before = server.connections();
        for _ in 0..2 {
            post(&transport, format!("https://{}/token", server.addr)).await.unwrap();
        }
        assert_eq!(server.connections(), before + 1, "{alpn:?}");
    }
}

#[tokio::test]
async fn an_old_request_that_is_dropped_late_closes_no_newer_connection() {
    let authority = Authority::new();
    let mut server = Server::start(Some(authority.server(LOOPBACK, &["h2"]))).await;
    let transport = authority.client().build().unwrap();
    let url = format!("https://{}/token", server.addr);
    let (first, second) =
        (hanging(&transport, &mut server).await, hanging(&transport, &mut server).await);
    assert_eq!(server.connections(), 1);
    drop(first);
    post(&transport, &url).await.unwrap();
    assert_eq!(server.connections(), 2);
    drop(second);
    let answer = post(&transport, &url).await.unwrap();
    assert_eq!(answer.2, Bytes::from_static(b"answer"));
    assert_eq!(server.connections(), 2, "the newer connection is still in use");
}
