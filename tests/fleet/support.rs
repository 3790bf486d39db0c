//! An authorization server that counts its token requests, and processes that share its tokens.

use std::{
    collections::HashSet,
    future::{Future, poll_fn},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Poll, Waker},
    time::{Duration, SystemTime},
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Token, TokenCache, TokenSource,
    cache::TokenCacheBuilder,
    event::AcquisitionReason,
    source::{AcquireContext, Sharing},
    store::{MemoryStore, SealingKey, Shared, SharedBuilder},
};

#[path = "../support/log.rs"]
#[allow(dead_code)] // Other tests use the rest.
mod log;

pub(crate) use log::Log;

pub(crate) const LIFE: f64 = 3600.0;

pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

pub(crate) async fn pass(seconds: f64) {
    sleep(secs(seconds)).await;
}

pub(crate) fn key(number: u8) -> SealingKey {
    let mut bytes = *b"not a real key, just an example.";
    bytes[0] = number;
    SealingKey::from_bytes(bytes).unwrap()
}

/// A token request, from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) nth: usize,
    pub(crate) at: Instant,
    /// The process that sent it.
    pub(crate) process: usize,
}

type Script = dyn Fn(Asked) -> (Duration, Result<Token, Error>) + Send + Sync;

/// An authorization server.
#[derive(Clone)]
pub(crate) struct Server(Arc<Inner>);

struct Inner {
    script: Mutex<Arc<Script>>,
    asked: Mutex<Vec<Asked>>,
    /// The tokens that the API accepts no longer.
    revoked: Mutex<HashSet<String>>,
}

impl Server {
    pub(crate) fn new(
        script: impl Fn(Asked) -> (Duration, Result<Token, Error>) + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            script: Mutex::new(Arc::new(script)),
            asked: Mutex::default(),
            revoked: Mutex::default(),
        }))
    }

    /// Tokens `t1`, `t2`, … with this lifetime, each after this latency.
    pub(crate) fn healthy(life: f64, latency: f64) -> Self {
        Self::new(move |asked| (secs(latency), Ok(token(asked.nth, life))))
    }

    pub(crate) fn set(
        &self,
        script: impl Fn(Asked) -> (Duration, Result<Token, Error>) + Send + Sync + 'static,
    ) {
        *self.0.script.lock().unwrap() = Arc::new(script);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.0.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.asked.lock().unwrap().len()
    }

    async fn ask(&self, process: usize) -> Result<Token, Error> {
        let asked = {
            let mut all = self.0.asked.lock().unwrap();
            let asked = Asked { nth: all.len() + 1, at: Instant::now(), process };
            all.push(asked);
            asked
        };
        let script = Arc::clone(&*self.0.script.lock().unwrap());
        let (latency, result) = script(asked);
        sleep(latency).await;
        result
    }

    pub(crate) fn revoke(&self, token: &Token) {
        self.0.revoked.lock().unwrap().insert(token.secret().to_owned());
    }

    pub(crate) fn accepts(&self, token: &Token) -> bool {
        !self.0.revoked.lock().unwrap().contains(token.secret())
    }
}

pub(crate) fn token(nth: usize, life: f64) -> Token {
    Token::bearer(format!("t{nth}")).unwrap().with_lifetime(secs(life))
}

pub(crate) fn server_error() -> Error {
    Error::new(ErrorKind::OAuth).with_oauth_code("server_error", None)
}

/// The source of one process.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) server: Server,
    pub(crate) process: usize,
}

impl TokenSource for Client {
    async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
        self.server.ask(self.process).await
    }

    fn sharing(&self) -> Sharing {
        Sharing::new().with("client_id", "my-service")
    }
}

/// A wall clock that runs with tokio's, and may be ahead or behind.
#[derive(Clone, Copy)]
pub(crate) struct Wall {
    start: Instant,
    wall: SystemTime,
}

impl Wall {
    pub(crate) fn new() -> Self {
        // As the clock of `MemoryStore`.
        Self { start: Instant::now(), wall: SystemTime::now() }
    }

    pub(crate) fn clock(self, ahead: f64) -> impl Fn() -> SystemTime + Send + Sync + 'static {
        move || {
            let now = self.wall + self.start.elapsed();
            if ahead < 0.0 { now - secs(-ahead) } else { now + secs(ahead) }
        }
    }
}

/// A fleet with one store.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) server: Server,
    pub(crate) store: MemoryStore,
    pub(crate) wall: Wall,
    processes: Arc<Mutex<usize>>,
}

impl Fleet {
    pub(crate) fn new(server: Server) -> Self {
        Self { server, store: MemoryStore::new(), wall: Wall::new(), processes: Arc::default() }
    }

    /// The source of another process, with the key that all have.
    pub(crate) fn shared(&self) -> SharedBuilder<Client> {
        self.shared_ahead(0.0)
    }

    /// The same with a clock that is ahead.
    pub(crate) fn shared_ahead(&self, ahead: f64) -> SharedBuilder<Client> {
        let process = {
            let mut processes = self.processes.lock().unwrap();
            *processes += 1;
            *processes
        };
        let client = Client { server: self.server.clone(), process };
        Shared::builder(client, self.store.clone())
            .sealed_with([key(1)])
            .wall_clock(self.wall.clock(ahead))
    }

    pub(crate) fn process(&self) -> TokenCache {
        self.process_with(|builder| builder)
    }

    pub(crate) fn process_with(
        &self,
        configure: impl FnOnce(TokenCacheBuilder) -> TokenCacheBuilder,
    ) -> TokenCache {
        self.cache(self.shared(), configure)
    }

    pub(crate) fn cache(
        &self,
        shared: SharedBuilder<Client>,
        configure: impl FnOnce(TokenCacheBuilder) -> TokenCacheBuilder,
    ) -> TokenCache {
        let builder = TokenCache::builder(shared.build().unwrap());
        configure(builder.wall_clock(self.wall.clock(0.0))).build()
    }

    pub(crate) fn processes(&self, count: usize) -> Vec<TokenCache> {
        (0..count).map(|_| self.process()).collect()
    }
}

/// All processes get a token at the same time: the secrets, or the errors.
pub(crate) async fn get_all(processes: &[TokenCache]) -> Vec<Result<String, Error>> {
    let gets: Vec<_> = processes.iter().map(|it| tokio::spawn(it.get())).collect();
    let mut results = Vec::new();
    for get in gets {
        results.push(get.await.unwrap().map(|token| token.secret().to_owned()));
    }
    results
}

/// All processes get this token at the same time.
pub(crate) async fn all_get(processes: &[TokenCache], secret: &str) {
    for (process, got) in get_all(processes).await.into_iter().enumerate() {
        assert_eq!(got.unwrap(), secret, "process {process}");
    }
}

pub(crate) async fn gets(process: &TokenCache, secret: &str) {
    assert_eq!(process.get().await.unwrap().secret(), secret);
}

/// The tokens that are cached now, without effects.
pub(crate) fn cached(processes: &[TokenCache]) -> Vec<String> {
    let secret =
        |it: &TokenCache| it.peek().map_or_else(|| "-".to_owned(), |it| it.secret().to_owned());
    processes.iter().map(secret).collect()
}

/// Lets every other task run as far as it can at this instant.
pub(crate) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// Each process sends a request each `interval` seconds, at times that differ, for `duration` seconds.
/// The API rejects tokens that are revoked. Returns the number of requests that failed.
pub(crate) async fn traffic(
    fleet: &Fleet,
    processes: &[TokenCache],
    interval: f64,
    duration: f64,
) -> usize {
    let tasks: Vec<_> = processes
        .iter()
        .enumerate()
        .map(|(number, process)| {
            let (process, server) = (process.clone(), fleet.server.clone());
            let offset = interval * number as f64 / processes.len() as f64;
            tokio::spawn(async move {
                let (start, mut failed) = (Instant::now(), 0);
                pass(offset).await;
                while start.elapsed() < secs(duration) {
                    failed += usize::from(!request(&process, &server).await);
                    pass(interval).await;
                }
                failed
            })
        })
        .collect();
    let mut failed = 0;
    for task in tasks {
        failed += task.await.unwrap();
    }
    failed
}

/// A request with one replay, as the layer makes it. Returns whether the API accepted it.
pub(crate) async fn request(process: &TokenCache, server: &Server) -> bool {
    let Ok(token) = process.get().await else { return false };
    if server.accepts(&token) {
        return true;
    }
    match process.replacement(&token).await {
        Some(other) => server.accepts(&other),
        None => false,
    }
}

/// Whether a log line is about sharing. All of them name the client.
fn is_of_store(line: &str) -> bool {
    let messages = ["token store", "shared token"];
    messages.iter().any(|message| line.contains(message)) && line.contains("client=\"oauth")
}

/// Runs a future, and returns the log lines of the store in the meantime.
pub(crate) async fn logged<T>(future: impl Future<Output = T>) -> (T, Vec<String>) {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .without_time()
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let result = future.await;
    let lines = log.take();
    let of_store = lines.lines().filter(|line| is_of_store(line));
    (result, of_store.map(str::to_owned).collect())
}

/// One acquisition of a process that can be stopped like one that gets a SIGSTOP.
pub(crate) struct Process {
    pub(crate) acquired: JoinHandle<Result<Token, Error>>,
    is_stopped: Arc<AtomicBool>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Process {
    pub(crate) fn start(shared: Shared<Client>) -> Self {
        let (is_stopped, waker) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let acquired = tokio::spawn({
            let (is_stopped, waker) = (Arc::clone(&is_stopped), Arc::<Mutex<_>>::clone(&waker));
            async move {
                let context = AcquireContext::new(AcquisitionReason::Missing);
                let mut acquiring = std::pin::pin!(shared.acquire(context));
                poll_fn(|cx| {
                    *waker.lock().unwrap() = Some(cx.waker().clone());
                    if is_stopped.load(SeqCst) {
                        Poll::Pending
                    } else {
                        acquiring.as_mut().poll(cx)
                    }
                })
                .await
            }
        });
        Self { acquired, is_stopped, waker }
    }

    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, SeqCst);
    }

    pub(crate) fn resume(&self) {
        self.is_stopped.store(false, SeqCst);
        self.waker.lock().unwrap().take().unwrap().wake();
    }
}
