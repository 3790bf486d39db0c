//! A server that repeats what it got.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// Answers each connection's first bytes with a text made of them, and closes. The text has no line
/// breaks of the request.
pub(crate) async fn echoing(answer: fn(&str) -> String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let got = String::from_utf8_lossy(&request[..length]).replace(['\r', '\n'], " ");
                // The client may be gone.
                let _ = stream.write_all(answer(&got).as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}
