//! The last failure in an entry.

use std::time::Duration;

use http::StatusCode;

use super::{
    clocks::{BothClocks, millis},
    fields::{FieldReader, FieldWriter},
};
use crate::{
    error::{Error, FleetCooldown, Problem},
    timing::{BackoffSettings, FailureBackoff},
};

const PROBLEM: u8 = 20;
const OAUTH_CODE: u8 = 21;
const STATUS: u8 = 22;
const FLAGS: u8 = 23;
const FAILURES: u8 = 24;
const FAILED_AT: u8 = 25;
const UNTIL: u8 = 26;
const UNTIL_WITH_TOKEN: u8 = 27;
const FAILED_PROCESSES: u8 = 28;

/// The number of fields.
pub(super) const FIELDS: usize = 9;
/// Bytes of all values: names, six numbers, and the processes that failed.
pub(super) const BYTES: usize = 2 * MAX_NAME_BYTES + 6 * 8 + MAX_FAILED_PROCESSES * 8;
const MAX_NAME_BYTES: usize = 64;

/// The end of a cooldown is spread at random over a quarter of the cooldown plus `MIN_SPREAD`, and over
/// `MAX_SPREAD` at most, so that processes do not all ask at the same time.
const MIN_SPREAD: Duration = Duration::from_millis(250);
const MAX_SPREAD: Duration = Duration::from_secs(5);

/// How many of the processes that failed are remembered.
const MAX_FAILED_PROCESSES: usize = 8;

const RETRYABLE: u64 = 1;
const PERMANENT: u64 = 2;
/// A failed acquisition was taken from the budget of rejections, and is repeated without it.
const BUDGETED: u64 = 4;

/// A failure, without any text: only names, numbers and times cross processes.
///
/// The cooldown is that of a transient failure, also after a permanent one such as `invalid_client`: one
/// process may have a wrong secret, and the others not. A process that failed tries again after the
/// others, so that one without a fault gets its turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredFailure {
    problem: Problem,
    oauth_code: Option<String>,
    status: Option<u16>,
    flags: u64,
    /// How many acquisitions of the fleet failed in a row.
    pub(crate) failures: u32,
    failed_at: u64,
    /// The end of the cooldown if no valid token is cached, and if one is.
    until: u64,
    until_with_token: u64,
    /// The processes that failed since the last success, by their random numbers. The latest is last.
    failed_processes: Vec<u64>,
}

impl StoredFailure {
    /// Whether a failure says something about the authorization server. The other ones concern one
    /// process, and another may succeed.
    pub(crate) fn is_shared(error: &Error) -> bool {
        !matches!(
            error.problem(),
            Problem::Credentials
                | Problem::Panicked
                | Problem::Runtime
                | Problem::Overloaded
                | Problem::WaitTimeout
                | Problem::Config
                | Problem::Refused
        )
    }

    /// A failure of the process `process`, after the failure `before`. `draw` is uniform in `[0, 1)`.
    pub(crate) fn new(
        error: &Error,
        before: Option<&Self>,
        process: u64,
        is_budgeted: bool,
        draw: f64,
        settings: &BackoffSettings,
        now: BothClocks,
    ) -> Self {
        let failures = before.map_or(0, |before| before.failures);
        let as_transient = error.clone().with_permanent(false);
        let backoff = FailureBackoff::after(failures, as_transient, now.instant, draw, settings);
        let is_budgeted = is_budgeted || before.is_some_and(Self::is_budgeted);
        let mut failed_processes =
            before.map_or_else(Vec::new, |before| before.failed_processes.clone());
        failed_processes.retain(|known| *known != process);
        failed_processes.push(process);
        failed_processes.drain(..failed_processes.len().saturating_sub(MAX_FAILED_PROCESSES));
        let is_name = |code: &&str| {
            code.len() <= MAX_NAME_BYTES
                && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        Self {
            problem: error.problem(),
            oauth_code: error.oauth_code().filter(is_name).map(str::to_owned),
            status: error.status().map(|status| status.as_u16()),
            flags: flag(error.is_retryable(), RETRYABLE)
                | flag(error.is_permanent(), PERMANENT)
                | flag(is_budgeted, BUDGETED),
            failures: backoff.failures,
            failed_at: now.wall,
            until: now.wall_of(backoff.until),
            until_with_token: now.wall_of(backoff.until_with_token),
            failed_processes,
        }
    }

    /// Whether an acquisition that was taken from the budget of rejections failed.
    pub(crate) fn is_budgeted(&self) -> bool {
        self.has(BUDGETED)
    }

    fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    /// The error, while the cooldown of the process `reader` lasts. Its `Retry-After` is the remaining
    /// cooldown. `skew`: by how much clocks of hosts may differ.
    pub(crate) fn error_in_cooldown(
        &self,
        reader: u64,
        with_token: bool,
        skew: Duration,
        settings: &BackoffSettings,
        now: BothClocks,
    ) -> Option<Error> {
        if now.time_until(self.failed_at) > skew {
            // A wrong clock must not stop the fleet.
            return None;
        }
        let remaining = self.remaining_cooldown(reader, with_token, settings, now);
        if remaining.is_zero() {
            return None;
        }
        let ago = Duration::from_millis(now.wall.saturating_sub(self.failed_at)).as_secs();
        let mut error = Error::of(self.problem).with_detail(format!(
            "another process of the fleet got this error {ago} s ago; its log has the cause"
        ));
        if let Some(code) = &self.oauth_code {
            error = error.with_oauth_code(code, None);
        }
        if let Some(status) = self.status.and_then(|status| StatusCode::from_u16(status).ok()) {
            error = error.with_status(status);
        }
        error = error.with_retryable(self.has(RETRYABLE)).with_permanent(self.has(PERMANENT));
        let jitter = fastrand::f64();
        let jittered = |with_token| {
            let remaining = self.remaining_cooldown(reader, with_token, settings, now);
            remaining + spread(remaining).mul_f64(jitter)
        };
        Some(error.with_retry_after(Some(remaining)).with_fleet_cooldown(FleetCooldown {
            without_token: jittered(false),
            with_token: jittered(true),
            from_store: true,
        }))
    }

    /// The error of the process that failed last, with its cooldown: at least that of a cache which
    /// shares nothing, such as 30 s after `invalid_client`.
    pub(crate) fn with_cooldown(
        &self,
        error: Error,
        draw: f64,
        settings: &BackoffSettings,
        now: BothClocks,
    ) -> Error {
        let before = self.failures.saturating_sub(1);
        let alone = FailureBackoff::after(before, error.clone(), now.instant, draw, settings);
        let cooldown = |with_token| {
            let alone = alone.until(with_token).saturating_duration_since(now.instant);
            self.remaining_cooldown_of_failed(with_token, settings, now).max(alone)
        };
        error.with_fleet_cooldown(FleetCooldown {
            without_token: cooldown(false),
            with_token: cooldown(true),
            from_store: false,
        })
    }

    /// How long the entry must be kept, so that the next failure continues the backoff.
    pub(super) fn ttl(&self, settings: &BackoffSettings, now: BothClocks) -> Duration {
        let remaining = |with_token| self.remaining_cooldown_of_failed(with_token, settings, now);
        remaining(true).max(remaining(false)) + 2 * settings.cooldown.max
    }

    fn remaining_cooldown(
        &self,
        reader: u64,
        with_token: bool,
        settings: &BackoffSettings,
        now: BothClocks,
    ) -> Duration {
        if self.failed_processes.contains(&reader) {
            return self.remaining_cooldown_of_failed(with_token, settings, now);
        }
        let (until, cap) = self.cooldown_end_and_cap(with_token, settings);
        now.time_until(until).min(cap)
    }

    /// The remaining cooldown of a process that failed. It lasts longer by the spread, so that it ends
    /// after those of the others.
    fn remaining_cooldown_of_failed(
        &self,
        with_token: bool,
        settings: &BackoffSettings,
        now: BothClocks,
    ) -> Duration {
        let (until, cap) = self.cooldown_end_and_cap(with_token, settings);
        let cooldown = Duration::from_millis(until.saturating_sub(self.failed_at)).min(cap);
        let own_delay = spread(cooldown);
        now.time_until(until.saturating_add(millis(own_delay))).min(cap + own_delay)
    }

    /// The end of the cooldown, and the longest one that is followed.
    fn cooldown_end_and_cap(
        &self,
        with_token: bool,
        settings: &BackoffSettings,
    ) -> (u64, Duration) {
        let (until, cap) = if with_token {
            (self.until_with_token, settings.retry_after_cap_with_token)
        } else {
            (self.until, settings.retry_after_cap)
        };
        // A stored time may be wrong: no wait is longer than the longest cooldown with its jitter.
        (until, cap.max(2 * settings.cooldown.max))
    }

    pub(super) fn write(&self, fields: &mut FieldWriter) {
        fields.bytes(PROBLEM, self.problem.outcome().as_bytes());
        if let Some(code) = &self.oauth_code {
            fields.bytes(OAUTH_CODE, code.as_bytes());
        }
        fields.optional(STATUS, self.status.map(u64::from));
        fields.number(FLAGS, self.flags);
        fields.number(FAILURES, self.failures.into());
        fields.number(FAILED_AT, self.failed_at);
        fields.number(UNTIL, self.until);
        fields.number(UNTIL_WITH_TOKEN, self.until_with_token);
        let failed_processes: Vec<u8> =
            self.failed_processes.iter().flat_map(|it| it.to_be_bytes()).collect();
        fields.bytes(FAILED_PROCESSES, &failed_processes);
    }

    /// `None`: there is no failure, or one of a later version of this crate.
    pub(super) fn read(fields: &FieldReader<'_>) -> Option<Self> {
        Some(Self {
            problem: Problem::from_outcome(fields.text(PROBLEM)?)?,
            oauth_code: fields.text(OAUTH_CODE).map(str::to_owned),
            status: fields.number(STATUS).and_then(|status| status.try_into().ok()),
            flags: fields.number(FLAGS)?,
            failures: fields.number(FAILURES)?.try_into().unwrap_or(u32::MAX),
            failed_at: fields.number(FAILED_AT)?,
            until: fields.number(UNTIL)?,
            until_with_token: fields.number(UNTIL_WITH_TOKEN)?,
            failed_processes: fields
                .bytes(FAILED_PROCESSES)?
                .chunks_exact(8)
                .take(MAX_FAILED_PROCESSES)
                .filter_map(|it| Some(u64::from_be_bytes(it.try_into().ok()?)))
                .collect(),
        })
    }
}

/// Over how long the end of a cooldown is spread.
fn spread(cooldown: Duration) -> Duration {
    (cooldown / 4 + MIN_SPREAD).min(MAX_SPREAD)
}
