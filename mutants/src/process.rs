//! Runs test binaries with a limit of time and memory.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// How often a running process is checked.
const POLL: Duration = Duration::from_millis(10);
/// A mutant may allocate without end. KiB of address space.
const MEMORY: &str = "ulimit -v 8000000; exec \"$@\"";

#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    Passed,
    /// With the name of the first test that failed, if the process reported one.
    Failed(Option<String>),
    TimedOut,
}

pub struct Process {
    /// The root of the copied crate.
    pub crate_root: PathBuf,
    /// For the files of tests, which may be killed before they remove them.
    pub temporary: PathBuf,
}

impl Process {
    fn command(&self, binary: &Path) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", MEMORY, "sh"])
            .arg(binary)
            .current_dir(&self.crate_root)
            .env("CARGO_MANIFEST_DIR", &self.crate_root)
            .env("TMPDIR", &self.temporary)
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// The names of the tests. One empty name stands for a program that is not made of tests.
    pub fn list(&self, binary: &Path, arguments: &[&str]) -> Result<Vec<String>, String> {
        let mut command = self.command(binary);
        command.args(["--list", "--format", "terse"]).args(arguments);
        let output = command.output().map_err(|error| format!("{}: {error}", binary.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let names: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_suffix(": test").map(str::to_owned))
            .collect();
        let is_program = names.is_empty() && arguments.is_empty();
        Ok(if is_program { vec![String::new()] } else { names })
    }

    /// Runs these tests of a binary until the first one fails.
    pub fn run(
        &self,
        binary: &Path,
        tests: &[&str],
        mutant: &str,
        record: Option<&Path>,
        limit: Duration,
    ) -> Ending {
        let _ = fs::create_dir_all(&self.temporary);
        let mut command = self.command(binary);
        command.env("MUTANT", mutant).stdout(Stdio::piped()).process_group(0);
        if tests != [""] {
            command.args(["--include-ignored", "--exact"]).args(tests);
        }
        if let Some(path) = record {
            command.env("MUTANT_RECORD", path);
        }
        let end = Instant::now() + limit;
        let mut child = command.spawn().expect("sh is installed");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let failed = |line: String| {
            let line = line.strip_prefix("test ")?;
            let (name, _) = line.split_once(" ... FAILED")?;
            // As in `name - should panic`.
            Some(name.split(" - ").next().unwrap_or(name).to_owned())
        };
        let ending = loop {
            let line = lines.recv_timeout(POLL);
            let is_closed = line == Err(mpsc::RecvTimeoutError::Disconnected);
            if let Some(name) = line.ok().and_then(failed) {
                break Ending::Failed(Some(name));
            }
            match child.try_wait() {
                Ok(Some(status)) if status.success() => break Ending::Passed,
                Ok(Some(_)) => {
                    // Lines that the thread has not read yet.
                    thread::sleep(POLL);
                    break Ending::Failed(lines.try_iter().find_map(failed));
                }
                _ if Instant::now() > end => break Ending::TimedOut,
                _ if is_closed => thread::sleep(POLL / 5),
                _ => {}
            }
        };
        // Its children as well.
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-9", "--", &group]).stderr(Stdio::null()).status();
        let _ = child.wait();
        let _ = fs::remove_dir_all(&self.temporary);
        ending
    }
}
