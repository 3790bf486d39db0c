//! API clients and peers that go silent without closing.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use tokio::{net::TcpStream, sync::watch, time::Instant};
use tower::ServiceExt as _;
use tower_oauth2_client_credentials::transport::HyperClient;

use super::{
    LOOPBACK,
    support::{Authority, Server, bounded},
};

/// Forwards connections to a server until it goes silent. Then it swallows all data.
async fn relay(to: std::net::SocketAddr) -> (std::net::SocketAddr, watch::Sender<bool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (silence, silent) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut silent = silent.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await?;
                tokio::select! {
                    copied = tokio::io::copy_bidirectional(&mut client, &mut server) => {
                        copied?;
                    }
                    _ = silent.wait_for(|silent| *silent) => {}
                }
                std::future::pending::<std::io::Result<()>>().await
            });
        }
    });
    (address, silence)
}

#[tokio::test]
async fn an_api_client_notices_a_silent_http_2_peer_after_15_and_10_seconds() {
    let authority = Authority::new();
    let mut server = Server::start(Some(authority.server(LOOPBACK, &["h2"]))).await;
    let (address, silence) = relay(server.addr).await;
    let client: HyperClient<Empty<Bytes>> = authority.client().build_client().unwrap();
    let request = Request::get(format!("https://{address}/silence")).body(Empty::new()).unwrap();
    let mut calling = Box::pin(client.oneshot(request));
    bounded(async {
        tokio::select! {
            answer = &mut calling => panic!("{answer:?}"),
            seen = server.seen.recv() => seen.unwrap(),
        }
    })
    .await;
    silence.send(true).unwrap();
    let started = Instant::now();
    tokio::time::pause();
    let answer = tokio::time::timeout(Duration::from_secs(60), calling).await;
    let error = answer.expect("the silence is noticed").unwrap_err();
    let took = started.elapsed();
    assert!(took >= Duration::from_secs(24) && took < Duration::from_secs(27), "{took:?}");
    assert!(error.to_string().starts_with("no answer from 127.0.0.1:"), "{error}");
}

/// The kernel shows it in the connection's timer.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_api_clients_idle_connection_is_probed_by_tcp() {
    let server = Server::start(None).await;
    let client: HyperClient<Empty<Bytes>> = Authority::new().client().build_client().unwrap();
    let request = Request::get(format!("http://{}/", server.addr)).body(Empty::new()).unwrap();
    let answer = bounded(client.clone().oneshot(request)).await.unwrap();
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let peer = format!(":{:04X}", server.addr.port());
    // sl, local address, remote address, state (01: established), queues, timer:when
    let ours = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|line| line.len() > 5 && line[2].ends_with(&peer) && line[3] == "01");
    let timer = ours.expect("the connection is in the table")[5].to_owned();
    assert!(timer.starts_with("02:"), "a keepalive timer: {timer}");
    let ticks = u64::from_str_radix(&timer[3..], 16).unwrap();
    assert!(ticks <= 15 * 100, "it is due within 15 s: {timer}");
    drop(answer);
}
