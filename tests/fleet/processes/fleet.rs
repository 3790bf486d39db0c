//! The processes of a fleet, and the servers that they call.

use std::{
    env,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    net::{
        TcpListener,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{sleep, timeout},
};
use tower_oauth2_client_credentials::testing::{
    AuthorizationServer, MockServer, ProtectedApi, RegisteredClient,
};

use crate::worker::{Report, Settings};

pub(crate) const PROCESSES: usize = 8;
/// Concurrent requests of each process.
pub(crate) const REQUESTS: usize = 100;
/// The time between two requests of a process.
pub(crate) const PAUSE: Duration = Duration::from_millis(50);

/// For each step, on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is checked.
const POLL: Duration = Duration::from_millis(10);

/// An authorization server and an API.
pub(crate) struct Servers {
    pub(crate) idp: AuthorizationServer,
    sockets: [MockServer; 2],
}

impl Servers {
    pub(crate) async fn start(lifetime: Duration, single_token: bool) -> Self {
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("billing").secret("s3cret"))
            .lifetime(lifetime)
            .single_token(single_token)
            .delay(Duration::from_millis(100))
            .build();
        let api = ProtectedApi::new(&idp);
        Self::listen(idp, api).await
    }

    /// An API that answers each request with 401: it accepts the tokens of another server.
    pub(crate) async fn start_rejecting() -> Self {
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("billing").secret("s3cret"))
            .delay(Duration::from_millis(100))
            .build();
        let api = ProtectedApi::new(&AuthorizationServer::new());
        Self::listen(idp, api).await
    }

    async fn listen(idp: AuthorizationServer, api: ProtectedApi) -> Self {
        let sockets = [idp.listen().await.unwrap(), api.listen().await.unwrap()];
        Self { idp, sockets }
    }

    /// Settings for processes that share through this store.
    pub(crate) fn settings(&self, store: impl Into<String>) -> Settings {
        let [token_server, api] = &self.sockets;
        Settings {
            number: 0,
            control: String::new(),
            store: store.into(),
            token_url: token_server.token_url(),
            api: api.url(),
            path: "/things".to_owned(),
            client_id: "billing".to_owned(),
            client_secret: "s3cret".to_owned(),
            lease: Duration::from_secs(5),
            // A busy machine is not a fault.
            store_timeout: Duration::from_secs(5),
        }
    }

    /// Waits until this many token requests have arrived.
    #[cfg(feature = "redis")]
    pub(crate) async fn token_requests(&self, count: u64) {
        let start = Instant::now();
        while self.idp.token_requests() < count {
            assert!(start.elapsed() < PATIENCE, "waited too long for token request {count}");
            sleep(POLL).await;
        }
    }

    /// The process that sent a token request: the first is 0.
    #[cfg(feature = "redis")]
    pub(crate) fn sender(&self, request: usize) -> usize {
        self.idp.requests()[request].header("x-worker").unwrap().parse().unwrap()
    }
}

/// A process.
pub(crate) struct Worker {
    process: Child,
    answers: Lines<BufReader<OwnedReadHalf>>,
    commands: OwnedWriteHalf,
}

impl Worker {
    async fn start(mut settings: Settings, number: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        settings.number = number;
        settings.control = listener.local_addr().unwrap().to_string();
        let (variable, value) = settings.variable();
        let process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "worker", "--nocapture"])
            .env(variable, value)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let accepted = timeout(PATIENCE, listener.accept()).await.expect("the process starts");
        let (read, commands) = accepted.unwrap().0.into_split();
        Self { process, answers: BufReader::new(read).lines(), commands }
    }

    pub(crate) async fn send(&mut self, command: &str) {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> String {
        let answer = timeout(PATIENCE, self.answers.next_line()).await.expect("an answer in time");
        answer.unwrap().expect("the process runs")
    }

    /// Waits for the results of requests, and checks that none failed. Returns their number.
    pub(crate) async fn all_succeed(&mut self) -> usize {
        let report: Report = serde_json::from_str(&self.answer().await).unwrap();
        let failed = report.failures.len();
        assert!(failed == 0, "{failed} requests failed: {:?}", report.failures.first());
        report.succeeded
    }

    /// Sends a signal, as in `STOP` and `CONT`.
    #[cfg(feature = "redis")]
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Processes with the same settings.
pub(crate) struct Fleet {
    pub(crate) workers: Vec<Worker>,
}

impl Fleet {
    /// Starts the processes, which wait for commands.
    pub(crate) async fn start(settings: &Settings) -> Self {
        let mut workers = Vec::new();
        for number in 0..PROCESSES {
            workers.push(Worker::start(settings.clone(), number).await);
        }
        Self { workers }
    }

    /// One more process.
    #[cfg(feature = "redis")]
    pub(crate) async fn start_another(&mut self, settings: &Settings) -> &mut Worker {
        let worker = Worker::start(settings.clone(), self.workers.len()).await;
        self.workers.push(worker);
        self.workers.last_mut().unwrap()
    }

    pub(crate) async fn send(&mut self, command: &str) {
        for worker in &mut self.workers {
            worker.send(command).await;
        }
    }

    /// All processes send so many requests at the same time, and all of them succeed.
    pub(crate) async fn burst(&mut self, requests: usize) {
        self.send(&format!("burst {requests}")).await;
        for worker in &mut self.workers {
            assert_eq!(worker.all_succeed().await, requests);
        }
    }

    /// All processes send so many requests at the same time, and the API rejects all of them.
    pub(crate) async fn rejected_burst(&mut self, requests: usize) {
        self.send(&format!("burst {requests}")).await;
        for worker in &mut self.workers {
            let report: Report = serde_json::from_str(&worker.answer().await).unwrap();
            let is_rejected = |failure: &String| failure.starts_with("401");
            assert!(report.failures.iter().all(is_rejected), "{:?}", report.failures);
            assert_eq!((report.succeeded, report.failures.len()), (0, requests));
        }
    }

    /// All processes begin to send requests.
    pub(crate) async fn start_traffic(&mut self, pause: Duration) {
        self.send(&format!("start {}", pause.as_millis())).await;
        for worker in &mut self.workers {
            assert_eq!(worker.answer().await, "started");
        }
    }

    /// Stops the traffic, and checks that no request failed.
    pub(crate) async fn stop_traffic(&mut self) {
        self.send("stop").await;
        for worker in &mut self.workers {
            assert!(worker.all_succeed().await > 0);
        }
    }

    /// The tokens that are cached now.
    pub(crate) async fn tokens(&mut self) -> Vec<String> {
        self.send("token").await;
        let mut tokens = Vec::new();
        for worker in &mut self.workers {
            tokens.push(worker.answer().await);
        }
        tokens
    }

    /// Waits until a condition holds for the tokens of all processes.
    pub(crate) async fn tokens_until(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&[String]) -> bool,
    ) -> Vec<String> {
        let start = Instant::now();
        loop {
            let tokens = self.tokens().await;
            if condition(&tokens) {
                return tokens;
            }
            assert!(start.elapsed() < PATIENCE, "waited too long for {what}: {tokens:?}");
            sleep(POLL).await;
        }
    }

    /// Waits until all processes have one token that is not the previous one.
    pub(crate) async fn common_token_after(
        &mut self,
        is_previous: impl Fn(&str) -> bool,
    ) -> String {
        let mut tokens = self
            .tokens_until("a common token", |tokens| {
                tokens[0] != "-"
                    && !is_previous(&tokens[0])
                    && tokens.iter().all(|it| *it == tokens[0])
            })
            .await;
        tokens.swap_remove(0)
    }

    /// As [`common_token_after`](Self::common_token_after), for a mock server: its tokens have numbers,
    /// from 1.
    pub(crate) async fn common_number_after(&mut self, last: u64) -> u64 {
        number(&self.common_token_after(|token| number(token) == last).await)
    }
}

/// The number of a mock server's token: `tok-1-…` is the first. 0 for none.
pub(crate) fn number(token: &str) -> u64 {
    token.split('-').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0)
}

/// A cold start, a revocation, each of some short lives and another revocation cost one token request each.
///
/// The first token lives long, because the cold start of a busy machine may take longer than a short life.
pub(crate) async fn cold_start_lives_and_revocations(store: String) {
    let servers = Servers::start(Duration::from_secs(3600), false).await;
    let mut fleet = Fleet::start(&servers.settings(store)).await;
    fleet.burst(REQUESTS).await;
    assert_eq!(servers.idp.token_requests(), 1, "a cold start");
    fleet.start_traffic(PAUSE).await;
    servers.idp.set_lifetime(Duration::from_secs(2));
    servers.idp.revoke_all();
    let mut last = 1;
    while last < 5 {
        let next = fleet.common_number_after(last).await;
        assert_eq!((next, servers.idp.token_requests()), (last + 1, next), "life after life");
        last = next;
    }
    servers.idp.revoke_all();
    let next = fleet.common_number_after(last).await;
    assert_eq!((next, servers.idp.token_requests()), (last + 1, next), "a revocation");
    fleet.stop_traffic().await;
}
