//! Whether sharing works. Each change is reported once.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::store::{report, sealing::OpenError, traits::StoreError};

/// Why an entry is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Sealed(OpenError),
    /// It opens, and its content has another format.
    Content,
}

/// Why this process acquires a token without the store.
#[derive(Debug)]
pub(super) enum Unavailable {
    Failed(StoreError),
    /// An operation exceeded its bound.
    Slow,
    Unreadable(Unreadable),
    /// Other processes had the lease one after the other, and stored nothing.
    NothingStored,
}

#[derive(Default)]
pub(super) struct Health {
    has_stopped: Flag,
    is_unreadable: Flag,
    is_from_future: Flag,
}

/// A condition that is reported when it begins.
#[derive(Default)]
struct Flag(AtomicBool);

impl Flag {
    /// Returns whether that is a change.
    fn set(&self, value: bool) -> bool {
        // Read first, since it rarely changes.
        self.0.load(Relaxed) != value && self.0.swap(value, Relaxed) != value
    }
}

impl Health {
    /// A token was shared.
    pub(super) fn shares(&self, client: &str) {
        self.is_unreadable.set(false);
        if self.has_stopped.set(false) {
            report::resumed(client);
        }
    }

    pub(super) fn stopped(&self, client: &str, why: &Unavailable) {
        if let Unavailable::Unreadable(why) = why {
            if self.is_unreadable.set(true) {
                report::unreadable(client, why);
            }
            return;
        }
        if self.has_stopped.set(true) {
            match why {
                Unavailable::Failed(error) => report::failed(client, error),
                Unavailable::NothingStored => report::nothing_stored(client),
                Unavailable::Slow | Unavailable::Unreadable(_) => report::slow(client),
            }
        }
    }

    /// Whether a token was issued in this process's future.
    pub(super) fn clock(&self, client: &str, is_from_future: bool) {
        if self.is_from_future.set(is_from_future) && is_from_future {
            report::from_future(client);
        }
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sealed(why) => why.fmt(f),
            Self::Content => f.write_str(
                "entry in a format that this version does not know: update this process",
            ),
        }
    }
}
