//! The connection for commands. A lost one is replaced, if necessary on another runtime.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{Value, aio::MultiplexedConnection};
use tokio::{runtime::Handle, sync::watch};

use super::{
    connect::Connector,
    error::{ConnectionState, Failure},
    script::{ScriptCall, SentScripts},
};
use crate::sync::{Mutex, lock};

/// Pauses after failed attempts to connect, during which operations fail at once. They are short, so
/// that sharing resumes soon after an outage.
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// A caller that drops an operation after this time did not get its answer in time. Callers drop
/// operations sooner for other reasons too.
const SLOW: Duration = Duration::from_millis(50);

/// After this many operations in a row that were dropped without an answer, another connection is
/// made. Callers with a shorter bound than [`SLOW`] would stay on a dead connection otherwise.
const MAX_UNANSWERED: u32 = 3;

/// An attempt to connect that exceeds its timeout by this is replaced: its runtime is not driven.
const ABANDONED_AFTER: Duration = Duration::from_secs(1);

/// The connection that the operations of a store share.
#[derive(Debug)]
pub(super) struct SharedConnection {
    pub(super) connector: Connector,
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

/// The connection, or the attempt to connect that is running.
enum Lookup {
    Connected(Current),
    Connecting(watch::Receiver<Option<Outcome>>),
}

/// A connection in use.
#[derive(Clone, Debug)]
struct Current {
    connection: MultiplexedConnection,
    status: Arc<Status>,
}

#[derive(Debug, Default)]
struct Status {
    /// Whether the next operation makes another connection.
    must_reconnect: AtomicBool,
    /// How many operations were dropped since the last answer.
    unanswered: AtomicU32,
    scripts: SentScripts,
}

impl Status {
    fn must_reconnect(&self) -> bool {
        self.must_reconnect.load(Ordering::Relaxed)
    }

    fn reconnect(&self) {
        self.must_reconnect.store(true, Ordering::Relaxed);
    }
}

/// Notices that the caller drops an operation, because its answer takes too long: Redis hangs, the
/// connection is dead, or its runtime is not driven. The next operation then makes another connection.
struct CancelGuard<'a> {
    status: &'a Status,
    since: Instant,
    is_answered: bool,
}

impl<'a> CancelGuard<'a> {
    fn new(status: &'a Status) -> Self {
        Self { status, since: Instant::now(), is_answered: false }
    }

    /// The connection works, however long the answer took.
    fn record_answer(mut self) {
        self.status.unanswered.store(0, Ordering::Relaxed);
        self.is_answered = true;
    }
}

impl Drop for CancelGuard<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            return;
        }
        let unanswered = self.status.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        if unanswered >= MAX_UNANSWERED || self.since.elapsed() >= SLOW {
            self.status.reconnect();
        }
    }
}

impl SharedConnection {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, slot: Mutex::new(Slot::Empty) }
    }

    /// Starts to connect, if there is a runtime. Otherwise the first operation does.
    pub(super) fn connect_in_background(self: &Arc<Self>) {
        if Handle::try_current().is_ok() {
            // The first operation waits for the attempt, or returns its failure.
            let _ = self.find_or_connect();
        }
    }

    /// Runs a script. If its connection turns out to be closed, the script is repeated once on another
    /// one: all scripts can be repeated.
    pub(super) async fn run(self: &Arc<Self>, script: &ScriptCall) -> Result<Value, Failure> {
        let mut attempt = 1;
        loop {
            let Current { mut connection, status } = self.get().await?;
            let guard = CancelGuard::new(&status);
            let answer = script.run(&mut connection, &status.scripts).await;
            guard.record_answer();
            let failure = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => Failure::of(&error, &[]),
            };
            if failure.connection != ConnectionState::Usable {
                status.reconnect();
            }
            if failure.connection != ConnectionState::Closed || attempt == 2 {
                return Err(failure);
            }
            attempt += 1;
        }
    }

    /// Returns the connection, or waits for an attempt to connect.
    async fn get(self: &Arc<Self>) -> Outcome {
        // If the runtime of the attempt ends, another attempt starts on the current runtime.
        for _ in 0..2 {
            let mut outcome = match self.find_or_connect()? {
                Lookup::Connected(current) => return Ok(current),
                Lookup::Connecting(outcome) => outcome,
            };
            if let Ok(outcome) = outcome.wait_for(Option::is_some).await {
                return outcome.clone().unwrap_or_else(|| Err(lost()));
            }
        }
        Err(lost())
    }

    /// # Errors
    ///
    /// The failure of the last attempt, while its pause lasts. If there is no runtime to connect on.
    fn find_or_connect(self: &Arc<Self>) -> Result<Lookup, Failure> {
        let mut slot = lock(&self.slot);
        let pause = match &*slot {
            Slot::Connected(current) if !current.status.must_reconnect() => {
                return Ok(Lookup::Connected(current.clone()));
            }
            Slot::Connecting { since, outcome }
                if outcome.has_changed().is_ok()
                    && since.elapsed() < self.connector.connect_timeout + ABANDONED_AFTER =>
            {
                return Ok(Lookup::Connecting(outcome.clone()));
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
        // In a task, because it continues if the caller stops waiting.
        let this = Arc::clone(self);
        runtime.spawn(async move { this.attempt(pause, &sender).await });
        Ok(Lookup::Connecting(outcome))
    }

    async fn attempt(&self, last_pause: Duration, sender: &watch::Sender<Option<Outcome>>) {
        let outcome = self
            .connector
            .connect()
            .await
            .map(|connection| Current { connection, status: Arc::default() });
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

/// The task that connected panicked, or its runtime ended.
fn lost() -> Failure {
    Failure::new("connecting was interrupted; check that the runtime has its IO driver enabled")
}
