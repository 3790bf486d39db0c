//! Keeping a cache warm without traffic (opt-in).

use super::Shared;
use crate::sync::Arc;

/// After a flight: waits until the next look is due, and takes it as a request would.
///
/// Each flight's task goes on like this, and ends when a later flight has taken over: so there is
/// one such task, on the runtime of the newest flight. It holds no handle while it waits, and
/// dropping the last one ends it.
pub(super) async fn keep(shared: Arc<Shared>, flight: u64) {
    let (weak, mut gone) = (Arc::downgrade(&shared), shared.gone.subscribe());
    let mut shared = Some(shared);
    while let Some(cache) = shared.take() {
        let Some(next) = cache.next_look(flight) else { return };
        drop(cache);
        // The sender is dropped with the last handle. A change is a withdrawal: look at once.
        if let Ok(Err(_)) = tokio::time::timeout_at(next, gone.changed()).await {
            return;
        }
        shared = weak.upgrade();
        if let Some(cache) = &shared {
            cache.consult();
        }
    }
}
