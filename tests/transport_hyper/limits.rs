//! The limits of what a server can make the client read.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::{
    LOOPBACK,
    support::{Authority, LARGE, Server, failure, post},
};

/// Socket buffers on both sides add to the limit of 1 MiB.
const MOST: usize = 16 * 1024 * 1024;

/// Sends `start`, then `piece` repeatedly until the client closes. Returns its URL, and the number
/// of bytes that it sent.
async fn flood(
    tls: Option<TlsAcceptor>,
    start: &'static [u8],
    piece: &'static [u8],
) -> (String, Arc<AtomicUsize>) {
    async fn pour<S>(mut stream: S, start: &[u8], piece: &[u8], sent: &AtomicUsize)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(start).await;
        while stream.write_all(piece).await.is_ok() && stream.flush().await.is_ok() {
            sent.fetch_add(piece.len(), Ordering::Relaxed);
        }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}/token", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            match &tls {
                None => pour(tcp, start, piece, &count).await,
                Some(tls) => pour(tls.accept(tcp).await.unwrap(), start, piece, &count).await,
            }
        }
    });
    (url, sent)
}

#[tokio::test]
async fn endless_informational_responses_end_with_an_error() {
    let piece = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
    let (url, sent) = flood(None, b"", piece).await;
    let transport = Authority::new().client().build().unwrap();
    let text = failure(&transport, &url).await;
    assert!(text.contains("the server sent more than an answer may have"), "{text}");
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < MOST, "{sent} bytes");
}

#[tokio::test]
async fn endless_header_fields_end_with_an_error() {
    let (url, sent) =
        flood(None, b"HTTP/1.1 200 OK\r\nx: ", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    let transport = Authority::new().client().build().unwrap();
    let text = failure(&transport, &url).await;
    assert!(text.contains("the head of the answer is too large"), "{text}");
    assert!(sent.load(Ordering::Relaxed) < MOST);
}

/// PING frames (RFC 9113 §6.7), after the empty SETTINGS of a server.
#[tokio::test]
async fn endless_http_2_frames_end_with_an_error() {
    let authority = Authority::new();
    let tls = authority.server(LOOPBACK, &["h2"]);
    let settings = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    let ping = &[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
    let (url, sent) = flood(Some(tls), settings, ping).await;
    let transport = authority.client().build().unwrap();
    let text = failure(&transport, &url).await;
    assert!(text.contains("the server sent more than an answer may have"), "{text}");
    assert!(sent.load(Ordering::Relaxed) < MOST);
}

/// The reader of a body has its own limit.
#[tokio::test]
async fn a_body_above_the_limit_is_read_to_its_end() {
    let authority = Authority::new();
    for alpn in [&["h2"][..], &["http/1.1"]] {
        let server = Server::start(Some(authority.server(LOOPBACK, alpn))).await;
        let transport = authority.client().build().unwrap();
        for _ in 0..2 {
            let answer = post(&transport, format!("https://{}/large", server.addr)).await.unwrap();
            assert_eq!(answer.2.len(), LARGE);
        }
        assert_eq!(server.connections(), 1);
    }
}

/// The limit applies to each of many concurrent requests to one host. Here each response has a head
/// of 16 KiB, and none ends before all have been sent: together they exceed the limit of one.
#[tokio::test]
async fn the_answers_of_many_requests_at_once_do_not_share_the_limit() {
    const REQUESTS: usize = 200;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let heads = Arc::new(tokio::sync::Barrier::new(REQUESTS));
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let heads = Arc::clone(&heads);
            tokio::spawn(async move {
                let _ = tcp.read(&mut [0; 1024]).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: {}\r\n\r\n",
                    "a".repeat(16 * 1024)
                );
                tcp.write_all(head.as_bytes()).await.unwrap();
                heads.wait().await;
                tcp.write_all(b"{}").await.unwrap();
            });
        }
    });
    let transport = Authority::new().client().build().unwrap();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..REQUESTS {
        let (transport, url) = (transport.clone(), url.clone());
        requests.spawn(async move { post(&transport, &url).await.map(|(status, ..)| status) });
    }
    for result in requests.join_all().await {
        assert_eq!(result.unwrap(), 200);
    }
}
