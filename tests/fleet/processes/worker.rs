//! A process of the fleet. It does what the lines of a connection say, and answers each with a line.

use std::{env, fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Empty;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::Notify,
    task::{JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior},
};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tower_oauth2_client_credentials::{
    ClientCredentials, OAuthClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache,
    store::{FileStore, SealingKey, Shared},
    transport::{HyperClient, HyperTransport, TokenRequest},
};

/// The variable of [`Settings`].
const VARIABLE: &str = "FLEET_WORKER";

type Client = OAuthClientCredentials<HyperClient<Empty<Bytes>>>;

/// The settings of one process.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(crate) struct Settings {
    /// Sent with its token requests, as `x-worker`.
    pub(crate) number: usize,
    /// Where it gets its commands.
    pub(crate) control: String,
    /// A URL of Redis, or a directory.
    pub(crate) store: String,
    pub(crate) token_url: String,
    /// The origin of the API.
    pub(crate) api: String,
    /// The path of its resource.
    pub(crate) path: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) lease: Duration,
    pub(crate) store_timeout: Duration,
}

impl Settings {
    pub(crate) fn from_env() -> Option<Self> {
        env::var(VARIABLE).ok().map(|settings| serde_json::from_str(&settings).unwrap())
    }

    /// The variable and its value, for the environment of a process.
    pub(crate) fn variable(&self) -> (&'static str, String) {
        (VARIABLE, serde_json::to_string(self).unwrap())
    }

    fn cache(&self) -> TokenCache {
        let number = HeaderValue::from(self.number);
        let transport = ServiceBuilder::new()
            .map_request(move |mut request: TokenRequest| {
                request.headers_mut().insert("x-worker", number.clone());
                request
            })
            .service(HyperTransport::new().unwrap());
        let source = ClientCredentials::builder(&self.token_url)
            .client_secret_basic(&self.client_id, &self.client_secret)
            .transport(transport)
            .build()
            .unwrap();
        let shared = match self.store.starts_with("redis:") {
            #[cfg(feature = "redis")]
            true => {
                use tower_oauth2_client_credentials::store::RedisStore;
                Shared::builder(source, RedisStore::new(&self.store).unwrap())
            }
            _ => Shared::builder(source, FileStore::new(&self.store)),
        };
        let key = SealingKey::from_bytes(b"not a real key, just an example.").unwrap();
        let shared = shared
            .sealed_with([key])
            .lease(self.lease)
            .store_timeout(self.store_timeout)
            // The processes have one clock, and tokens of a few seconds.
            .clock_skew(Duration::ZERO);
        TokenCache::new(shared.build().unwrap())
    }
}

/// Runs until the connection ends.
pub(crate) fn run(settings: Settings) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let tokens = settings.cache();
        let origins = Origins::parse([&settings.api]).unwrap();
        let client = HyperTransport::builder().build_client().unwrap();
        let client = OAuthClientCredentialsLayer::new(tokens.clone(), origins).layer(client);
        let requests = Requests { client, url: (settings.api + &settings.path).into() };
        let mut traffic = None;

        let connection = TcpStream::connect(settings.control).await.unwrap();
        let (read, mut write) = connection.into_split();
        let mut commands = BufReader::new(read).lines();
        while let Ok(Some(command)) = commands.next_line().await {
            let mut answer = match command.split_once(' ').unwrap_or((&command, "")) {
                ("burst", count) => requests.burst(count.parse().unwrap()).await.line(),
                ("start", pause) => {
                    let pause = Duration::from_millis(pause.parse().unwrap());
                    traffic = Some(Traffic::start(requests.clone(), pause));
                    "started".to_owned()
                }
                ("stop", _) => traffic.take().unwrap().stop().await.line(),
                ("token", _) => {
                    tokens.peek().map_or_else(|| "-".to_owned(), |it| it.secret().to_owned())
                }
                _ => panic!("{command}"),
            };
            answer.push('\n');
            write.write_all(answer.as_bytes()).await.unwrap();
        }
    });
}

/// The results of some requests.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Report {
    pub(crate) succeeded: usize,
    /// What happened to the others.
    pub(crate) failures: Vec<String>,
}

impl Report {
    fn record(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => self.succeeded += 1,
            Err(failure) => self.failures.push(failure),
        }
    }

    fn line(&self) -> String {
        serde_json::to_string(self).unwrap()
    }
}

#[derive(Clone)]
struct Requests {
    client: Client,
    url: Arc<str>,
}

impl Requests {
    /// A request that can be replayed.
    async fn send(self) -> Result<(), String> {
        let start = Instant::now();
        let request = Request::get(&*self.url).body(Empty::new()).unwrap();
        let mut failure = match self.client.oneshot(request).await {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => response.status().to_string(),
            Err(error) => error.to_string(),
        };
        let _ = write!(failure, " after {:?}", start.elapsed());
        Err(failure)
    }

    /// Requests at the same time.
    async fn burst(&self, count: usize) -> Report {
        let mut requests: JoinSet<_> = (0..count).map(|_| self.clone().send()).collect();
        let mut report = Report::default();
        while let Some(result) = requests.join_next().await {
            report.record(result.unwrap());
        }
        report
    }
}

/// Requests at regular times, whether earlier ones have been answered or not.
struct Traffic {
    stop: Arc<Notify>,
    task: JoinHandle<Report>,
}

impl Traffic {
    fn start(requests: Requests, pause: Duration) -> Self {
        let stop = Arc::new(Notify::new());
        let task = tokio::spawn({
            let stop = Arc::clone(&stop);
            async move {
                let (mut report, mut running) = (Report::default(), JoinSet::new());
                let mut times = tokio::time::interval(pause);
                times.set_missed_tick_behavior(MissedTickBehavior::Delay);
                loop {
                    tokio::select! {
                        () = stop.notified() => break,
                        _ = times.tick() => drop(running.spawn(requests.clone().send())),
                        Some(result) = running.join_next() => report.record(result.unwrap()),
                    }
                }
                while let Some(result) = running.join_next().await {
                    report.record(result.unwrap());
                }
                report
            }
        });
        Self { stop, task }
    }

    async fn stop(self) -> Report {
        self.stop.notify_one();
        self.task.await.unwrap()
    }
}
