//! What follows when a source takes its tokens back.

use tokio::time::Instant;

use super::{Followup, State};
use crate::{cache::snapshot::Snapshot, event::Event, sync::Arc, token::Token};

impl State {
    /// Every token that was asked for before now is worthless.
    ///
    /// A flight in the air goes on: its request may not have left yet, and a second one beside it
    /// would break single-flight. Its token is judged when it lands.
    pub(in crate::cache) fn withdraw(&mut self, now: Instant) -> Followup {
        self.withdrawn_at = Some(now);
        if !self.usable(now) {
            return Followup::default();
        }
        if let Some(held) = &self.held {
            // Kept as an expired one: a server that hands it out again is still recognised.
            let gone = Snapshot { look_at: now, expires_at: now, ..Snapshot::clone(held) };
            self.held = Some(Arc::new(gone));
        }
        self.refills_budget &= !self.rejected;
        self.rejected = false;
        self.suspect_until = None;
        self.wall_expires_at = None;
        self.overdue = false;
        Followup { events: vec![Event::Withdrawn], ..Followup::default() }
    }

    /// Whether a token that lands was withdrawn while it was under way. `started`: when its source
    /// was asked.
    pub(super) fn is_withdrawn(&self, token: &Token, started: Instant) -> bool {
        let asked = token.issued_at().unwrap_or(started);
        self.withdrawn_at.is_some_and(|withdrawn_at| asked < withdrawn_at)
    }
}
