//! The wait for another process.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{answer::Question, entry::Generation};
use crate::{error::Error, store::traits::LeaseOwner, token::Token};

/// How long a process waits before it asks for a lease again that another one has: the first time, and
/// at most. A random part of up to 80 % is subtracted.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// After how many other leases, without a new entry, a process acquires for itself.
const MAX_TURNS: u32 = 2;

/// Waits for an announcement with a result, until the next poll.
pub(super) async fn announcement(
    question: &Question<'_>,
    announced: &mut watch::Receiver<Option<Arc<Generation>>>,
    until: Instant,
) -> Option<Result<Token, Error>> {
    loop {
        match timeout_at(until, announced.changed()).await {
            Ok(Ok(())) => {
                let generation = announced.borrow_and_update().clone();
                if let Some(answer) = generation.and_then(|it| question.answer(&it)) {
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
    last: Option<(LeaseOwner, Option<u64>)>,
    /// How many processes had the lease after another one, and stored nothing.
    turns: u32,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), poll: POLL.0, last: None, turns: 0 }
    }

    /// Whether other processes had the lease one after the other, and stored nothing.
    pub(super) fn saw_turns(&mut self, owner: LeaseOwner, generation: Option<u64>) -> bool {
        if let Some((last, stored)) = self.last.replace((owner, generation))
            && last != owner
        {
            self.turns = if stored == generation { self.turns + 1 } else { 0 };
        }
        self.turns >= MAX_TURNS
    }

    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// At the end of the lease, or sooner.
    pub(super) fn next_poll(&mut self, remaining: Duration) -> Duration {
        let jitter = fastrand::f64();
        let poll = self.poll.mul_f64(1.0 - 0.8 * jitter);
        self.poll = (self.poll * 2).min(POLL.1);
        poll.min(remaining.saturating_add(POLL.0.mul_f64(jitter)))
    }
}
