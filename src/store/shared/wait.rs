//! The wait for another process.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{answer::AcquireRequest, entry::DecodedEntry};
use crate::{error::Error, store::traits::LeaseOwner, token::Token};

/// How long a process waits before it asks for a lease again that another one has: the first time, and
/// at most. A random part of up to 80 % is subtracted.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// After how many leases that were released without a new entry a process acquires for itself.
const MAX_LEASES_WITHOUT_ENTRY: u32 = 2;

/// Waits for an announcement with a result, until the next poll.
pub(super) async fn announcement(
    request: &AcquireRequest<'_>,
    announced: &mut watch::Receiver<Option<Arc<DecodedEntry>>>,
    until: Instant,
) -> Option<Result<Token, Error>> {
    loop {
        match timeout_at(until, announced.changed()).await {
            Ok(Ok(())) => {
                let decoded = announced.borrow_and_update().clone();
                if let Some(answer) = decoded.and_then(|it| request.answer(&it)) {
                    return Some(answer);
                }
            }
            Ok(Err(_closed)) => sleep_until(until).await,
            Err(_elapsed) => return None,
        }
    }
}

/// The wait for the process that has the lease.
pub(super) struct Waiting {
    since: Instant,
    /// The longest wait until the next poll.
    poll: Duration,
    last: Option<HeldLease>,
    /// How many processes released the lease, and stored nothing.
    leases_without_entry: u32,
    /// When this process stops waiting, because nothing is stored.
    gives_up_at: Option<Instant>,
}

/// The lease of another process, as the last poll saw it.
struct HeldLease {
    owner: LeaseOwner,
    /// The generation of the entry.
    generation: Option<u64>,
    ends_at: Instant,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            poll: POLL.0,
            last: None,
            leases_without_entry: 0,
            gives_up_at: None,
        }
    }

    /// Remembers the lease of another process. A process that stored nothing and had no time to
    /// release its lease died, and says nothing about the store.
    pub(super) fn saw(
        &mut self,
        owner: LeaseOwner,
        remaining: Duration,
        generation: Option<u64>,
        lease: Duration,
    ) {
        let now = Instant::now();
        let seen = HeldLease { owner, generation, ends_at: now + remaining };
        if let Some(last) = self.last.replace(seen)
            && last.owner != owner
        {
            if last.generation != generation {
                (self.leases_without_entry, self.gives_up_at) = (0, None);
            } else if now < last.ends_at {
                self.leases_without_entry += 1;
            }
        }
        if self.leases_without_entry >= MAX_LEASES_WITHOUT_ENTRY && self.gives_up_at.is_none() {
            // All processes of the fleet see the same, and must not acquire at the same time.
            let spread = lease.saturating_sub(self.since.elapsed()).max(lease / 2);
            self.gives_up_at = Some(now + spread.mul_f64(fastrand::f64()));
        }
    }

    /// Whether the leases of other processes lead to nothing, so that this one acquires for itself.
    pub(super) fn gives_up(&self) -> bool {
        self.gives_up_at.is_some_and(|at| at <= Instant::now())
    }

    /// At the end of the lease, or sooner.
    pub(super) fn next_poll(&mut self, remaining: Duration) -> Duration {
        let jitter = fastrand::f64();
        let poll = self.poll.mul_f64(1.0 - 0.8 * jitter);
        self.poll = (self.poll * 2).min(POLL.1);
        poll.min(remaining.saturating_add(POLL.0.mul_f64(jitter)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All processes of a fleet see the same leases.
    #[tokio::test(start_paused = true)]
    async fn a_process_gives_up_at_a_drawn_time_after_leases_that_lead_to_nothing() {
        const MINUTE: Duration = Duration::from_secs(60);
        let mut times = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let mut waiting = Waiting::new();
            for owner in 0..=MAX_LEASES_WITHOUT_ENTRY {
                assert!(!waiting.gives_up());
                waiting.saw(LeaseOwner(owner.into()), MINUTE, None, MINUTE);
            }
            let at = waiting.gives_up_at.unwrap();
            assert!((waiting.since..=waiting.since + MINUTE).contains(&at));
            let before = Duration::from_nanos(1);
            tokio::time::advance(at.duration_since(Instant::now()).saturating_sub(before)).await;
            assert!(!waiting.gives_up());
            tokio::time::advance(before).await;
            assert!(waiting.gives_up());
            times.insert(at - waiting.since);
        }
        assert!(times.len() > 15, "{times:?}");
    }
}
