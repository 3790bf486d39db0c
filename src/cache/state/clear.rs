//! Discarding the cached token.

use tokio::time::Instant;

use super::{Effects, State};
use crate::{cache::snapshot::Snapshot, event::EventKind, sync::Arc, token::Token};

impl State {
    /// Discards every token that was requested before now.
    ///
    /// An acquisition in flight continues: its token request may not have been sent yet, and a second
    /// acquisition would break single-flight. [`is_cleared`](Self::is_cleared) checks its token when it
    /// arrives.
    pub(in crate::cache) fn clear(&mut self, now: Instant) -> Effects {
        self.cleared_at = Some(now);
        // A later rejection concerns another token, so an exhausted budget is reported again.
        self.too_soon_reported = false;
        if !self.has_unexpired(now) {
            return Effects::default();
        }
        if let Some(held) = &self.held {
            // Kept as an expired one, so that a server which returns it again is recognized.
            let expired = Snapshot { revalidate_at: now, expires_at: now, ..Snapshot::clone(held) };
            self.held = Some(Arc::new(expired));
        }
        self.refills_budget &= !self.held_rejected;
        self.held_rejected = false;
        self.replacement_wait_until = None;
        self.wall_expires_at = None;
        self.rejection_pending = false;
        Effects { events: vec![EventKind::Cleared], ..Effects::default() }
    }

    /// Whether an arriving token was requested before the last clear. `started` is when its source
    /// was called.
    pub(super) fn is_cleared(&self, token: &Token, started: Instant) -> bool {
        let requested = token.issued_at().unwrap_or(started);
        self.cleared_at.is_some_and(|cleared_at| requested < cleared_at)
    }
}
