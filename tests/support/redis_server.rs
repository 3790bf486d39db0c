//! A `redis-server` for one test, which the test can stop, kill and start again.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use redis::FromRedisValue;
use tower_oauth2_client_credentials::store::{RedisStore, RedisStoreBuilder};

/// On a slow machine.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The Redis that `.ci/real-servers` starts.
pub(crate) fn shared_url() -> String {
    std::env::var("INTEROP_REDIS").expect("INTEROP_REDIS is not set: run .ci/real-servers")
}

/// A server that is killed when the value is dropped. Its files are in `directory`.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    pub(crate) directory: PathBuf,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    pub(crate) fn start<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        Self::start_with(|_| arguments.into_iter().map(str::to_owned).collect())
    }

    /// The arguments may name files of the directory.
    pub(crate) fn start_with(arguments: impl FnOnce(&std::path::Path) -> Vec<String>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("toacc-{}-redis-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        let arguments = arguments(&directory);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { port, directory, arguments, process: None };
        server.start_again();
        server
    }

    pub(crate) fn start_again(&mut self) {
        let log = fs::File::create(self.directory.join("log")).unwrap();
        let process = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--enable-debug-command", "yes", "--dir"])
            .arg(&self.directory)
            .args(&self.arguments)
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is missing: run .ci/real-servers, or install it");
        self.process = Some(process);
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let log = || fs::read_to_string(self.directory.join("log")).unwrap();
            assert!(start.elapsed() < START_TIMEOUT, "redis-server does not start: {}", log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Sends a signal, as in `STOP` and `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let process = self.process.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder(self.url())
    }

    pub(crate) fn store(&self) -> RedisStore {
        self.builder().build().unwrap()
    }

    /// Runs a command over another connection: `admin("CONFIG SET maxmemory 1")`.
    pub(crate) fn admin<T: FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        for word in words {
            command.arg(word);
        }
        let mut connection = redis::Client::open(self.url()).unwrap().get_connection().unwrap();
        command.query(&mut connection).unwrap()
    }

    /// As [`admin`](Self::admin), for a command whose answer does not matter.
    pub(crate) fn command(&self, command: &str) {
        self.admin::<redis::Value>(command);
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.directory.join("log")).unwrap());
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
