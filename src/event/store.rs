//! The operations of a store of shared tokens, as events and metrics name them.

/// An operation of a store of shared tokens (feature `store`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOperation {
    /// An entry is read.
    Read,
    /// The lease of an entry is taken, if no process has it.
    Lease,
    /// The own lease is extended.
    Renew,
    /// The own lease is ended.
    Release,
    /// An entry is written.
    Write,
}

impl StoreOperation {
    /// A short name, as used in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Lease => "lease",
            Self::Renew => "renew",
            Self::Release => "release",
            Self::Write => "write",
        }
    }
}

/// How an operation of a store ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOutcome {
    /// The store answered.
    Success,
    /// The store failed.
    Failure,
    /// The store did not answer in time.
    Timeout,
}

impl StoreOutcome {
    /// A short name, as used in events and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
        }
    }
}
