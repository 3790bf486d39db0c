//! When a token is refreshed, and when the next acquisition may start: pure functions that a cache
//! and the processes of a fleet share.

mod backoff;
mod doubling;
mod schedule;

pub(crate) use self::{
    backoff::{BackoffSettings, BackoffState, FailureBackoff, MIN_COOLDOWN, RejectionBudget},
    doubling::Doubling,
    schedule::{Arrival, Deadlines, Schedule},
};

/// The settings of a cache that its source may need.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Timing {
    pub(crate) schedule: Schedule,
    pub(crate) backoff: BackoffSettings,
}
