//! The driver: starts the processes, makes the faults, and measures.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{ChildStdout, Command},
    time::{interval, sleep, sleep_until},
};

use crate::{
    Failure, certificates,
    faults::{self, Fault, Kind, Target, Timeline},
    load::{self, Connection, Results, lock},
    processes::{self, Process},
    proxy::{Mode, Proxy},
    report::{self, Quiet, Report},
    servers::{SECRET, TOKEN_PREFIX},
    service::SEALING_KEY,
};

/// How long the service may need to close what the load opened: idle connections live for 20 s, lost
/// ones for 30 s, idle threads for 10 s.
const SETTLING: Duration = Duration::from_secs(60);

/// Everything that faults act on.
struct World {
    directory: PathBuf,
    ports: [u16; 3],
    authorization_server: Process,
    redis: Process,
    service: Process,
    control: Connection,
    proxies: [Proxy; 3],
    token_requests: Arc<Mutex<BTreeMap<String, u64>>>,
    limit: Option<u64>,
    _api: Process,
}

/// The scan of the log.
#[derive(Default)]
pub struct Log {
    pub lines: AtomicU64,
    pub secrets: AtomicU64,
}

/// Runs for this many seconds. Returns whether every check passed.
pub async fn run(seconds: &str, directory: &Path) -> Result<bool, Failure> {
    let time = Duration::from_secs(seconds.parse()?);
    let seed = std::env::var("SOAK_SEED").map_or(Ok(1), |it| it.parse())?;
    certificates::create(directory)?;
    let log = Arc::<Log>::default();
    let (mut world, address) = World::start(directory, &log).await?;

    // The connections of a healthy service are part of the baseline.
    for path in ["/plain", "/shared"] {
        load::get(&world.control, path).await?;
    }
    let before = world.settle(None).await?;
    eprintln!("before the load: {before:?}");

    let (timeline, results) = (Arc::<Timeline>::default(), Arc::<Results>::default());
    let begin = Instant::now();
    let loading = tokio::spawn(load::run(address, time, timeline.clone(), results.clone()));
    let memory = Arc::<Mutex<Vec<(Duration, u64)>>>::default();
    let first_cycle = world.faults(time, seed, &timeline, &memory).await?;
    loading.await??;
    let stats = world.stats().await?;
    let after = world.settle(Some(before)).await?;
    eprintln!("after the load: {after:?}");
    let last_stats = world.stats().await?;
    let report = Report {
        seed,
        time,
        first_cycle,
        end: begin.elapsed(),
        before,
        after,
        stats,
        last_stats,
        memory: std::mem::take(&mut *lock(&memory)),
        results,
        timeline,
        issued: lock(&world.token_requests).clone(),
        log,
    };
    report.print(directory)
}

impl World {
    async fn start(directory: &Path, log: &Arc<Log>) -> Result<(Self, SocketAddr), Failure> {
        let ports = [processes::free_port()?, processes::free_port()?, processes::free_port()?];
        let addresses = ports.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let token_requests = Arc::default();
        let authorization_server =
            start_server("authorization-server", directory, ports[0], Arc::clone(&token_requests))?;
        let api = start_server("api", directory, ports[1], Arc::default())?;
        let redis = Process::start(&mut processes::redis(ports[2]))?;
        let mut proxies = Vec::new();
        for address in addresses {
            processes::reachable(address).await?;
            proxies.push(Proxy::start(address).await?);
        }
        let proxies: [Proxy; 3] = proxies.try_into().map_err(|_| "three proxies")?;
        let mut command = processes::ourselves("service", directory)?;
        command
            .env("SOAK_TOKEN_URL", format!("https://{}/token", proxies[0].address))
            .env("SOAK_API", format!("https://{}", proxies[1].address))
            .env("SOAK_REDIS", format!("redis://{}", proxies[2].address))
            .stderr(Stdio::piped());
        let mut service = Process::start(&mut command)?;
        let lines = service.log().ok_or("the service has no log")?;
        let file = File::create(directory.join("service.log"))?;
        tokio::spawn(scan(lines, file, Arc::clone(log)));
        let mut output = service.output().ok_or("the service has no output")?;
        let line = output.next_line().await?.ok_or("the service ended")?;
        let address = line.strip_prefix("listening ").ok_or("the service did not start")?;
        let address = address.parse()?;
        let control = load::connect(address).await?;
        let directory = directory.to_owned();
        let world = Self {
            directory,
            ports,
            authorization_server,
            redis,
            service,
            control,
            proxies,
            token_requests,
            limit: None,
            _api: api,
        };
        Ok((world, address))
    }

    async fn stats(&self) -> Result<Value, Failure> {
        let (_, body) = load::get(&self.control, "/stats").await?;
        Ok(serde_json::from_slice(&body)?)
    }

    async fn quiet(&self) -> Result<Quiet, Failure> {
        Ok(Quiet {
            tasks: self.stats().await?["tasks"].as_u64().ok_or("no tasks in the stats")?,
            threads: self.service.threads()?,
            sockets: self.service.sockets()?,
        })
    }

    /// Waits until the counts are no larger than these, or without them until they stay the same for
    /// 25 s. Returns the last ones after a minute.
    async fn settle(&self, expected: Option<Quiet>) -> Result<Quiet, Failure> {
        let begin = Instant::now();
        let mut last = (self.quiet().await?, Instant::now());
        loop {
            sleep(Duration::from_millis(500)).await;
            let now = self.quiet().await?;
            if now != last.0 {
                last = (now, Instant::now());
            }
            let settled = match expected {
                Some(expected) => now.is_within(expected),
                None => last.1.elapsed() > Duration::from_secs(25),
            };
            if settled || begin.elapsed() > SETTLING {
                return Ok(now);
            }
        }
    }

    /// Makes one fault after the other, in a new order in each cycle. Returns when the first cycle ended.
    async fn faults(
        &mut self,
        time: Duration,
        seed: u64,
        timeline: &Timeline,
        memory: &Mutex<Vec<(Duration, u64)>>,
    ) -> Result<Option<Duration>, Failure> {
        let mut random = fastrand::Rng::with_seed(seed);
        let begin = Instant::now();
        let mut samples = interval(Duration::from_secs(1));
        let mut queue = Vec::new();
        let mut cycles = 0;
        let mut first_cycle = None;
        let mut current: Option<Fault> = None;
        let mut next = begin + Duration::from_secs(5);
        loop {
            tokio::select! {
                _ = samples.tick() => {
                    lock(memory).push((begin.elapsed(), self.service.memory()?));
                    if self.service.has_ended() {
                        return Err("the service ended".into());
                    }
                    continue;
                }
                () = sleep_until(next.into()) => {}
            }
            if let Some(fault) = current.take() {
                self.set(fault, false).await?;
                timeline.end();
                next = Instant::now() + Duration::from_millis(random.u64(1_000..2_000));
                continue;
            }
            if begin.elapsed() + Duration::from_secs(8) > time {
                if begin.elapsed() >= time {
                    return Ok(first_cycle);
                }
                next = begin + time;
                continue;
            }
            if queue.is_empty() {
                if cycles == 1 {
                    first_cycle = Some(begin.elapsed());
                }
                cycles += 1;
                queue = faults::all();
                random.shuffle(&mut queue);
            }
            current = queue.pop();
            if let Some(fault) = current {
                timeline.begin(fault);
                self.set(fault, true).await?;
                next = Instant::now() + Duration::from_millis(random.u64(2_500..4_500));
            }
        }
    }

    /// Begins or ends a fault.
    async fn set(&mut self, fault: Fault, begin: bool) -> Result<(), Failure> {
        let proxies: &[Proxy] = match fault.target {
            Target::AuthorizationServer => &self.proxies[..1],
            Target::Api => &self.proxies[1..2],
            Target::Redis => &self.proxies[2..],
            Target::Service => &self.proxies[..2],
        };
        match fault.kind {
            Kind::Network(mode) => {
                proxies.iter().for_each(|it| it.set(if begin { mode } else { Mode::Forward }));
            }
            Kind::Names => {
                let state = if begin { "fail" } else { "work" };
                let names: &[&str] =
                    if fault.target == Target::Api { &["api"] } else { &["plain", "shared"] };
                for name in names {
                    load::get(&self.control, &format!("/names/{name}/{state}")).await?;
                }
                if begin {
                    reset(proxies).await;
                }
            }
            Kind::Descriptors => {
                // Below the descriptors that are open, so no other can be opened.
                let limit = if begin { Some(8) } else { self.limit };
                let previous = self.service.limit_descriptors(limit)?;
                if begin {
                    self.limit = previous;
                    reset(proxies).await;
                }
            }
            Kind::Stopped => {
                self.redis.signal(if begin { Signal::STOP } else { Signal::CONT })?;
            }
            Kind::Killed if fault.target == Target::Redis => match begin {
                true => self.redis.kill().await?,
                false => self.redis = Process::start(&mut processes::redis(self.ports[2]))?,
            },
            Kind::Killed => match begin {
                true => self.authorization_server.kill().await?,
                false => {
                    let count = Arc::clone(&self.token_requests);
                    let (directory, port) = (&self.directory, self.ports[0]);
                    self.authorization_server =
                        start_server("authorization-server", directory, port, count)?;
                }
            },
        }
        Ok(())
    }
}

/// Resets the open connections, so that new ones are needed.
async fn reset(proxies: &[Proxy]) {
    proxies.iter().for_each(|it| it.set(Mode::Reset));
    sleep(Duration::from_millis(100)).await;
    proxies.iter().for_each(|it| it.set(Mode::Forward));
}

/// Starts a server, and counts its token requests by client.
fn start_server(
    role: &str,
    directory: &Path,
    port: u16,
    token_requests: Arc<Mutex<BTreeMap<String, u64>>>,
) -> Result<Process, Failure> {
    let command: &mut Command = &mut processes::ourselves(role, directory)?;
    let mut server = Process::start(command.arg(port.to_string()))?;
    let output: Option<Lines<BufReader<ChildStdout>>> = server.output();
    tokio::spawn(async move {
        let Some(mut output) = output else { return };
        while let Ok(Some(line)) = output.next_line().await {
            if let Some(client) = line.strip_prefix("token-request ") {
                *lock(&token_requests).entry(client.to_owned()).or_default() += 1;
            }
        }
    });
    Ok(server)
}

/// Keeps the log, and searches it for secrets.
async fn scan<R: AsyncBufReadExt + Unpin>(mut lines: Lines<R>, mut file: File, log: Arc<Log>) {
    let secrets = [SECRET.as_bytes(), TOKEN_PREFIX.as_bytes(), SEALING_KEY];
    let forms: Vec<String> = secrets.into_iter().flat_map(report::encodings).collect();
    while let Ok(Some(line)) = lines.next_line().await {
        log.lines.fetch_add(1, Relaxed);
        if forms.iter().any(|form| line.contains(form)) {
            log.secrets.fetch_add(1, Relaxed);
            eprintln!("a secret in the log, see service.log: line {}", log.lines.load(Relaxed));
        }
        let _ = writeln!(file, "{line}");
    }
}
