//! Numbers that would make every request fail, or cause a loop.

use std::time::Duration;

use crate::endpoint::{response::ReadPolicy, retry::RetryPolicy};

/// Minimum lifetime setting. Tokens with a shorter one would be refreshed in a loop.
const MIN_LIFETIME: Duration = Duration::from_secs(1);

pub(super) fn check(
    retry: &RetryPolicy,
    body_cap: usize,
    policy: &ReadPolicy,
) -> Result<(), &'static str> {
    if retry.attempts == 0 {
        return Err("attempts: it is zero, so nothing would be sent; set 1 or more");
    }
    if retry.attempt_timeout.is_zero() {
        return Err(
            "attempt_timeout: it is zero, so every attempt would fail; set a second or more",
        );
    }
    if body_cap == 0 {
        return Err("body_cap: it is zero, so every response would fail; set 1 MiB");
    }
    let is_short = |lifetime: Option<Duration>| lifetime.is_some_and(|it| it < MIN_LIFETIME);
    if is_short(policy.token_lifetime) {
        return Err(
            "token_lifetime: it is below 1 s, so tokens would be refreshed in a loop; set \
                    1 s or more",
        );
    }
    if is_short(policy.lifetime_cap) {
        return Err("lifetime_cap: it is below 1 s, so tokens would be refreshed in a loop; set \
                    1 s or more");
    }
    Ok(())
}
