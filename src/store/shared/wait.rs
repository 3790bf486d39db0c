//! The wait for the process that has the lease.

use std::{future::pending, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{answer::AcquireRequest, entry::DecodedEntry, health::Unavailable};
use crate::{error::Error, store::traits::LeaseOwner, token::Token};

/// First interval between two requests for a held lease, doubled up to `LONGEST_INTERVAL`. Up to `INTERVAL_JITTER` of
/// it is subtracted at random.
const FIRST_INTERVAL: Duration = Duration::from_millis(250);
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);
const INTERVAL_JITTER: f64 = 0.8;
/// After this many leases that were released without a new entry, a process acquires without the store.
const MAX_LEASES_WITHOUT_ENTRY: u32 = 2;
/// The bound of an acquisition without a deadline: the default of `acquisition_timeout`.
const DEFAULT_BOUND: Duration = Duration::from_secs(25);
/// A process renews its lease for this share of the time that its acquisition has left. Then another
/// process takes over, because the network of this one may be broken. By default 10 s, the bound of an
/// attempt.
const LEASE_SHARE: f64 = 0.4;
/// If the bound of an acquisition is below two leases, it cannot outlast the lease of a process that died.
/// It then waits for this share of its bound only, which leaves time for its own attempt. The share is
/// random, because all processes of a fleet may wait for the same one.
const MIN_WAIT_SHARE: f64 = 0.5;
const MAX_WAIT_SHARE: f64 = 0.6;

/// When a process stops renewing the lease of an acquisition that starts now and has this deadline.
pub(super) fn lease_limit(deadline: Option<Instant>) -> Instant {
    let now = Instant::now();
    let bound = deadline.map_or(DEFAULT_BOUND, |at| at.saturating_duration_since(now));
    now + bound.mul_f64(LEASE_SHARE)
}

/// Waits for an announcement that answers the request. `None`: there was none until `until`.
pub(super) async fn next_announced_answer(
    request: &AcquireRequest<'_>,
    announced: &mut watch::Receiver<Option<Arc<DecodedEntry>>>,
    until: Instant,
) -> Option<Result<Token, Error>> {
    let answering = async {
        while announced.changed().await.is_ok() {
            let decoded = announced.borrow_and_update().clone();
            if let Some(answer) = decoded.and_then(|it| request.answer(&it)) {
                return answer;
            }
        }
        // Without announcements, the caller requests the lease again after a while.
        pending().await
    };
    timeout_at(until, answering).await.ok()
}

/// The wait of one acquisition for the processes that have the lease.
pub(super) struct LeaseWait {
    since: Instant,
    /// The longest wait until the lease is requested again.
    interval: Duration,
    last: Option<HeldLease>,
    /// How many leases in a row were released without a new entry.
    leases_without_entry: u32,
    /// The end of the wait, because nothing is stored.
    acquires_alone_at: Option<Instant>,
    /// The end of the wait if the bound is below two leases, so that this process has time for its own attempt.
    until: Option<Instant>,
}

/// The lease of another process at the last request.
struct HeldLease {
    owner: LeaseOwner,
    /// The generation of the entry.
    generation: Option<u64>,
    ends_at: Instant,
}

impl LeaseWait {
    /// `deadline`: of this process's acquisition.
    pub(super) fn new(deadline: Option<Instant>, lease: Duration) -> Self {
        let since = Instant::now();
        let share = MIN_WAIT_SHARE + (MAX_WAIT_SHARE - MIN_WAIT_SHARE) * fastrand::f64();
        let bound = deadline.map(|at| at.saturating_duration_since(since));
        Self {
            since,
            interval: FIRST_INTERVAL,
            last: None,
            leases_without_entry: 0,
            acquires_alone_at: None,
            until: bound.filter(|it| *it < 2 * lease).map(|it| since + it.mul_f64(share)),
        }
    }

    /// Records the lease of another process.
    ///
    /// Counts leases that were released without a new entry. A lease that lapsed belonged to a process
    /// that died, which is not a fault of the store.
    pub(super) fn record_lease(
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
                (self.leases_without_entry, self.acquires_alone_at) = (0, None);
            } else if now < last.ends_at {
                self.leases_without_entry += 1;
            }
        }
        if self.leases_without_entry >= MAX_LEASES_WITHOUT_ENTRY && self.acquires_alone_at.is_none()
        {
            // All processes of the fleet see the same, and must not acquire at the same time.
            let spread = lease.saturating_sub(self.since.elapsed()).max(lease / 2);
            self.acquires_alone_at = Some(now + spread.mul_f64(fastrand::f64()));
        }
    }

    /// Returns the reason if the wait has ended, and this process acquires without the store.
    pub(super) fn reason_to_acquire_alone(&self) -> Option<Unavailable> {
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if is_past(self.acquires_alone_at) {
            Some(Unavailable::NothingStored)
        } else {
            is_past(self.until).then_some(Unavailable::NoResult)
        }
    }

    /// Whether another process had the lease at the last request, and it has not lapsed. Its result may
    /// still arrive if the store fails now.
    pub(super) fn expects_result(&self) -> bool {
        !self.remaining_lease().is_zero()
    }

    /// Returns the time of the next request, and increases the interval. It is at most `FIRST_INTERVAL` later
    /// than the end of the lease.
    pub(super) fn next_request_at(&mut self) -> Instant {
        let jitter = fastrand::f64();
        let drawn = self.interval.mul_f64(1.0 - INTERVAL_JITTER * jitter);
        self.interval = (self.interval * 2).min(LONGEST_INTERVAL);
        let at =
            Instant::now() + drawn.min(self.remaining_lease() + FIRST_INTERVAL.mul_f64(jitter));
        self.until.map_or(at, |until| at.min(until))
    }

    fn remaining_lease(&self) -> Duration {
        let now = Instant::now();
        self.last.as_ref().map_or(Duration::ZERO, |it| it.ends_at.saturating_duration_since(now))
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
            let mut waiting = LeaseWait::new(None, MINUTE);
            for owner in 0..=MAX_LEASES_WITHOUT_ENTRY {
                assert!(waiting.reason_to_acquire_alone().is_none());
                waiting.record_lease(LeaseOwner(owner.into()), MINUTE, None, MINUTE);
            }
            let at = waiting.acquires_alone_at.unwrap();
            assert!((waiting.since..=waiting.since + MINUTE).contains(&at));
            let before = Duration::from_nanos(1);
            tokio::time::advance(at.duration_since(Instant::now()).saturating_sub(before)).await;
            assert!(waiting.reason_to_acquire_alone().is_none());
            tokio::time::advance(before).await;
            assert!(waiting.reason_to_acquire_alone().is_some());
            times.insert(at - waiting.since);
        }
        assert!(times.len() > 15, "{times:?}");
    }
}
