//! Pauses that double.

use std::time::Duration;

/// A pause that doubles from `first` to `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Doubling {
    pub(crate) first: Duration,
    pub(crate) max: Duration,
}

impl Doubling {
    /// The pause after this number of doublings.
    pub(super) fn after(self, doublings: u32) -> Duration {
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.max.max(self.first))
    }
}
