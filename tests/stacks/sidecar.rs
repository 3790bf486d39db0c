//! The reverse proxy.

use std::{
    convert::Infallible,
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::{BodyExt, Channel, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tower_oauth2_client_credentials::{
    BoxError, TokenCache, cache::Readiness, testing::MockResponse,
};

use crate::Idp;

#[allow(dead_code)]
#[path = "../../examples/sidecar.rs"]
mod example;

/// An application in front of the proxy, and an API behind it that requires valid tokens and
/// echoes.
struct World {
    idp: Idp,
    tokens: TokenCache,
    url: String,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    proxy: JoinHandle<Result<(), BoxError>>,
}

impl World {
    async fn start() -> Self {
        Self::start_until(Idp::start().await, pending()).await
    }

    async fn start_until(idp: Idp, stop: impl Future<Output = ()> + Send + 'static) -> Self {
        let seen = Arc::<Mutex<Vec<HeaderMap>>>::default();
        let (kept, checker) = (Arc::clone(&seen), idp.idp.clone());
        let echo = move |request: Request<Body>| async move {
            let (head, body) = request.into_parts();
            let field = head.headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok());
            let token = field.and_then(|it| it.strip_prefix("Bearer "));
            let good = token.is_some_and(|token| checker.is_active(token));
            kept.lock().unwrap().push(head.headers);
            let answer = Response::builder().header("keep-alive", "timeout=5");
            let status = if good { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            answer.status(status).body(if good { body } else { Body::empty() }).unwrap()
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(axum::serve(listener, Router::new().fallback(echo)).into_future());

        // A quick recovery keeps the test short.
        let tokens = TokenCache::builder(idp.client().unwrap())
            .cooldown(Duration::from_millis(100)..=Duration::from_millis(100))
            .keep_warm(true)
            .build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxied = tokens.clone();
        let proxy =
            tokio::spawn(async move { example::serve(listener, proxied, &api, stop).await });
        Self { idp, tokens, url, seen, proxy }
    }

    async fn probe(&self) -> (StatusCode, String) {
        let answer = application(false).get(format!("{}/-/ready", self.url).parse().unwrap());
        let (head, body) = answer.await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// A request whose body is sent in pieces.
    fn post(&self) -> (http_body_util::channel::Sender<Bytes>, Request<AnyBody>) {
        let (sender, body) = Channel::new(1);
        (sender, Request::post(format!("{}/echo?a=b", self.url)).body(body.boxed_unsync()).unwrap())
    }
}

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

fn application(http2: bool) -> Client<HttpConnector, AnyBody> {
    Client::builder(TokioExecutor::new()).http2_only(http2).build_http()
}

async fn next(body: &mut Incoming) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

async fn both_directions_at_once(http2: bool) {
    let world = World::start().await;
    let (mut say, request) = world.post();
    let answer = tokio::spawn(application(http2).request(request));
    say.send_data(Bytes::from_static(b"one")).await.unwrap();
    // The beginning of the response arrives before the end of the request.
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(!answer.headers().contains_key("keep-alive"), "that was the API's connection");
    let mut body = answer.into_body();
    assert_eq!(next(&mut body).await, "one");
    for word in ["two", "three"] {
        say.send_data(Bytes::from_static(word.as_bytes())).await.unwrap();
        assert_eq!(next(&mut body).await, word);
    }
    drop(say);
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
    assert_eq!(world.idp.idp.token_requests(), 1);
}

#[tokio::test]
async fn it_streams_both_ways_over_http_1() {
    both_directions_at_once(false).await;
}

#[tokio::test]
async fn it_streams_both_ways_over_http_2() {
    both_directions_at_once(true).await;
}

#[tokio::test]
async fn credentials_for_the_proxy_are_not_forwarded() {
    let world = World::start().await;
    let request = Request::post(format!("{}/things", world.url))
        .header(AUTHORIZATION, "Basic b3duOm93bg==")
        .header(AUTHORIZATION, "Bearer theirs")
        .header("connection", "x-between-us, close")
        .header("x-between-us", "1")
        .header("x-for-the-api", "2");
    let request = request.body(Full::from("hello").boxed_unsync()).unwrap();
    let answer = application(false).request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");

    let seen = world.seen.lock().unwrap()[0].clone();
    let authorization: Vec<_> = seen.get_all(AUTHORIZATION).iter().collect();
    assert_eq!(authorization, [&world.tokens.current().unwrap().header_value()]);
    assert_eq!(seen["x-for-the-api"], "2");
    assert!(!seen.contains_key("x-between-us") && !seen.contains_key("connection"), "{seen:?}");
}

impl World {
    /// The status of the response to a raw request.
    async fn status(&self, head: &str) -> u16 {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = head.replace("{own}", address).replace('\n', "\r\n");
        let port = address.rsplit(':').next().unwrap();
        let head = head.replace("{port}", port);
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[tokio::test]
async fn connect_and_trace_are_refused() {
    let world = World::start().await;
    assert_eq!(world.status("CONNECT {own} HTTP/1.1\nhost: {own}\n").await, 405);
    assert_eq!(world.status("CONNECT api.example.com:443 HTTP/1.1\nhost: {own}\n").await, 405);
    assert_eq!(world.status("TRACE / HTTP/1.1\nhost: {own}\n").await, 405);
    assert_eq!(world.status("TRACE /-/ready HTTP/1.1\nhost: {own}\n").await, 405);
    assert!(world.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn it_accepts_its_own_hosts_only() {
    let world = World::start().await;
    for host in ["{own}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}"] {
        let get = format!("GET / HTTP/1.1\nhost: {host}\n");
        assert_eq!(world.status(&get).await, 200, "{host}");
    }
    assert_eq!(world.status("GET http://{own}/ HTTP/1.1\nhost: {own}\n").await, 200);
    let accepted = world.seen.lock().unwrap().len();
    assert_eq!(accepted, 5);
    for (expected, get) in [
        (421, "GET / HTTP/1.1\nhost: evil.example\n"),
        (421, "GET / HTTP/1.1\nhost: evil.example:{port}\n"),
        (421, "GET / HTTP/1.1\nhost: localhost\n"),
        (421, "GET / HTTP/1.1\nhost: localhost.:{port}\n"),
        (421, "GET / HTTP/1.1\nhost: evil@{own}\n"),
        (421, "GET / HTTP/1.1\nhost: {own}, evil.example\n"),
        (421, "GET / HTTP/1.1\nhost:\n"),
        (421, "GET / HTTP/1.1\n"),
        (421, "GET http://evil.example/ HTTP/1.1\nhost: {own}\n"),
        (421, "GET http://{own}/ HTTP/1.1\nhost: evil.example\n"),
        (400, "GET / HTTP/1.1\nhost: {own}\nhost: evil.example\n"),
        (400, "GET / HTTP/1.1\nhost: {own}\nhost: {own}\n"),
    ] {
        assert_eq!(world.status(get).await, expected, "{get}");
    }
    assert_eq!(world.seen.lock().unwrap().len(), accepted);
}

#[tokio::test]
async fn fields_for_the_proxy_itself_stay_there() {
    let world = World::start().await;
    let fields = [
        ("proxy-authorization", "Basic b3duOm93bg=="),
        ("proxy-connection", "x-legacy"),
        ("x-legacy", "1"),
        ("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("upgrade", "h2c"),
        ("connection", "x-named, \u{fc}"),
        ("x-named", "1"),
    ];
    let request = fields.iter().fold(Request::get(&world.url), |request, (name, value)| {
        request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    });
    let request = request.header("x-for-the-api", "2").body(AnyBody::default()).unwrap();
    let answer = application(false).request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let seen = world.seen.lock().unwrap()[0].clone();
    let mut names: Vec<_> = seen.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["authorization", "host", "x-for-the-api"]);
}

#[tokio::test]
async fn a_rejected_token_is_replaced_and_the_body_sent_again() {
    let world = World::start().await;
    world.tokens.warm_up().await.unwrap();
    world.idp.idp.revoke_all();
    let request = Request::post(&world.url).body(Full::from("hello").boxed_unsync()).unwrap();
    let answer = application(false).request(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
    assert_eq!((world.seen.lock().unwrap().len(), world.idp.idp.token_requests()), (2, 2));
}

#[tokio::test]
async fn its_probe_follows_the_token_and_needs_no_traffic_to_recover() {
    let idp = Idp::start().await;
    idp.idp.always(MockResponse::Status(503));
    let world = World::start_until(idp, pending()).await;
    let mut watch = world.tokens.subscribe();
    while watch.current() != Some(Readiness::Failed) {
        watch.changed().await.unwrap();
    }
    let (status, _) = world.probe().await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let request = Request::get(&world.url).body(AnyBody::default()).unwrap();
    let answer = application(false).request(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(world.seen.lock().unwrap().is_empty());

    world.idp.idp.recover();
    while !watch.changed().await.unwrap().has_token() {}
    let ready = (StatusCode::OK, "Some(Ready)\n".to_owned());
    assert_eq!(world.probe().await, ready);
}

#[tokio::test]
async fn on_a_signal_it_finishes_the_requests_in_flight() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let world = World::start_until(Idp::start().await, stopped).await;
    let (mut say, request) = world.post();
    let answer = tokio::spawn(application(false).request(request));
    say.send_data(Bytes::from_static(b"one")).await.unwrap();
    let mut body = answer.await.unwrap().unwrap().into_body();
    assert_eq!(next(&mut body).await, "one");

    drop(stop);
    say.send_data(Bytes::from_static(b"two")).await.unwrap();
    assert_eq!(next(&mut body).await, "two");
    drop(say);
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
    world.proxy.await.unwrap().unwrap();
    let late = Request::get(&world.url).body(AnyBody::default()).unwrap();
    assert!(application(false).request(late).await.is_err(), "nobody listens any more");
}
