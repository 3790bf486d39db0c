//! What of a cache's state outlives it, where it is one of many.

use super::State;
use crate::cache::backoff::Pauses;

impl State {
    pub(in crate::cache) fn pauses(&self) -> Pauses {
        Pauses {
            cooldown: self.cooldown.clone(),
            budget: self.budget.clone(),
            not_before: self.not_before,
        }
    }

    /// Goes on where another cache of the same key left off.
    pub(in crate::cache) fn resume(&mut self, pauses: Pauses) {
        let Pauses { cooldown, budget, not_before } = pauses;
        self.cooldown = cooldown;
        self.budget = budget;
        self.not_before = not_before;
    }
}
