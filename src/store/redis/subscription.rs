//! Receives announcements, over one connection for all receivers of a store.

use std::{collections::HashMap, future::poll_fn, pin::Pin, sync::Arc, time::Duration};

use futures_core::Stream as _;
use redis::aio::PubSubStream;
use tokio::{
    runtime::Handle,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::{connection::SharedConnection, scripts};
use crate::{
    store::traits::{Announcements, EntryId},
    sync::{Mutex, lock},
};

/// Pauses before the next attempt to subscribe. Readers poll in the meantime.
const MIN_PAUSE: Duration = Duration::from_millis(500);
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A connection is checked after this time without a message. Receivers are checked this often too.
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
    of_entry: HashMap<EntryId, Vec<Announcements>>,
    /// Receivers in `of_entry`, with those that were dropped since the last `prune`.
    count: usize,
    /// `count` after the last `prune`.
    lasting: usize,
}

impl Registry {
    /// With fewer receivers, `add` does not prune.
    const FEW: usize = 64;

    fn add(&mut self, receiver: Announcements) {
        // At least half of them were added since the last time, so the amortized cost is constant.
        if self.count >= 2 * self.lasting.max(Self::FEW) {
            self.prune();
        }
        self.count += 1;
        self.of_entry.entry(receiver.id()).or_default().push(receiver);
    }

    /// Removes the receivers that were dropped.
    fn prune(&mut self) {
        self.of_entry.retain(|_, of_entry| {
            of_entry.retain(|receiver| !receiver.is_closed());
            !of_entry.is_empty()
        });
        self.count = self.of_entry.values().map(Vec::len).sum();
        self.lasting = self.count;
    }
}

impl Subscription {
    pub(super) fn new(connection: Arc<SharedConnection>, channel: Box<str>) -> Self {
        Self { connection, channel, receivers: Arc::default(), task: Mutex::new(None) }
    }

    pub(super) fn add(&self, receiver: Announcements) {
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
    receivers.count == 0
}

async fn serve(connection: Arc<SharedConnection>, channel: Box<str>, receivers: Arc<Receivers>) {
    let mut pause = MIN_PAUSE;
    while !is_empty(&receivers) {
        match connection.connect.for_announcements(&channel).await {
            Ok(subscription) => {
                pause = MIN_PAUSE;
                let (mut sink, mut messages) = subscription.split();
                let response_timeout = connection.connect.response_timeout;
                let mut checked_at = Instant::now();
                loop {
                    // Here too, because a busy channel never reaches the timeout below.
                    if checked_at.elapsed() >= CHECK_EVERY {
                        if is_empty(&receivers) {
                            return;
                        }
                        checked_at = Instant::now();
                    }
                    match timeout(CHECK_EVERY, next(&mut messages)).await {
                        Ok(Some(message)) => deliver(&receivers, &message),
                        Ok(None) => break,
                        Err(_) if is_empty(&receivers) => return,
                        Err(_) => {
                            match timeout(response_timeout, sink.ping::<redis::Value>()).await {
                                Ok(Ok(_)) => {}
                                Ok(Err(_)) | Err(_) => break,
                            }
                        }
                    }
                }
            }
            Err(failure) => {
                let cause =
                    failure.into_error(&connection.connect.address).into_cause().to_string();
                interrupt(&receivers, &cause);
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
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
    fn receivers_that_are_gone_are_removed_when_others_are_added() {
        let mut registry = Registry::default();
        let mut lasting = Vec::new();
        for number in 0..10_000_u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let (announcements, receiver) = Announcements::channel(EntryId::new(id));
            registry.add(announcements);
            if number % 1_000 == 0 {
                lasting.push(receiver);
            }
            assert!(registry.of_entry.len() <= 2 * Registry::FEW);
        }
        registry.prune();
        assert_eq!((registry.count, registry.of_entry.len()), (lasting.len(), lasting.len()));
    }
}
