//! The process under test: an HTTP service whose handler calls an API through the layer.
//!
//! `/plain` and `/shared` are the two clients. `/stats` returns counts, and
//! `/names/{plain,shared,api}/{fail,work}` makes name lookups fail.

use std::{
    convert::Infallible,
    env, fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpListener, runtime::Handle, time::sleep};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _, timeout::Timeout};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, OAuthClientCredentials, OAuthClientCredentialsLayer,
    Origins, TokenCache,
    event::{Event, EventKind, TARGET},
    store::{RedisStore, SealingKey, Shared},
    transport::{HyperClient, HyperTransport, HyperTransportBuilder},
};
use tracing_subscriber::{Layer as _, filter, fmt, layer::SubscriberExt as _};

use crate::{
    Failure,
    certificates::AUTHORITY,
    gate::{Counts, Gate},
    load::lock,
    servers::{SECRET, TOKEN_PREFIX},
};

/// How long a request waits for a token, and then for the API.
pub const TOKEN_WAIT: Duration = Duration::from_secs(3);
pub const API_TIMEOUT: Duration = Duration::from_secs(5);
pub const SEALING_KEY: &[u8; 32] = b"soak-sealing-key-of-32-bytes-8Zw";

/// The header fields of a response: the outcome, the error, and how many milliseconds a valid token and
/// the longest documented cooldown had left when the request began.
pub const OUTCOME: &str = "x-outcome";
pub const ERROR: &str = "x-error";
pub const VALID_FOR: &str = "x-valid-for";
pub const COOLDOWN_FOR: &str = "x-cooldown-for";

type Api = OAuthClientCredentials<Inspect>;
type Transport = Timeout<Gate<HyperClient<Empty<Bytes>>>>;

struct Service {
    clients: [Client; 2],
    api: Arc<Counts>,
    api_url: String,
    violations: Arc<Violations>,
}

struct Client {
    name: &'static str,
    api: Api,
    token_requests: Arc<Counts>,
    acquisitions: Arc<Acquisitions>,
}

/// Counts from events.
#[derive(Default)]
struct Acquisitions {
    /// A process of a fleet that failed tries again after the others.
    is_of_fleet: bool,
    in_flight: AtomicI64,
    most_in_flight: AtomicI64,
    started: AtomicU64,
    /// When acquisitions failed, in milliseconds since 1970.
    failed: Mutex<Vec<i64>>,
    failed_in_a_row: AtomicU64,
    /// When the longest cooldown ends that the documentation allows after these failures, in the same unit.
    cooldown_until: AtomicI64,
    sharing_stopped: AtomicU64,
    sharing_resumed: AtomicU64,
    /// When the newest token is no longer used, in milliseconds since 1970.
    valid_until: AtomicI64,
}

impl Acquisitions {
    fn record(&self, event: &Event) {
        match event.kind() {
            EventKind::AcquisitionStarted { .. } => {
                self.started.fetch_add(1, SeqCst);
                let now = self.in_flight.fetch_add(1, SeqCst) + 1;
                self.most_in_flight.fetch_max(now, SeqCst);
            }
            EventKind::Acquired { expires_at, .. } | EventKind::Refreshed { expires_at, .. } => {
                self.in_flight.fetch_sub(1, SeqCst);
                self.valid_until.fetch_max(milliseconds(*expires_at), SeqCst);
                self.failed_in_a_row.store(0, SeqCst);
            }
            EventKind::AcquisitionFailed { .. } => {
                self.record_failure(milliseconds(SystemTime::now()));
                self.in_flight.fetch_sub(1, SeqCst);
            }
            EventKind::Kept { .. } | EventKind::Discarded { .. } | EventKind::Abandoned { .. } => {
                self.in_flight.fetch_sub(1, SeqCst);
            }
            EventKind::SharingStopped { .. } => _ = self.sharing_stopped.fetch_add(1, SeqCst),
            EventKind::SharingResumed => _ = self.sharing_resumed.fetch_add(1, SeqCst),
            EventKind::Offered { expires_at, .. } => {
                self.valid_until.fetch_max(milliseconds(*expires_at), SeqCst);
            }
            _ => {}
        }
    }

    /// 1, 2, 4 … 60 s, and up to 25 %. In a fleet up to 5 s more.
    fn record_failure(&self, now: i64) {
        lock(&self.failed).push(now);
        let before = self.failed_in_a_row.fetch_add(1, SeqCst).min(6);
        let alone = (1_000_i64 << before).min(60_000) * 5 / 4;
        let behind = if self.is_of_fleet { (alone / 4 + 250).min(5_000) } else { 0 };
        self.cooldown_until.store(now + alone + behind, SeqCst);
    }
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Requests that the layer should not have sent.
#[derive(Default)]
struct Violations {
    without_token: AtomicU64,
    with_expired_token: AtomicU64,
}

/// Below the layer: checks the token of each request.
#[derive(Clone)]
struct Inspect {
    transport: Transport,
    violations: Arc<Violations>,
}

impl tower::Service<Request<Empty<Bytes>>> for Inspect {
    type Response = <Transport as tower::Service<Request<Empty<Bytes>>>>::Response;
    type Error = BoxError;
    type Future = <Transport as tower::Service<Request<Empty<Bytes>>>>::Future;

    fn poll_ready(
        &mut self,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), BoxError>> {
        self.transport.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> Self::Future {
        let bearer = request.headers().get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
        let expires = bearer
            .and_then(|it| it.strip_prefix("Bearer ")?.strip_prefix(TOKEN_PREFIX)?.split_once('.'))
            .and_then(|(_, expires)| expires.parse::<i64>().ok());
        match expires {
            None => _ = self.violations.without_token.fetch_add(1, SeqCst),
            Some(expires) if expires < milliseconds(SystemTime::now()) => {
                self.violations.with_expired_token.fetch_add(1, SeqCst);
            }
            Some(_) => {}
        }
        self.transport.call(request)
    }
}

/// The addresses are in the environment.
pub async fn run(directory: &Path) -> Result<(), Failure> {
    // Everything that the crate logs, and the warnings of others.
    let targets = filter::Targets::new()
        .with_default(filter::LevelFilter::WARN)
        .with_target(TARGET, filter::LevelFilter::TRACE);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_filter(targets);
    tracing_subscriber::util::SubscriberInitExt::init(tracing_subscriber::registry().with(lines));

    let authority = fs::read_to_string(directory.join(AUTHORITY))?;
    let transport =
        || HyperTransport::builder().only_root_certificates_pem(&authority).proxy_from_env(false);
    let api_url = env::var("SOAK_API")?;
    let (api, violations) = (Arc::<Counts>::default(), Arc::<Violations>::default());
    let store = RedisStore::new(env::var("SOAK_REDIS")?)?;
    let clients = [
        client("plain", |source| Ok(TokenCache::builder(source)), &api, &violations, &transport)?,
        client(
            "shared",
            |source| {
                let key = SealingKey::from_bytes(SEALING_KEY)?;
                let shared = Shared::builder(source, store.clone()).sealed_with([key]).build()?;
                Ok(TokenCache::builder(shared))
            },
            &api,
            &violations,
            &transport,
        )?,
    ];
    let service = Arc::new(Service { clients, api, api_url, violations });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening {}", listener.local_addr()?);
    loop {
        let (tcp, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            // No descriptor is left. An accept is tried again, as servers do.
            Err(_) => {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = tcp.set_nodelay(true);
        let service = Arc::clone(&service);
        tokio::spawn(async move {
            let handler = service_fn(move |request| {
                let service = Arc::clone(&service);
                async move { Ok::<_, Infallible>(service.handle(&request).await) }
            });
            let mut server = http2::Builder::new(TokioExecutor::new());
            server.timer(TokioTimer::new()).max_concurrent_streams(100_000);
            let _ = server.serve_connection(TokioIo::new(tcp), handler).await;
        });
    }
}

/// One client of the authorization server, and of the API.
fn client(
    name: &'static str,
    cache: impl FnOnce(
        ClientCredentials,
    ) -> Result<tower_oauth2_client_credentials::cache::TokenCacheBuilder, Error>,
    api: &Arc<Counts>,
    violations: &Arc<Violations>,
    transport: &dyn Fn() -> HyperTransportBuilder,
) -> Result<Client, Failure> {
    let token_requests = Arc::<Counts>::default();
    let source = ClientCredentials::builder(env::var("SOAK_TOKEN_URL")?)
        .client_secret_basic(name, SECRET)
        .transport(Gate::new(transport().build()?, Arc::clone(&token_requests)))
        .attempt_timeout(Duration::from_secs(2))
        .build()?;
    let is_of_fleet = name == "shared";
    let acquisitions = Arc::new(Acquisitions { is_of_fleet, ..Acquisitions::default() });
    let observed = Arc::clone(&acquisitions);
    let tokens = cache(source)?
        .name(name)
        .wait_timeout(TOKEN_WAIT)
        .acquisition_timeout(Duration::from_secs(6))
        .observer(move |event| observed.record(event))
        .build();
    let to_api = ServiceBuilder::new()
        .timeout(API_TIMEOUT)
        .service(Gate::new(transport().build_client()?, Arc::clone(api)));
    let origins = Origins::parse([env::var("SOAK_API")?])?;
    let inspect = Inspect { transport: to_api, violations: Arc::clone(violations) };
    let api = OAuthClientCredentialsLayer::new(tokens, origins).layer(inspect);
    Ok(Client { name, api, token_requests, acquisitions })
}

impl Service {
    async fn handle(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path: Vec<&str> = request.uri().path().trim_start_matches('/').split('/').collect();
        match *path {
            ["plain"] => self.call(&self.clients[0]).await,
            ["shared"] => self.call(&self.clients[1]).await,
            ["stats"] => Response::new(Full::from(self.stats())),
            ["names", which, state] => {
                let clients = self.clients.iter().map(|it| (it.name, &it.token_requests));
                for (name, counts) in clients.chain([("api", &self.api)]) {
                    if name == which {
                        counts.names_fail.store(state == "fail", SeqCst);
                    }
                }
                Response::new(Full::default())
            }
            _ => Response::new(Full::from("unknown path")),
        }
    }

    async fn call(&self, client: &Client) -> Response<Full<Bytes>> {
        let now = milliseconds(SystemTime::now());
        let valid_for = client.acquisitions.valid_until.load(SeqCst) - now;
        let cooldown_for = client.acquisitions.cooldown_until.load(SeqCst) - now;
        let mut response = Response::new(Full::default());
        let fields = response.headers_mut();
        match self.invoices(client).await {
            Ok(status) if status.is_success() => {
                fields.insert(OUTCOME, HeaderValue::from_static("ok"));
            }
            Ok(status) => {
                fields.insert(OUTCOME, HeaderValue::from_static("api status"));
                fields.insert(ERROR, text(status.as_str()));
            }
            Err(error) => {
                let outcome = match Error::find(&*error) {
                    Some(ours) => text(&format!("token {}", ours.code())),
                    None if error.is::<tower::timeout::error::Elapsed>() => {
                        HeaderValue::from_static("api timeout")
                    }
                    None => HeaderValue::from_static("api error"),
                };
                fields.insert(OUTCOME, outcome);
                fields.insert(ERROR, text(&format!("{error} {error:?}")));
            }
        }
        fields.insert(VALID_FOR, HeaderValue::from(valid_for));
        fields.insert(COOLDOWN_FOR, HeaderValue::from(cooldown_for));
        response
    }

    async fn invoices(&self, client: &Client) -> Result<http::StatusCode, BoxError> {
        let request = Request::get(format!("{}/invoices", self.api_url)).body(Empty::new())?;
        let response = client.api.clone().oneshot(request).await?;
        let status = response.status();
        tokio::time::timeout(API_TIMEOUT, response.into_body().collect()).await??;
        Ok(status)
    }

    fn stats(&self) -> String {
        let clients = self.clients.iter().map(|client| {
            let (requests, acquisitions) = (&client.token_requests, &client.acquisitions);
            let counts = serde_json::json!({
                "token_requests": requests.total.load(SeqCst),
                "most_token_requests_in_flight": requests.most_in_flight.load(SeqCst),
                "acquisitions": acquisitions.started.load(SeqCst),
                "failed_at": *lock(&acquisitions.failed),
                "sharing_stopped": acquisitions.sharing_stopped.load(SeqCst),
                "sharing_resumed": acquisitions.sharing_resumed.load(SeqCst),
                "acquisitions_in_flight": acquisitions.in_flight.load(SeqCst),
                "most_acquisitions_in_flight": acquisitions.most_in_flight.load(SeqCst),
            });
            (client.name.to_owned(), counts)
        });
        serde_json::json!({
            "clients": clients.collect::<serde_json::Map<_, _>>(),
            "tasks": Handle::current().metrics().num_alive_tasks(),
            "api_requests": self.api.total.load(SeqCst),
            "without_token": self.violations.without_token.load(SeqCst),
            "with_expired_token": self.violations.with_expired_token.load(SeqCst),
        })
        .to_string()
    }
}

/// As much of a text as a header field takes.
fn text(text: &str) -> HeaderValue {
    let ascii: String = text.chars().filter(|it| (' '..='~').contains(it)).take(600).collect();
    HeaderValue::from_str(&ascii).unwrap_or_else(|_| HeaderValue::from_static("?"))
}
