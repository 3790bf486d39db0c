//! The budget of rejections in an entry.

use std::time::Duration;

use super::{
    clocks::BothClocks,
    fields::{FieldReader, FieldWriter},
};
use crate::timing::RejectionBudget;

const TAKEN: u8 = 30;
const LAST_AT: u8 = 31;
const LAST_REJECTION_AT: u8 = 32;

/// The number of fields.
pub(super) const FIELDS: usize = 3;
/// Bytes of all values.
pub(super) const BYTES: usize = 3 * 8;

/// A [`RejectionBudget`] with times on the wall clock. The default is a full one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredBudget {
    taken: u64,
    last_at: Option<u64>,
    last_rejection_at: Option<u64>,
}

impl StoredBudget {
    pub(crate) fn new(budget: &RejectionBudget, now: BothClocks) -> Self {
        Self {
            taken: budget.taken.into(),
            last_at: budget.last_at.map(|at| now.wall_of(at)),
            last_rejection_at: budget.last_rejection_at.map(|at| now.wall_of(at)),
        }
    }

    /// Replaces times in this process's future by the generation of the entry, which is the time on the
    /// store's clock: the host that wrote them has a wrong clock, and would delay the next acquisition of
    /// the fleet. `skew`: by how much clocks of hosts may differ.
    pub(crate) fn correct(&mut self, generation: u64, skew: Duration, now: BothClocks) {
        for at in [&mut self.last_at, &mut self.last_rejection_at].into_iter().flatten() {
            if now.time_until(*at) > skew {
                *at = (*at).min(generation);
            }
        }
    }

    /// The budget on this process's clock. Times in its future count as now, so that a wrong clock
    /// does not use it up.
    pub(crate) fn budget(&self, now: BothClocks) -> RejectionBudget {
        let instant = |wall: Option<u64>| now.instant_of(wall?.min(now.wall));
        let last_rejection_at = instant(self.last_rejection_at);
        if self.last_rejection_at.is_some() && last_rejection_at.is_none() {
            // This platform cannot express an instant before the boot. A full budget costs three
            // acquisitions at most.
            return RejectionBudget::default();
        }
        RejectionBudget {
            taken: self.taken.try_into().unwrap_or(u32::MAX),
            last_at: instant(self.last_at),
            last_rejection_at,
            ..RejectionBudget::default()
        }
    }

    /// The time until the budget is full again.
    pub(super) fn ttl(&self, now: BothClocks) -> Duration {
        let full_at = self.budget(now).full_at();
        full_at.map_or(Duration::ZERO, |at| at.saturating_duration_since(now.instant))
    }

    pub(super) fn write(&self, fields: &mut FieldWriter) {
        fields.number(TAKEN, self.taken);
        fields.optional(LAST_AT, self.last_at);
        fields.optional(LAST_REJECTION_AT, self.last_rejection_at);
    }

    pub(super) fn read(fields: &FieldReader<'_>) -> Option<Self> {
        Some(Self {
            taken: fields.number(TAKEN)?,
            last_at: fields.number(LAST_AT),
            last_rejection_at: fields.number(LAST_REJECTION_AT),
        })
    }
}
