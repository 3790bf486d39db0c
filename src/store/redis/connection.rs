//! The connection for commands. It is made again when it is lost, also on another runtime.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{ScriptInvocation, Value, aio::MultiplexedConnection};
use tokio::{runtime::Handle, sync::watch};

use super::{
    connect::Connect,
    error::{ConnectionState, Failure},
};
use crate::sync::{Mutex, lock};

/// Pauses after failed attempts to connect. Operations fail at once during a pause. Short, because
/// processes that cannot reach the store acquire for themselves.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// An operation that is dropped after this time did not get its answer in time. Others are dropped
/// for other reasons.
const SLOW: Duration = Duration::from_millis(50);

/// How much longer than its bound an attempt may take before it is replaced. It takes longer if its
/// runtime is not driven.
const ABANDONED_AFTER: Duration = Duration::from_secs(1);

/// The connection that the operations of a store share.
#[derive(Debug)]
pub(super) struct SharedConnection {
    pub(super) connect: Connect,
    slot: Mutex<Slot>,
}

#[derive(Clone, Debug)]
enum Slot {
    Empty,
    Connecting { since: Instant, outcome: watch::Receiver<Option<Outcome>> },
    Connected(Current),
    Failed { failure: Failure, until: Instant, pause: Duration },
}

type Outcome = Result<Current, Failure>;

/// A connection in use.
#[derive(Clone, Debug)]
struct Current {
    connection: MultiplexedConnection,
    /// Whether the next operation makes another connection.
    must_reconnect: Arc<AtomicBool>,
}

/// Marks a connection as doubtful if the operation is dropped late, which its caller does when it
/// takes too long: Redis hangs, the connection is dead, or its runtime is not driven.
struct Operation<'a> {
    must_reconnect: &'a AtomicBool,
    since: Instant,
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        if self.since.elapsed() >= SLOW {
            self.must_reconnect.store(true, Ordering::Relaxed);
        }
    }
}

impl SharedConnection {
    pub(super) fn new(connect: Connect) -> Self {
        Self { connect, slot: Mutex::new(Slot::Empty) }
    }

    /// Runs a script. One that finds its connection closed is repeated once on another connection,
    /// since all scripts can be repeated.
    pub(super) async fn run(
        self: &Arc<Self>,
        script: ScriptInvocation<'static>,
    ) -> Result<Value, Failure> {
        let mut attempt = 1;
        loop {
            let mut current = self.get().await?;
            let operation =
                Operation { must_reconnect: &current.must_reconnect, since: Instant::now() };
            let answer = script.invoke_async(&mut current.connection).await;
            // An answer is a sign of life, however late it is.
            std::mem::forget(operation);
            let failure = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => Failure::of(&error, &[]),
            };
            if failure.connection != ConnectionState::Usable {
                current.must_reconnect.store(true, Ordering::Relaxed);
            }
            if failure.connection != ConnectionState::Closed || attempt == 2 {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// The connection, or the result of the attempt to connect that is in flight.
    async fn get(self: &Arc<Self>) -> Outcome {
        // An attempt is lost with its runtime. The second one runs on the current runtime.
        for _ in 0..2 {
            let mut outcome = match self.connection_or_attempt()? {
                Ok(current) => return Ok(current),
                Err(attempt) => attempt,
            };
            if let Ok(outcome) = outcome.wait_for(Option::is_some).await {
                return outcome.clone().unwrap_or_else(|| Err(lost()));
            }
        }
        Err(lost())
    }

    fn connection_or_attempt(
        self: &Arc<Self>,
    ) -> Result<Result<Current, watch::Receiver<Option<Outcome>>>, Failure> {
        let mut slot = lock(&self.slot);
        let pause = match &*slot {
            Slot::Connected(current) if !current.must_reconnect.load(Ordering::Relaxed) => {
                return Ok(Ok(current.clone()));
            }
            Slot::Connecting { since, outcome }
                if outcome.has_changed().is_ok()
                    && since.elapsed() < self.connect.connect_timeout + ABANDONED_AFTER =>
            {
                return Ok(Err(outcome.clone()));
            }
            Slot::Failed { failure, until, .. } if Instant::now() < *until => {
                return Err(failure.clone());
            }
            Slot::Failed { pause, .. } => *pause,
            Slot::Empty | Slot::Connected(_) | Slot::Connecting { .. } => Duration::ZERO,
        };
        let Ok(runtime) = Handle::try_current() else {
            return Err(Failure::new("there is no tokio runtime; call it in a runtime"));
        };
        let (sender, outcome) = watch::channel(None);
        *slot = Slot::Connecting { since: Instant::now(), outcome: outcome.clone() };
        // In a task, because callers may wait for less time than connecting takes.
        let this = Arc::clone(self);
        runtime.spawn(async move { this.attempt(pause, &sender).await });
        Ok(Err(outcome))
    }

    async fn attempt(&self, last_pause: Duration, sender: &watch::Sender<Option<Outcome>>) {
        let outcome = self
            .connect
            .for_commands()
            .await
            .map(|connection| Current { connection, must_reconnect: Arc::default() });
        let mut slot = lock(&self.slot);
        // An attempt that was abandoned does not replace a later one.
        let is_latest = matches!(
            &*slot,
            Slot::Connecting { outcome, .. } if outcome.same_channel(&sender.subscribe())
        );
        if is_latest {
            *slot = match &outcome {
                Ok(current) => Slot::Connected(current.clone()),
                Err(failure) => {
                    let pause = (last_pause * 2).clamp(MIN_PAUSE, MAX_PAUSE);
                    let until = Instant::now() + pause.mul_f64(1.0 + fastrand::f64() / 4.0);
                    Slot::Failed { failure: failure.clone(), until, pause }
                }
            };
        }
        drop(slot);
        sender.send_replace(Some(outcome));
    }
}

/// The task that connects panicked, or its runtime ended.
fn lost() -> Failure {
    Failure::new("connecting was interrupted; check that the runtime has its IO driver enabled")
}
