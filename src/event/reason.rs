//! Why a token is acquired, where the result comes from, and what follows a rejection.

use std::time::Duration;

/// Why a cache asks its source for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcquisitionReason {
    /// No valid token is cached: requests wait for this one.
    Missing,
    /// The cached token is still valid; this one replaces it before it expires.
    Refresh,
    /// An API rejected the cached token. Also if the acquisition was postponed by a cooldown, or is
    /// repeated after a failure.
    Rejected,
    /// A caller asked for another token. Also if the acquisition was postponed or is repeated.
    Forced,
}

impl AcquisitionReason {
    /// A short name, as used in events and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Refresh => "refresh",
            Self::Rejected => "rejected",
            Self::Forced => "forced",
        }
    }

    /// Whether neither the schedule nor a missing token caused the acquisition.
    pub(crate) fn is_early(self) -> bool {
        matches!(self, Self::Rejected | Self::Forced)
    }
}

/// Where a token, or the failure of an acquisition, comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResultOrigin {
    /// The cache's source, such as an authorization server.
    Source,
    /// Another process of the fleet, through a store (feature `store`). No token request was sent.
    Store,
}

impl ResultOrigin {
    /// A short name, as used in events and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Store => "store",
        }
    }
}

/// How a cache reacts to a rejected token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionAction {
    /// An acquisition was started.
    Acquiring,
    /// An acquisition was in flight already.
    Joined,
    /// The last acquisition failed; the next is possible in `next_in`, and comes with the next
    /// request after that.
    CoolingDown {
        /// The end of the cooldown, from now.
        next_in: Duration,
    },
    /// There is no tokio runtime here to acquire a token on.
    NoRuntime,
    /// This API rejects fresh tokens: the budget of acquisitions for rejections is used up, so the
    /// API's response is returned. The next acquisition for a rejection is possible in `next_in`.
    BudgetExhausted {
        /// The earliest next acquisition for a rejection, from now.
        next_in: Duration,
    },
}

impl RejectionAction {
    /// A short name, as used in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Acquiring => "acquiring",
            Self::Joined => "joined",
            Self::CoolingDown { .. } => "cooling_down",
            Self::NoRuntime => "no_runtime",
            Self::BudgetExhausted { .. } => "budget_exhausted",
        }
    }

    /// How long until the next acquisition is possible, if it is not possible now.
    pub(super) fn next_in(self) -> Option<Duration> {
        match self {
            Self::CoolingDown { next_in } | Self::BudgetExhausted { next_in } => Some(next_in),
            _ => None,
        }
    }
}
