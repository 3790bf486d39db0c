//! The metrics of a store of shared tokens. A client without a store has none of them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use metrics::{
    SharedString, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

use crate::event::{StoreOperation, StoreOutcome};

const OPERATIONS: &str = "oauth_client_store_operations_total";
const OPERATION_DURATION: &str = "oauth_client_store_operation_duration_seconds";
const SHARED_TOKENS: &str = "oauth_client_shared_tokens_total";
const WITHOUT_STORE: &str = "oauth_client_caches_without_store";

pub(super) fn describe() {
    describe_counter!(OPERATIONS, Unit::Count, "Operations of the token store by outcome.");
    describe_histogram!(
        OPERATION_DURATION,
        Unit::Seconds,
        "Duration of operations of the token store."
    );
    describe_counter!(SHARED_TOKENS, Unit::Count, "Tokens of other processes that were taken.");
    describe_gauge!(
        WITHOUT_STORE,
        Unit::Count,
        "How many caches acquire tokens without their store, because it failed."
    );
}

/// How another process's token reached the cache.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Acquisition,
    Announcement,
}

/// The metrics of the store for a label, and how many caches with the label are without their store.
#[derive(Debug, Default)]
pub(super) struct StoreMetrics {
    without_store: Mutex<i64>,
}

impl StoreMetrics {
    pub(super) fn used(
        client: &SharedString,
        operation: StoreOperation,
        outcome: StoreOutcome,
        took: Duration,
    ) {
        let (operation, outcome) = (operation.as_str(), outcome.as_str());
        counter!(OPERATIONS, "client" => client.clone(), "operation" => operation, "outcome" => outcome)
            .increment(1);
        histogram!(OPERATION_DURATION, "client" => client.clone(), "operation" => operation)
            .record(took);
    }

    pub(super) fn took_token(client: &SharedString, way: Way) {
        let way = match way {
            Way::Acquisition => "acquisition",
            Way::Announcement => "announcement",
        };
        counter!(SHARED_TOKENS, "client" => client.clone(), "way" => way).increment(1);
    }

    /// Adds to the count, and exports it under the lock, so that no older value comes last.
    pub(super) fn add_without_store(&self, client: &SharedString, added: i64) {
        let mut count = self.without_store.lock().unwrap_or_else(PoisonError::into_inner);
        *count += added;
        gauge!(WITHOUT_STORE, "client" => client.clone()).set((*count).max(0) as f64);
    }
}
