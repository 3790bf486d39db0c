//! The labels of the caches of a keyed cache in metrics.

use std::collections::HashMap;

use crate::{
    cache::inner::CacheInner,
    metrics::{ClientMetrics, ClientSeries},
    sync::{Arc, Mutex, Weak, lock},
};

pub(super) struct KeyedMetrics {
    client: Arc<str>,
    /// The series of all keys without a separate label.
    shared: Arc<ClientSeries>,
    /// By the name of the cache, at most `max`. A metrics system keeps each label, so a label stays
    /// counted after its cache is dropped.
    labelled: Mutex<HashMap<Arc<str>, Labelled>>,
    max: usize,
}

struct Labelled {
    series: Arc<ClientSeries>,
    /// The cache whose token the gauges show.
    newest: Weak<CacheInner>,
}

impl KeyedMetrics {
    pub(super) fn new(client: &Arc<str>, max: usize) -> Self {
        let shared = ClientSeries::of(client);
        shared.register();
        Self { client: Arc::clone(client), shared, labelled: Mutex::default(), max }
    }

    /// The metrics of a key's new cache. Calls no recorder. A cache has a label if its name is not
    /// the one of the keyed cache, and no live cache of another key has it.
    pub(super) fn of_key(&self, cache: &Arc<CacheInner>) -> ClientMetrics {
        let (name, clock) = (cache.name.get(), cache.settings.clock.clone());
        let mut labelled = lock(&self.labelled);
        let has_label =
            *name != self.client && (labelled.len() < self.max || labelled.contains_key(name));
        if !has_label {
            return ClientMetrics::shared(Arc::clone(&self.shared), clock);
        }
        let labelled = labelled
            .entry(Arc::clone(name))
            .or_insert_with(|| Labelled { series: ClientSeries::of(name), newest: Weak::new() });
        if labelled.newest.strong_count() > 0 {
            return ClientMetrics::shared(Arc::clone(&self.shared), clock);
        }
        labelled.newest = Arc::downgrade(cache);
        ClientMetrics::succeeding(Arc::clone(&labelled.series), clock)
    }
}
