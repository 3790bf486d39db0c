//! A signal without a value.

use std::sync::OnceLock;

use tokio::sync::watch;

/// Notifies those who wait for a change. Most caches have none, so it takes 8 bytes until the first one
/// subscribes, instead of some 400.
#[derive(Default)]
pub(super) struct Signal(OnceLock<watch::Sender<()>>);

impl Signal {
    /// Receives the notifications from now on. It is closed when the signal is dropped.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.get_or_init(|| watch::Sender::new(())).subscribe()
    }

    pub(super) fn notify(&self) {
        if let Some(sender) = self.0.get() {
            sender.send_replace(());
        }
    }
}
