//! The processes of a run: started, killed, stopped, and looked at through `/proc`.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::Path,
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};

use crate::Failure;

/// A process that ends with the driver.
pub struct Process {
    child: Child,
    pid: Pid,
}

impl Process {
    pub fn start(command: &mut Command) -> Result<Self, Failure> {
        let child = command.stdin(Stdio::null()).kill_on_drop(true).spawn()?;
        let pid = child.id().and_then(|it| Pid::from_raw(it.try_into().ok()?));
        Ok(Self { child, pid: pid.ok_or("the process ended at once")? })
    }

    pub fn output(&mut self) -> Option<Lines<BufReader<ChildStdout>>> {
        self.child.stdout.take().map(lines)
    }

    pub fn log(&mut self) -> Option<Lines<BufReader<tokio::process::ChildStderr>>> {
        self.child.stderr.take().map(lines)
    }

    pub async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub fn signal(&self, signal: Signal) -> Result<(), Failure> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// Sets the limit of descriptors. Returns the previous one.
    pub fn limit_descriptors(&self, limit: Option<u64>) -> Result<Option<u64>, Failure> {
        let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: limit, maximum };
        Ok(prlimit(Some(self.pid), Resource::Nofile, limit)?.current)
    }

    fn path(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.pid.as_raw_nonzero())
    }

    /// Resident memory in KiB.
    pub fn memory(&self) -> Result<u64, Failure> {
        let status = fs::read_to_string(self.path("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|it| it.split_whitespace().next());
        Ok(number.ok_or("no VmRSS in /proc")?.parse()?)
    }

    pub fn threads(&self) -> Result<u64, Failure> {
        Ok(fs::read_dir(self.path("task"))?.count() as u64)
    }

    pub fn sockets(&self) -> Result<u64, Failure> {
        let links = fs::read_dir(self.path("fd"))?.flatten().map(|it| fs::read_link(it.path()));
        let is_socket = |link: &std::path::PathBuf| link.to_string_lossy().starts_with("socket:");
        Ok(links.flatten().filter(is_socket).count() as u64)
    }
}

fn lines<R: AsyncRead>(output: R) -> Lines<BufReader<R>> {
    BufReader::new(output).lines()
}

/// This program in another role.
pub fn ourselves(role: &str, directory: &Path) -> Result<Command, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role).arg(directory).stdout(Stdio::piped());
    Ok(command)
}

/// A Redis that stores nothing on disk.
pub fn redis(port: u16) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
    command.arg(port.to_string()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A port that is free now. Servers that restart need the same one each time.
pub fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until a server accepts connections.
pub async fn reachable(address: SocketAddr) -> Result<(), Failure> {
    let connected = async {
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let failed = |_| format!("no server on {address} after 20 s").into();
    timeout(Duration::from_secs(20), connected).await.map_err(failed)
}
