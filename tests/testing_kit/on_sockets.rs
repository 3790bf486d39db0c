//! HTTP/1.1 and h2c on loopback, in real time.

use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};

use super::*;

type HttpClient = Client<HttpConnector, Full<Bytes>>;

fn client(version: Version) -> HttpClient {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.http2_only(version == Version::HTTP_2).build_http()
}

async fn soon(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it became true");
}

async fn flow(version: Version) {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("id").secret("secret"))
        .path("/as/token")
        .build();
    let api = ProtectedApi::new(&idp);
    let (idp_server, api_server) = (idp.listen().await.unwrap(), api.listen().await.unwrap());
    let client = client(version);

    let asked = client.request(ask(&idp_server.token_url(), GOOD)).await.unwrap();
    assert_eq!((asked.status(), asked.version()), (StatusCode::OK, version));
    let answer = json_of(asked).await;
    let token = answer["access_token"].as_str().unwrap();
    let url = format!("{}/things?a=b", api_server.url());
    let called = client.request(call(&url, token)).await.unwrap();
    assert_eq!(json_of(called).await, json!({"status": "ok"}));

    let (asked, called) = (&idp.requests()[0], &api.recorded()[0]);
    assert_eq!((asked.version, asked.uri.path()), (version, "/as/token"));
    assert_eq!(asked.body, GOOD);
    assert_eq!(called.header("authorization"), Some(&*format!("Bearer {token}")));
    assert_eq!(called.uri.path_and_query().unwrap(), "/things?a=b");
}

#[tokio::test]
async fn http_1_1_serves_tokens_and_the_api() {
    flow(Version::HTTP_11).await;
}

#[tokio::test]
async fn h2c_serves_tokens_and_the_api() {
    flow(Version::HTTP_2).await;
}

#[tokio::test]
async fn a_connection_is_closed_and_the_next_one_served() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let idp = server();
        let listening = idp.listen().await.unwrap();
        idp.script([MockResponse::CloseConnection]);
        let client = client(version);
        client.request(ask(&listening.token_url(), GOOD)).await.unwrap_err();
        let next = client.request(ask(&listening.token_url(), GOOD)).await.unwrap();
        assert_eq!(next.status(), 200, "{version:?}");
        assert_eq!(idp.token_requests(), 2, "{version:?}");
    }
}

#[tokio::test]
async fn a_client_that_gives_up_is_no_longer_in_flight() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let idp = server();
        idp.always(MockResponse::Hang);
        let listening = idp.listen().await.unwrap();
        {
            let client = client(version);
            tokio::select! {
                answer = client.request(ask(&listening.token_url(), GOOD)) => {
                    panic!("answered: {answer:?}")
                }
                () = soon(|| idp.in_flight() == 1) => {}
            }
        }
        soon(|| idp.in_flight() == 0).await;
    }
}

#[tokio::test]
async fn shutdown_is_graceful_and_bounded() {
    let idp = server();
    let listening = idp.listen().await.unwrap();
    let addr = listening.addr();
    let url = listening.token_url();
    idp.script([MockResponse::Issue.after(Duration::from_millis(50)), MockResponse::Hang]);
    let slow = tokio::spawn(client(Version::HTTP_11).request(ask(&url, GOOD)));
    soon(|| idp.in_flight() == 1).await;
    let hanging = tokio::spawn(client(Version::HTTP_11).request(ask(&url, GOOD)));
    soon(|| idp.in_flight() == 2).await;

    let stopped = tokio::time::timeout(Duration::from_secs(10), listening.shutdown());
    stopped.await.expect("the shutdown is bounded");
    assert_eq!(slow.await.unwrap().unwrap().status(), 200);
    hanging.await.unwrap().unwrap_err();
    tokio::net::TcpStream::connect(addr).await.unwrap_err();
    assert_eq!(idp.in_flight(), 0);
}

#[tokio::test]
async fn a_dropped_server_accepts_no_more() {
    let idp = server();
    let addr = idp.listen().await.unwrap().addr();
    let refused = async {
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
}
