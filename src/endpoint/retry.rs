//! One acquisition: a few attempts, spaced, and only where another may help.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    error::{Error, ErrorKind},
    event::Event,
    source::AcquireContext,
};

/// A second attempt heals a lost connection, a third a failover.
pub(super) const ATTEMPTS: u32 = 3;
/// A token endpoint answers in well under a second; three times this is above the cache's bound.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Short beside a human's patience, long beside a round trip.
pub(super) const BASE: Duration = Duration::from_millis(100);
/// Whatever the base: no wait of our own is longer.
const MAX_BACKOFF: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(super) struct RetryPolicy {
    pub(super) attempts: u32,
    pub(super) attempt_timeout: Duration,
    pub(super) base: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: ATTEMPTS, attempt_timeout: ATTEMPT_TIMEOUT, base: BASE }
    }
}

/// Runs attempts until one succeeds, no other may help, or the next would come too late: then the
/// last failure is returned at once, with the server's `Retry-After` for the cache's cooldown.
pub(super) async fn run<T, F, Fut>(
    policy: &RetryPolicy,
    acquire: &AcquireContext,
    attempt: F,
) -> Result<T, Error>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, Error>>,
{
    let attempts = if acquire.single_attempt { 1 } else { policy.attempts };
    // Without a bound from outside, a long `Retry-After` must not hold the caller for hours.
    let own = Instant::now().checked_add(policy.attempt_timeout.saturating_mul(attempts));
    let deadline = acquire.deadline.or(own);
    for number in 1.. {
        let error = match one(policy.attempt_timeout, deadline, attempt()).await {
            Ok(token) => return Ok(token),
            Err(error) => error,
        };
        if number >= attempts || !error.is_retryable() {
            return Err(error);
        }
        let asked = error.retry_after().unwrap_or_default();
        let delay = backoff(policy.base, number, fastrand::f64()).max(asked);
        let next = Instant::now().checked_add(delay);
        if next.is_none_or(|next| deadline.is_some_and(|deadline| next >= deadline)) {
            return Err(error);
        }
        let failed = error.clone();
        acquire.observer.emit(&Event::Retrying { attempt: number, error, delay });
        sleep(delay).await;
        // On a runtime that was not driven meanwhile it may have been replaced by now.
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(failed);
        }
    }
    unreachable!("the loop ends at the last attempt")
}

async fn one<T>(
    limit: Duration,
    deadline: Option<Instant>,
    attempt: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let end = Instant::now().checked_add(limit).into_iter().chain(deadline).min();
    match end {
        None => attempt.await,
        Some(end) => timeout_at(end, attempt)
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::AcquisitionTimeout))),
    }
}

/// Exponential with full jitter: anything from nothing to the doubled base, so that clients
/// which failed together do not come back together. `unit` is from `0.0..1.0`.
fn backoff(base: Duration, failed: u32, unit: f64) -> Duration {
    let ceiling = base.saturating_mul(2_u32.saturating_pow(failed - 1)).min(MAX_BACKOFF);
    ceiling.mul_f64(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_under_full_jitter_and_is_bounded() {
        let millis = |failed, unit| backoff(BASE, failed, unit).as_millis();
        assert_eq!([millis(1, 0.0), millis(5, 0.0)], [0, 0]);
        assert_eq!([millis(1, 0.5), millis(2, 0.5), millis(3, 0.5)], [50, 100, 200]);
        assert_eq!(millis(4, 0.999), 799);
        assert!(backoff(BASE, u32::MAX, 0.999) < MAX_BACKOFF);
        assert_eq!(backoff(Duration::MAX, 1, 0.5), MAX_BACKOFF / 2);
    }
}
