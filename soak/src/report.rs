//! The checks, and the figures.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use serde_json::Value;

use crate::{
    Failure,
    driver::Log,
    faults::{Target, Timeline},
    load::{
        API_WITHOUT_FAULT, BOUND, HANGS, RATE, Results, SERVICE_FAILED, TOKEN_RECOVERY,
        TOKEN_WASTED, TOKEN_WITHOUT_FAULT, lock,
    },
    servers::LIFETIME,
};

const MINUTE: Duration = Duration::from_secs(60);
/// By how much the median of resident memory may grow, in percent and in KiB. The larger counts.
const GROWTH_PERCENT: u64 = 10;
const GROWTH_KIB: u64 = 8 * 1024;
/// A token is refreshed after 70 % of its lifetime at the earliest.
const EARLIEST_REFRESH: f64 = 0.7;

/// The counts of the service without load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    pub tasks: u64,
    pub threads: u64,
    pub sockets: u64,
}

impl Quiet {
    pub fn is_within(self, other: Self) -> bool {
        self.tasks <= other.tasks && self.threads <= other.threads && self.sockets <= other.sockets
    }
}

pub struct Report {
    pub seed: u64,
    pub time: Duration,
    /// When each fault had been in force once.
    pub first_cycle: Option<Duration>,
    pub end: Duration,
    pub before: Quiet,
    pub after: Quiet,
    /// Of the service, when the load ended and after it settled.
    pub stats: Value,
    pub last_stats: Value,
    /// Resident KiB, each second.
    pub memory: Vec<(Duration, u64)>,
    pub results: Arc<Results>,
    pub timeline: Arc<Timeline>,
    /// Token requests that the authorization server answered.
    pub issued: BTreeMap<String, u64>,
    pub log: Arc<Log>,
}

struct Check {
    name: String,
    /// `None`: not checked, because the run is too short.
    passed: Option<bool>,
    figure: String,
}

impl Report {
    /// Prints the checks and figures, and writes them to a file. Returns whether all passed.
    pub fn print(&self, directory: &Path) -> Result<bool, Failure> {
        let checks = self.checks();
        let passed = checks.iter().all(|it| it.passed != Some(false));
        let mut text = format!("# Soak of {:?}, seed {}\n\n", self.time, self.seed);
        text += "| check | result | figure |\n| --- | --- | --- |\n";
        for check in &checks {
            let result = match check.passed {
                Some(true) => "passed",
                Some(false) => "FAILED",
                None => "not checked",
            };
            writeln!(text, "| {} | {result} | {} |", check.name, check.figure)?;
        }
        text += "\n| outcome | requests |\n| --- | --- |\n";
        for (outcome, count) in &*lock(&self.results.outcomes) {
            writeln!(text, "| {outcome} | {count} |")?;
        }
        text += "\n| fault | times |\n| --- | --- |\n";
        for (fault, count) in self.timeline.counts() {
            writeln!(text, "| {fault} | {count} |")?;
        }
        writeln!(text, "\n{}", self.load())?;
        writeln!(
            text,
            "\nissued: {:?}\nstats: {}\nafter: {}",
            self.issued, self.stats, self.last_stats
        )?;
        let memory: Vec<u64> = self.memory.iter().map(|it| it.1 / 1024).collect();
        writeln!(text, "\nMiB each second: {memory:?}")?;
        for (_, lines) in lock(&self.results.broken).values() {
            lines.iter().for_each(|line| _ = writeln!(text, "\n{line}"));
        }
        println!("{text}");
        fs::write(directory.join("report.md"), text)?;
        Ok(passed)
    }

    fn load(&self) -> String {
        let results = &self.results;
        let mut took = std::mem::take(&mut *lock(&results.took));
        took.sort_unstable();
        let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap_or(0);
        let [median, p99] = [at(0.5), at(0.99)].map(|micros| f64::from(micros) / 1_000.0);
        format!(
            "{} requests, {} in flight at most, the latest sent {} ms late; served ones took {median:.1} ms (median) \
             and {p99:.1} ms (99 %)",
            results.sent.load(Relaxed),
            results.most_in_flight.load(Relaxed),
            results.latest.load(Relaxed) / 1_000,
        )
    }

    fn checks(&self) -> Vec<Check> {
        let results = &self.results;
        let rate = results.sent.load(Relaxed) as f64 / self.time.as_secs_f64();
        let mut checks = vec![
            check("load", rate >= RATE as f64 * 0.99, format!("{rate:.0} requests/s")),
            memory_is_flat(&self.memory, self.first_cycle.unwrap_or(self.time), self.time),
        ];
        let counts = [
            ("tasks", self.before.tasks, self.after.tasks),
            ("threads", self.before.threads, self.after.threads),
            ("sockets", self.before.sockets, self.after.sockets),
        ];
        for (name, before, after) in counts {
            let figure = format!("{before} before the load, {after} after it");
            checks.push(check(name, after <= before, figure));
        }
        let longest = Duration::from_micros(results.longest.load(Relaxed));
        let broken = lock(&results.broken);
        for kind in [HANGS, SERVICE_FAILED, TOKEN_WASTED, TOKEN_WITHOUT_FAULT, API_WITHOUT_FAULT] {
            let count = broken.get(kind).map_or(0, |it| it.0);
            let figure = match kind {
                HANGS => format!("{count}; the longest took {longest:.1?} of {BOUND:?}"),
                _ => count.to_string(),
            };
            checks.push(check(kind, count == 0, figure));
        }
        for name in ["without_token", "with_expired_token"] {
            let count = self.stats[name].as_u64();
            let figure = self.stats[name].to_string();
            checks.push(check(&format!("API requests {name}"), count == Some(0), figure));
        }
        for client in ["plain", "shared"] {
            checks.extend(self.client(client));
        }
        let shared = &self.last_stats["clients"]["shared"];
        let [stopped, resumed] = ["sharing_stopped", "sharing_resumed"].map(|it| &shared[it]);
        let figure = format!("stopped {stopped} times, resumed {resumed} times");
        checks.push(check("sharing through Redis", stopped == resumed, figure));
        let (lines, secrets) = (self.log.lines.load(Relaxed), self.log.secrets.load(Relaxed));
        let figure = format!("{secrets} in {lines} lines");
        checks.push(check("secrets in the log", lines > 0 && secrets == 0, figure));
        checks
    }

    fn client(&self, client: &str) -> Vec<Check> {
        let stats = &self.stats["clients"][client];
        let after = &self.last_stats["clients"][client];
        let count = |stats: &Value, name: &str| stats[name].as_i64().unwrap_or(i64::MAX);
        let most = [
            count(stats, "most_acquisitions_in_flight"),
            count(stats, "most_token_requests_in_flight"),
            count(after, "acquisitions_in_flight"),
        ];
        let (sent, bound) = (count(after, "token_requests"), self.most_token_requests(client));
        let failed_at = after["failed_at"].as_array().map_or(&[][..], Vec::as_slice);
        let failed: Vec<i64> = failed_at.iter().filter_map(Value::as_i64).collect();
        let outside = failed.iter().filter(|it| !self.was_fault(**it)).count();
        vec![
            check(
                &format!("{client}: acquisitions that failed without a fault"),
                outside == 0,
                format!("{outside} of {} that failed", failed.len()),
            ),
            check(
                &format!("{client}: acquisitions in flight"),
                most == [1, 1, 0],
                format!("{} at most, {} token requests, {} at the end", most[0], most[1], most[2]),
            ),
            check(
                &format!("{client}: token requests"),
                sent <= bound,
                format!(
                    "{sent}, bound {bound}; {} answered",
                    self.issued.get(client).unwrap_or(&0)
                ),
            ),
        ]
    }

    /// Whether the authorization server failed at a time in milliseconds since 1970, or shortly before.
    fn was_fault(&self, time: i64) -> bool {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(time.unsigned_abs());
        let age = time.elapsed().unwrap_or_default();
        let time = Instant::now().checked_sub(age);
        time.is_some_and(|time| self.timeline.tokens_failed_at(time, TOKEN_RECOVERY))
    }

    /// One for each life of a token; for each fault 3 attempts, one after each cooldown of 1, 2, 4 … s,
    /// and the next life may begin earlier. A fault of Redis costs the shared client one acquisition.
    fn most_token_requests(&self, client: &str) -> i64 {
        let life = LIFETIME.as_secs_f64() * EARLIEST_REFRESH;
        let lives = (self.end.as_secs_f64() / life).ceil() as i64 + 2;
        let of_fault = |it: Duration| 4 + (it.as_secs_f64() + 1.0).log2().ceil() as i64;
        let faults = self.timeline.lengths(Target::AuthorizationServer);
        let redis = self.timeline.lengths(Target::Redis).len() as i64;
        lives
            + faults.into_iter().map(of_fault).sum::<i64>()
            + if client == "shared" { redis } else { 0 }
    }
}

fn check(name: &str, passed: bool, figure: String) -> Check {
    Check { name: name.to_owned(), passed: Some(passed), figure }
}

/// A secret as it is, in hexadecimal, and the parts of it that its base64 contains at each offset.
pub fn encodings(secret: &[u8]) -> Vec<String> {
    let mut forms = vec![secret.iter().map(|byte| format!("{byte:02x}")).collect()];
    forms.extend(str::from_utf8(secret).map(str::to_owned));
    for offset in 0..3 {
        let padded = [&b"xx"[..offset], secret].concat();
        let text = BASE64_STANDARD_NO_PAD.encode(&padded);
        // The first and last characters depend on the neighbors.
        forms.push(text[4..text.len() - 4].to_owned());
    }
    forms
}

/// `memory`: resident KiB, each second. `warm`: when each fault had been in force once.
fn memory_is_flat(memory: &[(Duration, u64)], warm: Duration, time: Duration) -> Check {
    let name = "memory";
    let last = time.saturating_sub(MINUTE);
    if warm + MINUTE > last {
        let figure = "the run is too short".to_owned();
        return Check { name: name.to_owned(), passed: None, figure };
    }
    let median = |from: Duration| {
        let minute = memory.iter().filter(|it| it.0 >= from && it.0 < from + MINUTE);
        let mut sizes: Vec<u64> = minute.map(|it| it.1).collect();
        sizes.sort_unstable();
        sizes.get(sizes.len() / 2).copied().unwrap_or(0)
    };
    let (first, last) = (median(warm), median(last));
    let bound = first + (first * GROWTH_PERCENT / 100).max(GROWTH_KIB);
    let figure = format!(
        "{first} KiB in the minute after {:.0} s, {last} KiB in the last; bound {bound} KiB",
        warm.as_secs_f64()
    );
    check(name, first > 0 && last <= bound, figure)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 MiB and this growth, for ten minutes.
    fn verdict(kib_a_second: u64, seconds: u64) -> Option<bool> {
        let at = Duration::from_secs;
        let memory: Vec<_> =
            (0..seconds).map(|second| (at(second), 204_800 + kib_a_second * second)).collect();
        memory_is_flat(&memory, at(100), at(seconds)).passed
    }

    #[test]
    fn a_leak_of_a_tenth_of_the_memory_is_noticed() {
        assert_eq!(verdict(0, 600), Some(true));
        assert_eq!(verdict(40, 600), Some(true), "17,600 KiB between the two minutes");
        assert_eq!(verdict(60, 600), Some(false), "26,400 KiB");
        assert_eq!(verdict(60, 200), None, "too short for a verdict");
        assert_eq!(
            memory_is_flat(&[], Duration::ZERO, Duration::from_secs(600)).passed,
            Some(false)
        );
    }
}
