//! A token endpoint on loopback. It has its own thread and runtime, so that a peer that blocks its
//! runtime does not delay it.
//!
//! It accepts any request, because the benchmark compares caches and not wire formats.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch};

/// The start of the tokens' expiry times.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The response to a request.
#[derive(Clone, Copy)]
pub enum Behavior {
    /// A token after this delay.
    After(Duration),
    /// A token once [`Endpoint::open`] was called; at once from then on.
    Gated,
    /// 500 after this delay.
    Fails(Duration),
}

pub struct Endpoint {
    shared: Arc<Shared>,
    address: SocketAddr,
    gate: watch::Sender<bool>,
}

struct Shared {
    behavior: Behavior,
    lifetime: u64,
    requests: AtomicUsize,
}

impl Endpoint {
    /// Tokens live `lifetime` seconds.
    pub fn start(behavior: Behavior, lifetime: u64) -> Self {
        LazyLock::force(&EPOCH);
        let shared = Arc::new(Shared { behavior, lifetime, requests: AtomicUsize::new(0) });
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (gate, gated) = watch::channel(false);
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(serve(listener, served, gated));
        });
        Self { shared, address, gate }
    }

    /// Without a path and without a slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of token requests.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Relaxed)
    }

    /// Opens a gated endpoint.
    pub fn open(&self) {
        self.gate.send_replace(true);
    }
}

/// Serves until the [`Endpoint`] is dropped.
async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    mut gate: watch::Receiver<bool>,
) {
    listener.set_nonblocking(true).expect("it can");
    let listener = TcpListener::from_std(listener).expect("a listener");
    let connections = gate.clone();
    let accept = async {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = stream.set_nodelay(true);
            let (shared, gate) = (Arc::clone(&shared), connections.clone());
            let service = service_fn(move |_| answer(Arc::clone(&shared), gate.clone()));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    };
    tokio::select! {
        () = accept => {}
        () = async { while gate.changed().await.is_ok() {} } => {}
    }
}

async fn answer(
    shared: Arc<Shared>,
    mut gate: watch::Receiver<bool>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let number = shared.requests.fetch_add(1, Relaxed);
    match shared.behavior {
        Behavior::After(delay) => tokio::time::sleep(delay).await,
        Behavior::Gated => drop(gate.wait_for(|open| *open).await),
        Behavior::Fails(delay) => {
            tokio::time::sleep(delay).await;
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return Ok(response);
        }
    }
    let lifetime = shared.lifetime;
    let expires = EPOCH.elapsed() + Duration::from_secs(lifetime);
    // `issued_token_type` for a token exchange, `ext_expires_in` as Entra ID has it.
    let body = format!(
        r#"{{"access_token":"{}-{number}","token_type":"Bearer","expires_in":{lifetime},"ext_expires_in":{lifetime},"issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}}"#,
        expires.as_millis(),
    );
    let mut response = Response::new(Full::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}

/// Whether this `Authorization` carries a valid token.
pub fn is_alive(authorization: &HeaderValue) -> bool {
    let token = authorization.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
    let expires = token.and_then(|token| token.split('-').next()?.parse::<u128>().ok());
    expires.is_some_and(|expires| EPOCH.elapsed().as_millis() <= expires)
}
