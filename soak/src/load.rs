//! The load: requests at fixed times, whether or not earlier ones were answered.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    net::TcpStream,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    Failure,
    faults::Timeline,
    service::{API_TIMEOUT, COOLDOWN_FOR, ERROR, OUTCOME, TOKEN_WAIT, VALID_FOR},
};

pub const RATE: u64 = 2_000;
const CONNECTIONS: usize = 8;
/// The longest time of a request: the wait for a token, the API's head and body, and scheduling.
pub const BOUND: Duration = TOKEN_WAIT
    .saturating_add(API_TIMEOUT)
    .saturating_add(API_TIMEOUT)
    .saturating_add(Duration::from_secs(2));
/// How long a request for a token may go on after the fault, on a machine with other load: 2 s on a lost
/// connection, and a retry.
pub const TOKEN_RECOVERY: Duration = Duration::from_secs(3);
/// The first request after a cooldown gets a token at once if the authorization server can be reached.
const COOLDOWN_MARGIN_MS: i64 = 500;
/// A token that ends while the request is prepared is no valid token.
const MARGIN_MS: i64 = 50;

/// A connection to the service under test.
pub type Connection = SendRequest<Empty<Bytes>>;

pub async fn connect(service: SocketAddr) -> Result<Connection, Failure> {
    let tcp = TcpStream::connect(service).await?;
    tcp.set_nodelay(true)?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_max_send_streams(100_000)
        .handshake(TokioIo::new(tcp))
        .await?;
    tokio::spawn(connection);
    Ok(sender)
}

/// The fields and the body of an answer.
pub async fn get(connection: &Connection, path: &str) -> Result<(HeaderMap, Bytes), hyper::Error> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = format!("http://service{path}").parse().unwrap_or_default();
    let mut connection = connection.clone();
    connection.ready().await?;
    let (head, body) = connection.send_request(request).await?.into_parts();
    Ok((head.headers, body.collect().await?.to_bytes()))
}

#[derive(Default)]
pub struct Results {
    pub sent: AtomicU64,
    pub in_flight: AtomicU64,
    pub most_in_flight: AtomicU64,
    /// Microseconds by which a request was sent late.
    pub latest: AtomicU64,
    /// How many requests had each outcome.
    pub outcomes: Mutex<BTreeMap<String, u64>>,
    /// Microseconds that each served request took.
    pub took: Mutex<Vec<u32>>,
    pub longest: AtomicU64,
    /// The number of broken promises, by kind, and the first ones.
    pub broken: Mutex<BTreeMap<&'static str, (u64, Vec<String>)>>,
}

pub fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub const HANGS: &str = "requests beyond their bound";
pub const SERVICE_FAILED: &str = "requests that the service did not answer";
pub const TOKEN_WASTED: &str = "requests that failed although a valid token was cached";
pub const TOKEN_WITHOUT_FAULT: &str = "requests without a token although the cooldown was over and the authorization server could be reached";
pub const API_WITHOUT_FAULT: &str = "requests that failed at an API that could be reached";

impl Results {
    fn judge(&self, begin: Instant, outcome: &str, fields: &HeaderMap, timeline: &Timeline) {
        let field = |name| fields.get(name).and_then(|it| it.to_str().ok());
        let left = |name| field(name).and_then(|it| it.parse().ok()).unwrap_or(0_i64);
        let (valid_for, cooldown_for) = (left(VALID_FOR), left(COOLDOWN_FOR));
        let kind = match outcome {
            "ok" => return,
            it if it.starts_with("token") && valid_for > MARGIN_MS => TOKEN_WASTED,
            it if it.starts_with("token")
                && cooldown_for < -COOLDOWN_MARGIN_MS
                && !timeline.tokens_failed_since(begin, TOKEN_RECOVERY) =>
            {
                TOKEN_WITHOUT_FAULT
            }
            it if it.starts_with("api") && !timeline.api_failed_since(begin) => API_WITHOUT_FAULT,
            _ => return,
        };
        let error = field(ERROR).unwrap_or_default();
        let detail = format!(
            "{outcome}, token valid for {valid_for} ms, cooldown for {cooldown_for} ms, {error}"
        );
        self.broken(kind, begin, &detail, timeline);
    }

    fn broken(&self, kind: &'static str, begin: Instant, detail: &str, timeline: &Timeline) {
        let mut all = lock(&self.broken);
        let (count, first) = all.entry(kind).or_default();
        *count += 1;
        if first.len() < 5 {
            let line =
                format!("{kind}: after {:?}, {}: {detail}", begin.elapsed(), timeline.last());
            eprintln!("{line}");
            first.push(line);
        }
    }

    async fn request(&self, connection: Connection, path: &'static str, timeline: &Timeline) {
        let now = self.in_flight.fetch_add(1, Relaxed) + 1;
        self.most_in_flight.fetch_max(now, Relaxed);
        let begin = Instant::now();
        let answer = timeout(BOUND, get(&connection, path)).await;
        let took = begin.elapsed();
        self.longest.fetch_max(micros(took), Relaxed);
        let outcome = match &answer {
            Err(_) => {
                self.broken(HANGS, begin, path, timeline);
                "no answer in time".to_owned()
            }
            Ok(Err(error)) => {
                self.broken(SERVICE_FAILED, begin, &format!("{error:?}"), timeline);
                "service".to_owned()
            }
            Ok(Ok((fields, _))) => {
                let outcome = fields.get(OUTCOME).and_then(|it| it.to_str().ok()).unwrap_or("none");
                self.judge(begin, outcome, fields, timeline);
                outcome.to_owned()
            }
        };
        if outcome == "ok" {
            lock(&self.took).push(u32::try_from(micros(took)).unwrap_or(u32::MAX));
        }
        *lock(&self.outcomes).entry(outcome).or_default() += 1;
        self.in_flight.fetch_sub(1, Relaxed);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Sends the load, and waits for the last answers.
pub async fn run(
    service: SocketAddr,
    time: Duration,
    timeline: Arc<Timeline>,
    results: Arc<Results>,
) -> Result<(), Failure> {
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(connect(service).await?);
    }
    let begin = Instant::now();
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let total = micros(time) * RATE / 1_000_000;
    let mut sent = 0;
    while sent < total {
        ticks.tick().await;
        let elapsed = micros(begin.elapsed());
        let due = (elapsed * RATE / 1_000_000).min(total);
        if due > sent {
            results.latest.fetch_max(elapsed - sent * 1_000_000 / RATE, Relaxed);
        }
        for number in sent..due {
            let path = if number.is_multiple_of(2) { "/plain" } else { "/shared" };
            let connection = connections[number as usize / 2 % CONNECTIONS].clone();
            let (results, timeline) = (Arc::clone(&results), Arc::clone(&timeline));
            tokio::spawn(async move { results.request(connection, path, &timeline).await });
        }
        sent = due;
        results.sent.store(sent, Relaxed);
    }
    let all_answered = async {
        while results.in_flight.load(Relaxed) > 0 {
            sleep(Duration::from_millis(50)).await;
        }
    };
    // Each request has a timeout, so this ends.
    all_answered.await;
    Ok(())
}
