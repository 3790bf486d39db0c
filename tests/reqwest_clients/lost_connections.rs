//! An API that returns 401 and closes the connection.

use http::{Method, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower_oauth2_client_credentials::{Origins, middleware::OAuthClientCredentialsMiddleware};

use crate::support::Stage;

async fn read_request(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
}

/// Rejects the first request, closes when it is sent again on the same connection, and accepts
/// requests on another one.
async fn serve(listener: TcpListener) {
    let (mut first, _) = listener.accept().await.unwrap();
    read_request(&mut first).await;
    first.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    read_request(&mut first).await;
    drop(first);
    let (mut second, _) = listener.accept().await.unwrap();
    read_request(&mut second).await;
    second.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_lost_by_the_replay_costs_an_idempotent_request_nothing() {
    let stage = Stage::new().await;
    for (method, repeated) in [(Method::GET, true), (Method::POST, false)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/things", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(listener));
        let ours = OAuthClientCredentialsMiddleware::new(stage.tokens(), Origins::any());
        let client = reqwest_middleware::ClientBuilder::new(stage.http.client().clone());
        let result = client.with(ours).build().request(method, url).send().await;
        if repeated {
            assert_eq!(result.unwrap().status(), StatusCode::OK);
            server.await.unwrap();
        } else {
            assert!(result.unwrap_err().is_request());
            server.abort();
        }
    }
}
