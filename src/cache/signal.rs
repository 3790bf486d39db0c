//! A signal without a value.

use std::sync::OnceLock;

use tokio::sync::watch;

/// Notifies subscribed tasks of a change.
///
/// Most caches have no subscriber. So the channel, some 400 bytes, is allocated for the first one. Until
/// then a signal takes 16 bytes.
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
