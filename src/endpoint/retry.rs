//! The attempts of one acquisition, with backoff between them.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    error::{Error, Problem},
    event::EventKind,
    limits::MAX_SETTING,
    source::AcquireContext,
};

/// The second attempt handles a lost connection, the third a failover.
pub(super) const ATTEMPTS: u32 = 3;
/// A token endpoint answers in well under a second; three times this is above the cache's
/// `acquisition_timeout`.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than a round trip, and short for a waiting person.
pub(super) const RETRY_BASE: Duration = Duration::from_millis(100);
/// Maximum backoff for any base.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(super) struct RetryPolicy {
    pub(super) attempts: u32,
    pub(super) attempt_timeout: Duration,
    pub(super) base: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: ATTEMPTS, attempt_timeout: ATTEMPT_TIMEOUT, base: RETRY_BASE }
    }
}

/// Runs attempts until one succeeds, a failure is not retryable, or the next attempt would start after
/// the deadline. Then the last failure is returned at once, with the server's `Retry-After` for the
/// cache's cooldown.
///
/// `attempt` gets the number of the attempt, from 1, and returns its future.
pub(super) async fn run<T, F, Fut>(
    policy: &RetryPolicy,
    acquire: &AcquireContext,
    attempt: F,
) -> Result<T, Error>
where
    F: Fn(u32) -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let attempts = if acquire.single_attempt { 1 } else { policy.attempts };
    // Without a deadline of the caller, a long `Retry-After` must not block the caller for hours.
    let own = policy.attempt_timeout.saturating_mul(attempts).min(MAX_SETTING);
    let deadline = acquire.deadline.unwrap_or_else(|| Instant::now() + own);
    for number in 1.. {
        let error = match run_attempt(policy.attempt_timeout, deadline, attempt(number)).await {
            Ok(token) => return Ok(token),
            Err(error) => error,
        };
        let error = error.with_attempts(number);
        if number >= attempts || !error.is_retryable() || acquire.stop_retries.is_set() {
            return Err(error);
        }
        let requested = error.retry_after().unwrap_or_default();
        let delay = backoff(policy.base, number, fastrand::f64()).max(requested);
        let next = Instant::now().checked_add(delay);
        if next.is_none_or(|next| next >= deadline) {
            return Err(error);
        }
        let failed = error.clone();
        acquire.observer.emit(EventKind::AttemptFailed {
            reason: acquire.reason,
            attempt: number,
            error,
            delay,
        });
        sleep(delay).await;
        // The deadline may have passed if the runtime was stalled in the meantime, and the lease of a
        // fleet may be lost.
        if Instant::now() >= deadline || acquire.stop_retries.is_set() {
            return Err(failed);
        }
    }
    unreachable!("the loop ends at the last attempt")
}

async fn run_attempt<T>(
    limit: Duration,
    deadline: Instant,
    attempt: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout_at(deadline.min(Instant::now() + limit), attempt)
        .await
        .unwrap_or_else(|_| Err(Error::of(Problem::AcquisitionTimeout)))
}

/// Exponential backoff with full jitter: between zero and the doubled base, so that clients that failed
/// at the same time do not retry at the same time. `unit` is from `0.0..1.0`.
fn backoff(base: Duration, failed: u32, unit: f64) -> Duration {
    let ceiling = base.saturating_mul(2_u32.saturating_pow(failed - 1)).min(MAX_BACKOFF);
    ceiling.mul_f64(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_under_full_jitter_and_is_bounded() {
        let millis = |failed, unit| backoff(RETRY_BASE, failed, unit).as_millis();
        assert_eq!([millis(1, 0.0), millis(5, 0.0)], [0, 0]);
        assert_eq!([millis(1, 0.5), millis(2, 0.5), millis(3, 0.5)], [50, 100, 200]);
        assert_eq!(millis(4, 0.999), 799);
        assert!(backoff(RETRY_BASE, u32::MAX, 0.999) < MAX_BACKOFF);
        assert_eq!(backoff(Duration::MAX, 1, 0.5), MAX_BACKOFF / 2);
    }
}
