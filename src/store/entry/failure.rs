//! The last failure in an entry.

use std::time::Duration;

use http::StatusCode;

use super::{
    fields::{FieldReader, FieldWriter},
    moment::Moment,
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

/// The number of fields.
pub(super) const FIELDS: usize = 8;
/// Bytes of all values: names, and six numbers.
pub(super) const BYTES: usize = 2 * MAX_NAME_BYTES + 6 * 8;
const MAX_NAME_BYTES: usize = 64;

/// The end of a cooldown is spread over a quarter of it, and over at least and at most these, so that
/// processes do not ask all at once.
const SPREAD: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

const RETRYABLE: u64 = 1;
const PERMANENT: u64 = 2;

/// A failure, without any text: only names, numbers and times cross processes.
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
}

impl StoredFailure {
    /// Whether a failure says something about the authorization server. The other ones concern one
    /// process, and another may succeed.
    pub(crate) fn is_shared(error: &Error) -> bool {
        use Problem as K;
        !matches!(
            error.problem(),
            K::Credentials
                | K::Panicked
                | K::Runtime
                | K::Overloaded
                | K::WaitTimeout
                | K::Config
                | K::Refused
        )
    }

    pub(crate) fn new(failure: &FailureBackoff, now: Moment) -> Self {
        let error = &failure.error;
        let is_name = |code: &&str| {
            code.len() <= MAX_NAME_BYTES
                && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        Self {
            problem: error.problem(),
            oauth_code: error.oauth_code().filter(is_name).map(str::to_owned),
            status: error.status().map(|status| status.as_u16()),
            flags: flag(error.is_retryable(), RETRYABLE) | flag(error.is_permanent(), PERMANENT),
            failures: failure.failures,
            failed_at: now.wall,
            until: now.wall_of(failure.until),
            until_with_token: now.wall_of(failure.until_with_token),
        }
    }

    /// The error, while the cooldown lasts. Its `Retry-After` is the rest of the cooldown. `skew`: by
    /// how much clocks of hosts may differ.
    pub(crate) fn error(
        &self,
        with_token: bool,
        skew: Duration,
        settings: &BackoffSettings,
        now: Moment,
    ) -> Option<Error> {
        if now.until(self.failed_at) > skew {
            // A wrong clock must not stop the fleet.
            return None;
        }
        let left = self.left(with_token, settings, now);
        if left.is_zero() {
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
        error = error
            .with_retryable(self.flags & RETRYABLE != 0)
            .with_permanent(self.flags & PERMANENT != 0);
        let jitter = fastrand::f64();
        let spread = |left: Duration| left + (left / 4 + SPREAD.0).min(SPREAD.1).mul_f64(jitter);
        Some(error.with_retry_after(Some(left)).with_fleet_cooldown(FleetCooldown {
            without_token: spread(self.left(false, settings, now)),
            with_token: spread(self.left(true, settings, now)),
            from_store: true,
        }))
    }

    /// The error of this process, with the cooldown of the fleet.
    pub(crate) fn with_cooldown(
        &self,
        error: Error,
        settings: &BackoffSettings,
        now: Moment,
    ) -> Error {
        error.with_fleet_cooldown(FleetCooldown {
            without_token: self.left(false, settings, now),
            with_token: self.left(true, settings, now),
            from_store: false,
        })
    }

    /// How long the entry must be kept, so that the next failure continues the backoff.
    pub(super) fn keep(&self, settings: &BackoffSettings, now: Moment) -> Duration {
        self.left(true, settings, now).max(self.left(false, settings, now))
            + 2 * settings.cooldown.1
    }

    fn left(&self, with_token: bool, settings: &BackoffSettings, now: Moment) -> Duration {
        let (until, cap) = if with_token {
            (self.until_with_token, settings.retry_after_cap_with_token)
        } else {
            (self.until, settings.retry_after_cap)
        };
        // With the jitter of a cooldown.
        now.until(until).min(cap.max(2 * settings.cooldown.1))
    }

    pub(super) fn write(&self, fields: &mut FieldWriter) {
        fields.bytes(PROBLEM, self.problem.as_str().as_bytes());
        if let Some(code) = &self.oauth_code {
            fields.bytes(OAUTH_CODE, code.as_bytes());
        }
        fields.optional(STATUS, self.status.map(u64::from));
        fields.number(FLAGS, self.flags);
        fields.number(FAILURES, self.failures.into());
        fields.number(FAILED_AT, self.failed_at);
        fields.number(UNTIL, self.until);
        fields.number(UNTIL_WITH_TOKEN, self.until_with_token);
    }

    /// `None`: there is no failure, or one of a later version of this crate.
    pub(super) fn read(fields: &FieldReader<'_>) -> Option<Self> {
        Some(Self {
            problem: Problem::from_name(fields.text(PROBLEM)?)?,
            oauth_code: fields.text(OAUTH_CODE).map(str::to_owned),
            status: fields.number(STATUS).and_then(|status| status.try_into().ok()),
            flags: fields.number(FLAGS)?,
            failures: fields.number(FAILURES)?.try_into().unwrap_or(u32::MAX),
            failed_at: fields.number(FAILED_AT)?,
            until: fields.number(UNTIL)?,
            until_with_token: fields.number(UNTIL_WITH_TOKEN)?,
        })
    }
}
