//! The labels of the caches of a keyed cache in metrics.

use std::collections::HashSet;

use crate::{
    metrics::{ClientMetrics, Label},
    sync::{Arc, Mutex, lock},
};

pub(super) struct KeyedMetrics {
    /// The label of all keys without a separate one.
    shared: Arc<Label>,
    /// The names of the keys that have a label, at most `max`. A metrics system keeps each label, so a
    /// dropped cache gives none back.
    labelled: Mutex<HashSet<Arc<str>>>,
    max: usize,
}

impl KeyedMetrics {
    pub(super) fn new(client: &Arc<str>, max: usize) -> Self {
        Self { shared: Label::new(client), labelled: Mutex::default(), max }
    }

    /// The metrics of a key's cache. `is_named`: the name contains the key.
    pub(super) fn of_key(&self, name: &Arc<str>, is_named: bool) -> ClientMetrics {
        let has_label = self.max > 0 && is_named && {
            let mut labelled = lock(&self.labelled);
            labelled.contains(name)
                || labelled.len() < self.max && labelled.insert(Arc::clone(name))
        };
        if has_label {
            ClientMetrics::single(name)
        } else {
            ClientMetrics::shared(Arc::clone(&self.shared))
        }
    }
}
