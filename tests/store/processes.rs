//! Real processes that share a store in files. Without an environment variable, this is the parent.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command},
    time::{Duration, Instant},
};

use bytes::Bytes;
use tower_oauth2_client_credentials::store::{
    EntryId, FileStore, Lease, LeaseOwner, Store as _, StoredEntry,
};

const DIRECTORY: &str = "STORE_DIRECTORY";
const ROLE: &str = "STORE_ROLE";

const PROCESSES: u64 = 8;
/// Counts of each process.
const COUNTS: u64 = 40;
const MINUTE: Duration = Duration::from_secs(60);
/// The lease of processes that are killed.
const SHORT: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    match env::var(ROLE).as_deref() {
        Ok("count") => runtime.block_on(count(COUNTS, MINUTE)),
        Ok("count forever") => runtime.block_on(count(u64::MAX, SHORT)),
        Ok("hold") => runtime.block_on(hold()),
        Ok(other) => panic!("{other}"),
        Err(_) => {
            println!("leases_exclude_processes");
            runtime.block_on(leases_exclude_processes());
            println!("a_killed_holder_costs_one_lease");
            runtime.block_on(a_killed_holder_costs_one_lease());
            println!("processes_that_are_killed_leave_no_damage");
            runtime.block_on(processes_that_are_killed_leave_no_damage());
        }
    }
}

fn id() -> EntryId {
    EntryId::new([7; 32])
}

fn number(entry: Option<&StoredEntry>) -> u64 {
    entry.map_or(0, |entry| u64::from_be_bytes(entry.value[..].try_into().unwrap()))
}

/// Counts in the entry, each step under the lease: no count is lost if the lease is exclusive.
async fn count(times: u64, duration: Duration) {
    let store = FileStore::new(env::var(DIRECTORY).unwrap());
    for step in 0..times {
        let owner = LeaseOwner((u128::from(std::process::id()) << 64) | u128::from(step));
        loop {
            match store.lease(id(), owner, duration).await.unwrap() {
                Lease::Granted { generation, entry } => {
                    let next = (number(entry.as_ref()) + 1).to_be_bytes();
                    let next = StoredEntry::new(generation, Bytes::copy_from_slice(&next));
                    let written = store.write(id(), next, MINUTE).await.unwrap();
                    // A short lease may have ended before the write.
                    assert!(written || duration == SHORT);
                    store.release(id(), owner).await.unwrap();
                    break;
                }
                Lease::Held { .. } => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }
}

/// Takes the lease and keeps it.
async fn hold() {
    let directory = env::var(DIRECTORY).unwrap();
    let store = FileStore::new(&directory);
    store.lease(id(), LeaseOwner(1), Duration::from_secs(1)).await.unwrap();
    fs::write(directory + "-held", "").unwrap();
    std::future::pending::<()>().await;
}

/// A directory for one test, with the processes that use it.
struct Fleet {
    directory: PathBuf,
    processes: Vec<Child>,
}

impl Fleet {
    fn new(name: &str) -> Self {
        let name = format!("toacc-{}-processes-{name}", std::process::id());
        Self { directory: env::temp_dir().join(name), processes: Vec::new() }
    }

    fn store(&self) -> FileStore {
        FileStore::new(&self.directory)
    }

    fn start(&mut self, role: &str) {
        let process = Command::new(env::current_exe().unwrap())
            .env(ROLE, role)
            .env(DIRECTORY, &self.directory)
            .spawn();
        self.processes.push(process.unwrap());
    }

    fn held(&self) -> PathBuf {
        let mut path = self.directory.clone().into_os_string();
        path.push("-held");
        path.into()
    }

    /// SIGKILL on Unix.
    fn kill(&mut self, index: usize) {
        let mut process = self.processes.swap_remove(index);
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        while !self.processes.is_empty() {
            self.kill(0);
        }
        let _ = fs::remove_file(self.held());
        fs::remove_dir_all(&self.directory).unwrap();
    }
}

async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !condition().await {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn leases_exclude_processes() {
    let mut fleet = Fleet::new("exclude");
    for _ in 0..PROCESSES {
        fleet.start("count");
    }
    for mut process in fleet.processes.drain(..) {
        assert!(process.wait().unwrap().success());
    }
    let counted = fleet.store().read(id()).await.unwrap();
    assert_eq!(number(counted.as_ref()), PROCESSES * COUNTS);
}

async fn a_killed_holder_costs_one_lease() {
    let mut fleet = Fleet::new("holder");
    fleet.start("hold");
    let held = fleet.held();
    until("the lease", async || held.exists()).await;
    let store = fleet.store();
    let (start, mut refused) = (Instant::now(), 0);
    fleet.kill(0);
    until("the end of the lease", async || {
        match store.lease(id(), LeaseOwner(2), MINUTE).await.unwrap() {
            Lease::Held { .. } => {
                refused += 1;
                false
            }
            Lease::Granted { .. } => true,
        }
    })
    .await;
    assert!(refused > 0 && start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

async fn processes_that_are_killed_leave_no_damage() {
    let mut fleet = Fleet::new("killed");
    let store = fleet.store();
    for _ in 0..4 {
        fleet.start("count forever");
    }
    for _ in 0..40 {
        let before = number(store.read(id()).await.unwrap().as_ref());
        until("a count", async || number(store.read(id()).await.unwrap().as_ref()) > before).await;
        // At any step of it.
        fleet.kill(0);
        fleet.start("count forever");
    }
}
