//! Requests a second through a real client of hyper-util on loopback: without a layer, with a layer
//! that sets a static header, and with this layer. The service is cloned for each request.
//!
//! All variants take turns in short rounds. The figure is the median over the rounds of the ratio to
//! the client without a layer in the same round, with quartiles.

mod support;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Empty;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use support::{Body, floor, never, ours};
use tokio::{net::TcpListener, runtime::Builder, task::JoinSet};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_oauth2_client_credentials::Origins;

const ROUNDS: usize = 60;
/// Requests of each thread in a round, and how many of them run at once.
const REQUESTS: usize = 480;
const AT_ONCE: usize = 8;

type Http = Client<HttpConnector, Body>;

/// A server that answers each request at once, on its own thread.
fn serve() -> SocketAddr {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            sender.send(listener.local_addr().expect("an address")).expect("it is awaited");
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("it is a TCP socket");
                tokio::spawn(async move {
                    let respond = service_fn(|_: Request<hyper::body::Incoming>| async {
                        Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    let service = TowerToHyperService::new(respond);
                    // An error ends the connection, which the client reports.
                    drop(builder.serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
    });
    receiver.recv().expect("the server listens")
}

fn client(http2: bool) -> Http {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).http2_only(http2).build(connector)
}

/// Sends the requests of one round on this many threads, and returns how long they took.
type Run = Box<dyn Fn(usize) -> Duration>;

fn run<L>(layer: L, http2: bool, uri: Uri) -> Run
where
    L: Layer<Http> + Clone + Send + 'static,
    L::Service:
        Service<Request<Body>, Response = Response<hyper::body::Incoming>> + Clone + Send + 'static,
    <L::Service as Service<Request<Body>>>::Error: std::fmt::Debug + Send,
    <L::Service as Service<Request<Body>>>::Future: Send,
{
    // One runtime and client for each thread. They live on, and so do the connections.
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (start, starts) = mpsc::channel::<mpsc::Sender<()>>();
            let (layer, uri) = (layer.clone(), uri.clone());
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().expect("it");
                let service = layer.layer(client(http2));
                for done in starts {
                    runtime.block_on(round(&service, &uri));
                    done.send(()).expect("it is awaited");
                }
            });
            start
        })
        .collect();
    Box::new(move |count| {
        let (done, dones) = mpsc::channel();
        let start = Instant::now();
        threads[..count].iter().for_each(|it| it.send(done.clone()).expect("the thread runs"));
        (0..count).for_each(|_| dones.recv().expect("the thread ends its round"));
        start.elapsed()
    })
}

async fn round<S>(service: &S, uri: &Uri)
where
    S: Service<Request<Body>, Response = Response<hyper::body::Incoming>> + Clone + Send + 'static,
    S::Error: std::fmt::Debug + Send,
    S::Future: Send,
{
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (service, uri) = (service.clone(), uri.clone());
        tasks.spawn(async move {
            for _ in 0..REQUESTS / AT_ONCE {
                let request = Request::get(uri.clone()).header("accept", "*/*");
                let request = request.body(Body::new()).expect("it is a request");
                let response = service.clone().oneshot(request).await.expect("it is answered");
                assert!(response.status().is_success());
            }
        });
    }
    tasks.join_all().await;
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}

fn main() {
    let rounds = if std::env::args().any(|arg| arg == "--bench") { ROUNDS } else { 1 };
    let origin = format!("http://{}", serve());
    let uri: Uri = format!("{origin}/things").parse().expect("it is a URI");
    let origins = Origins::parse([&origin]).expect("it is an origin");
    for http2 in [false, true] {
        let run = |layer: usize| match layer {
            0 => run(tower::layer::util::Identity::new(), http2, uri.clone()),
            1 => run(floor(), http2, uri.clone()),
            2 => run(never(origins.clone()), http2, uri.clone()),
            _ => run(ours(origins.clone()), http2, uri.clone()),
        };
        let variants = ["no layer", "static header", "this layer, never", "this layer, default"];
        let runs: Vec<_> = (0..variants.len()).map(run).collect();
        for threads in [1, 2] {
            println!("HTTP/{}, {threads} thread(s)", if http2 { "2" } else { "1.1" });
            let mut took = vec![Vec::with_capacity(rounds); runs.len()];
            for round in 0..rounds {
                // Turn about, so that none always goes first.
                for turn in 0..runs.len() {
                    let index = (round + turn) % runs.len();
                    took[index].push(runs[index](threads).as_secs_f64());
                }
            }
            for (index, variant) in variants.iter().enumerate() {
                let ratios = took[0].iter().zip(&took[index]).map(|(bare, took)| bare / took);
                let [low, mid, high] = quartiles(ratios.collect());
                let [_, took, _] = quartiles(took[index].clone());
                let rate = (REQUESTS * threads) as f64 / took;
                println!("  {variant:<22}{mid:6.3}  ({low:.3} to {high:.3}) {rate:7.0} requests/s");
            }
        }
    }
}
