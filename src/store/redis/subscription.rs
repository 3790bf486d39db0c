//! Receives announcements, over one connection for all receivers of a store.

use std::{collections::HashMap, future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use futures_core::Stream as _;
use redis::aio::{PubSub, PubSubStream};
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{connection::SharedConnection, scripts};
use crate::{
    store::traits::{Announcer, EntryId},
    sync::{Mutex, lock},
};

/// Pauses before the next attempt to subscribe. Readers poll in the meantime.
const MIN_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Interval at which an idle connection is pinged, and the task ends if no receiver is left.
const CHECK_EVERY: Duration = Duration::from_secs(15);

/// The receivers of a store, and the task that serves them.
#[derive(Debug)]
pub(super) struct Subscription {
    connection: Arc<SharedConnection>,
    channel: Box<str>,
    receivers: Arc<Receivers>,
    task: Mutex<Option<JoinHandle<()>>>,
}

type Receivers = Mutex<Registry>;

/// The receivers of each entry.
#[derive(Debug, Default)]
struct Registry {
    of_entry: HashMap<EntryId, Vec<Announcer>>,
    /// Number of receivers, including those that were dropped since the last `prune`.
    len: usize,
    len_after_prune: usize,
}

impl Registry {
    /// With fewer receivers, `add` does not prune.
    const MIN_PRUNE: usize = 64;

    fn add(&mut self, receiver: Announcer) {
        // Pruned when the number has doubled, so that adding has amortized constant cost.
        if self.len >= 2 * self.len_after_prune.max(Self::MIN_PRUNE) {
            self.prune();
        }
        self.len += 1;
        self.of_entry.entry(receiver.id()).or_default().push(receiver);
    }

    /// Removes the receivers that were dropped.
    fn prune(&mut self) {
        self.of_entry.retain(|_, of_entry| {
            of_entry.retain(|receiver| !receiver.is_closed());
            !of_entry.is_empty()
        });
        self.len = self.of_entry.values().map(Vec::len).sum();
        self.len_after_prune = self.len;
    }
}

impl Subscription {
    pub(super) fn new(connection: Arc<SharedConnection>, channel: Box<str>) -> Self {
        Self { connection, channel, receivers: Arc::default(), task: Mutex::new(None) }
    }

    pub(super) fn add(&self, receiver: Announcer) {
        lock(&self.receivers).add(receiver);
        self.ensure_running();
    }

    /// Notifies all receivers that new entries are not announced.
    pub(super) fn interrupt(&self, cause: &str) {
        interrupt(&self.receivers, cause);
    }

    /// Starts the task if there are receivers and it does not run. It ends with its runtime.
    pub(super) fn ensure_running(&self) {
        let mut task = lock(&self.task);
        if task.as_ref().is_some_and(|task| !task.is_finished()) || is_empty(&self.receivers) {
            return;
        }
        // Without a runtime, the next operation starts it.
        let Ok(runtime) = Handle::try_current() else { return };
        let (connection, channel) = (Arc::clone(&self.connection), self.channel.clone());
        *task = Some(runtime.spawn(serve(connection, channel, Arc::clone(&self.receivers))));
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(task) = &*lock(&self.task) {
            task.abort();
        }
    }
}

/// Whether no receiver is left. Removes those that were dropped.
fn is_empty(receivers: &Receivers) -> bool {
    let mut receivers = lock(receivers);
    receivers.prune();
    receivers.len == 0
}

async fn serve(connection: Arc<SharedConnection>, channel: Box<str>, receivers: Arc<Receivers>) {
    let connector = &connection.connector;
    let mut pause = MIN_PAUSE;
    while !is_empty(&receivers) {
        match connector.subscribe(&channel).await {
            Ok(subscription) => {
                pause = MIN_PAUSE;
                receive(subscription, connector.response_timeout, &receivers).await;
            }
            Err(failure) => {
                let cause = failure.into_error(&connector.address).into_cause().to_string();
                interrupt(&receivers, &cause);
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
    }
}

/// Delivers announcements until the connection is lost, or no receiver is left.
async fn receive(subscription: PubSub, response_timeout: Duration, receivers: &Receivers) {
    let (mut sink, mut messages) = subscription.split();
    let mut checked_at = Instant::now();
    loop {
        let message = timeout(CHECK_EVERY, next(&mut messages)).await;
        // Checked after messages too: a busy channel never reaches the timeout.
        if checked_at.elapsed() >= CHECK_EVERY {
            if is_empty(receivers) {
                return;
            }
            checked_at = Instant::now();
        }
        match message {
            Ok(Some(message)) => deliver(receivers, &message),
            Ok(None) => return,
            Err(_elapsed) => {
                let answer = timeout(response_timeout, sink.ping::<redis::Value>()).await;
                if !matches!(answer, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

async fn next(messages: &mut PubSubStream) -> Option<redis::Msg> {
    poll_fn(|cx| Pin::new(&mut *messages).poll_next(cx)).await
}

/// Notifies all receivers that no announcements arrive.
fn interrupt(receivers: &Receivers, cause: &str) {
    // Without the lock, since a receiver runs code of the user.
    let all: Vec<_> = lock(receivers).of_entry.values().flatten().cloned().collect();
    for receiver in all {
        receiver.interrupted(cause);
    }
}

fn deliver(receivers: &Receivers, message: &redis::Msg) {
    // Other programs may publish to the channel.
    let Some((id, entry)) = scripts::announced(message.get_payload_bytes()) else { return };
    // Without the lock, since a receiver runs code of the user.
    let of_entry = lock(receivers).of_entry.get(&id).cloned().unwrap_or_default();
    for receiver in of_entry {
        receiver.announce(id, entry.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_receivers_are_removed_when_others_are_added() {
        let mut registry = Registry::default();
        let mut kept = Vec::new();
        for number in 0..10_000_u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let (announcer, receiver) = Announcer::channel(EntryId::new(id));
            registry.add(announcer);
            if number % 1_000 == 0 {
                kept.push(receiver);
            }
            assert!(registry.of_entry.len() <= 2 * Registry::MIN_PRUNE);
        }
        registry.prune();
        assert_eq!((registry.len, registry.of_entry.len()), (kept.len(), kept.len()));
    }
}
