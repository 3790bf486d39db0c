//! Whether sharing works, and why it does not.

use std::time::Duration;

use crate::{
    error::{BoxError, Error, Problem},
    store::{
        sealing::OpenError,
        shared_store::Flag,
        traits::{EntryId, StoreError},
    },
    sync::{Mutex, lock},
};

/// An entry that is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) id: EntryId,
    /// `None`: it can be opened, but its content has another format.
    pub(super) why: Option<OpenError>,
}

/// Why this process acquires a token without the store.
#[derive(Debug)]
pub(super) enum Unavailable {
    Failed(StoreError),
    /// An operation exceeded this bound.
    Slow(Duration),
    Unreadable(Unreadable),
    /// Several processes released the lease without a new entry.
    NothingStored,
    /// Another process has the lease, and this one needs the remaining time for its own attempt.
    NoResult,
}

impl Unreadable {
    pub(super) fn error(self) -> Error {
        let why = match self.why {
            Some(why) => why.to_string(),
            None => {
                "entry in a format that this version does not know: update this process".to_owned()
            }
        };
        failed("an entry of the token store is not used").with_detail(why)
    }
}

impl Unavailable {
    pub(super) fn into_error(self) -> Error {
        const FAILED: &str = "the store of shared tokens failed";
        match self {
            Self::Failed(error) => failed(FAILED).with_source(error.into_cause()),
            Self::Slow(bound) => failed(FAILED).with_detail(format!(
                "it did not answer within {bound:?}; check its load, or raise store_timeout"
            )),
            Self::NothingStored => {
                failed(FAILED).with_detail("it keeps no entry; check its memory and permissions")
            }
            Self::NoResult => {
                failed("another process acquires the shared token, and takes too long")
                    .with_detail("its log has the cause")
            }
            Self::Unreadable(unreadable) => unreadable.error(),
        }
    }
}

fn failed(what: &'static str) -> Error {
    Error::of(Problem::Source).with_advice(what)
}

/// An error of announcements.
pub(super) fn interrupted(cause: BoxError) -> Error {
    failed("announcements of shared tokens stopped").with_source(cause)
}

/// The conditions of a source that were reported. Each is reported when it begins.
#[derive(Default)]
pub(super) struct ReportedConditions {
    /// The source acquires without the store.
    pub(super) sharing_stopped: Flag,
    pub(super) token_from_future: Flag,
    unreadable_entry: Mutex<Option<EntryId>>,
}

impl ReportedConditions {
    /// Sets the entry that is not used. Returns whether that is a change.
    pub(super) fn set_unreadable(&self, id: Option<EntryId>) -> bool {
        std::mem::replace(&mut *lock(&self.unreadable_entry), id) != id
    }
}
