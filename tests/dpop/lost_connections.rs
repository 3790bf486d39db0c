//! An API that requires a nonce and closes the connection, over a real socket and client.

use std::sync::{Arc, Mutex};

use http::{Method, Request, StatusCode};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer as _, ServiceExt as _};
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins, TokenCache,
    event::{EventKind, NotReplayedReason},
    replay::CloneBodies,
};

use crate::support::{Body, Stage, nonce_of, some};

const NEEDS_NONCE: &[u8] = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\ndpop-nonce: n1\r\n\
    www-authenticate: DPoP error=\"use_dpop_nonce\"\r\n\r\n";

/// The nonce of the next request's proof; `None` inside if it has none.
async fn read_request(stream: &mut TcpStream) -> Option<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let proof = head.lines().find_map(|line| line.strip_prefix("dpop: ")).unwrap();
    Some(nonce_of(proof))
}

/// Answers the first request with a nonce challenge, closes when a second request arrives on the
/// same connection, and accepts requests on another one. Returns the nonces of the requests.
async fn serve(listener: TcpListener, nonces: Arc<Mutex<Vec<Option<String>>>>) {
    let (mut first, _) = listener.accept().await.unwrap();
    let nonce = read_request(&mut first).await.unwrap();
    nonces.lock().unwrap().push(nonce);
    first.write_all(NEEDS_NONCE).await.unwrap();
    let nonce = read_request(&mut first).await.unwrap();
    nonces.lock().unwrap().push(nonce);
    drop(first);
    let (mut second, _) = listener.accept().await.unwrap();
    let nonce = read_request(&mut second).await.unwrap();
    nonces.lock().unwrap().push(nonce);
    second.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_lost_after_a_nonce_challenge_costs_an_idempotent_request_nothing() {
    for (method, repeated) in [(Method::GET, true), (Method::DELETE, true), (Method::POST, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/things", listener.local_addr().unwrap());
        let nonces = Arc::<Mutex<Vec<_>>>::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&nonces)));

        let reasons = Arc::<Mutex<Vec<_>>>::default();
        let events = Arc::clone(&reasons);
        let tokens = TokenCache::builder(Stage::new().builder().build().unwrap());
        let tokens = tokens.observer(move |event| {
            if let EventKind::NotReplayed { reason, .. } = event.kind() {
                events.lock().unwrap().push(*reason);
            }
        });
        let client = Client::builder(TokioExecutor::new()).build_http::<Body>();
        let client = OAuthClientCredentialsLayer::new(tokens.build(), Origins::any())
            .replay(CloneBodies)
            .layer(client);
        let request = Request::builder().method(&method).uri(url).body(Body::default()).unwrap();
        let result = client.oneshot(request).await;
        let nonces = nonces.lock().unwrap().clone();
        if repeated {
            assert_eq!(result.unwrap().status(), StatusCode::OK, "{method}");
            assert_eq!(nonces, [None, some("n1"), some("n1")]);
            assert!(reasons.lock().unwrap().is_empty());
            server.await.unwrap();
        } else {
            assert!(result.is_err());
            assert_eq!(nonces, [None, some("n1")]);
            assert_eq!(*reasons.lock().unwrap(), [NotReplayedReason::ConnectionLost]);
            server.abort();
        }
    }
}
