//! The wait for another process.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{answer::AcquireRequest, entry::DecodedEntry, health::Unavailable};
use crate::{error::Error, store::traits::LeaseOwner, token::Token};

/// How long a process waits before it asks for a lease again that another one has: the first time, and
/// at most. A random part of up to 80 % is subtracted.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// After how many leases that were released without a new entry a process acquires for itself.
const MAX_LEASES_WITHOUT_ENTRY: u32 = 2;
/// The bound of an acquisition without a deadline: the default of `acquisition_timeout`.
const DEFAULT_BOUND: Duration = Duration::from_secs(25);
/// For which share of its bound a process renews its lease. Then another one takes over, because the
/// network of this process may be broken. By default 10 s, the bound of an attempt.
const LEASE_SHARE: f64 = 0.4;
/// For which share of its bound a process waits for others, if the bound is shorter than two leases, which
/// is too short to outlast a process that died. The rest is enough for its own attempt. All processes of
/// a fleet may have waited for the same one, so each draws its share.
const WAIT_SHARE: (f64, f64) = (0.5, 0.6);

/// Until when a process that acquires from now on may have the lease.
pub(super) fn lease_limit(deadline: Option<Instant>) -> Instant {
    let now = Instant::now();
    let bound = deadline.map_or(DEFAULT_BOUND, |at| at.saturating_duration_since(now));
    now + bound.mul_f64(LEASE_SHARE)
}

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
    /// When it stops waiting in any case, so that it has time for its own attempt.
    until: Option<Instant>,
}

/// The lease of another process, as the last poll saw it.
struct HeldLease {
    owner: LeaseOwner,
    /// The generation of the entry.
    generation: Option<u64>,
    ends_at: Instant,
}

impl Waiting {
    /// `deadline`: of this process's acquisition.
    pub(super) fn new(deadline: Option<Instant>, lease: Duration) -> Self {
        let since = Instant::now();
        let share = WAIT_SHARE.0 + (WAIT_SHARE.1 - WAIT_SHARE.0) * fastrand::f64();
        let bound = deadline.map(|at| at.saturating_duration_since(since));
        Self {
            since,
            poll: POLL.0,
            last: None,
            leases_without_entry: 0,
            gives_up_at: None,
            until: bound.filter(|it| *it < 2 * lease).map(|it| since + it.mul_f64(share)),
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

    /// Why this process acquires for itself now, if it does not wait any longer.
    pub(super) fn gives_up(&self) -> Option<Unavailable> {
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if is_past(self.gives_up_at) {
            Some(Unavailable::NothingStored)
        } else {
            is_past(self.until).then_some(Unavailable::NoResult)
        }
    }

    /// Whether another process has the lease, as far as this one knows. A store that fails is then asked
    /// again, since its result may arrive.
    pub(super) fn expects_result(&self) -> bool {
        !self.lease_left().is_zero()
    }

    /// The next poll: at the end of the lease, or sooner.
    pub(super) fn next_poll(&mut self) -> Instant {
        let jitter = fastrand::f64();
        let poll = self.poll.mul_f64(1.0 - 0.8 * jitter);
        self.poll = (self.poll * 2).min(POLL.1);
        let at = Instant::now() + poll.min(self.lease_left() + POLL.0.mul_f64(jitter));
        self.until.map_or(at, |until| at.min(until))
    }

    fn lease_left(&self) -> Duration {
        let now = Instant::now();
        self.last.as_ref().map_or(Duration::ZERO, |it| it.ends_at.saturating_duration_since(now))
    }
}
