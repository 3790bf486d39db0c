//! The metrics of a store of shared tokens. A client without a store has none of them.

use std::time::Duration;

use metrics::{SharedString, counter, histogram};

use super::names::{SHARED_TOKENS, STORE_OPERATION_DURATION, STORE_OPERATIONS};
use crate::event::{StoreOperation, StoreOutcome};

/// How another process's token reached the cache.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Acquisition,
    Announcement,
}

pub(super) fn count_operation(
    client: SharedString,
    operation: StoreOperation,
    outcome: StoreOutcome,
    took: Duration,
) {
    let (operation, outcome) = (operation.as_str(), outcome.as_str());
    counter!(STORE_OPERATIONS, "client" => client.clone(), "operation" => operation, "outcome" => outcome)
        .increment(1);
    histogram!(STORE_OPERATION_DURATION, "client" => client, "operation" => operation).record(took);
}

pub(super) fn count_token(client: SharedString, way: Way) {
    let way = match way {
        Way::Acquisition => "acquisition",
        Way::Announcement => "announcement",
    };
    counter!(SHARED_TOKENS, "client" => client, "way" => way).increment(1);
}
