//! The time series with one value of the label `client`.

use std::{
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use metrics::{Counter, SharedString, counter, gauge};

use super::names::{
    ACTIONS, CACHES, OUTCOMES, REASONS, REJECTIONS, STATES, TOKEN_GAUGES, TOKEN_REQUESTS,
    WITHOUT_STORE, describe,
};
use crate::event::{AcquisitionReason, contained};

/// The series of all live clients by name, so that no two have the same label.
static SERIES: Mutex<BTreeMap<Arc<str>, Weak<ClientSeries>>> = Mutex::new(BTreeMap::new());

/// How many caches have each readiness, in the order of [`STATES`].
pub(super) type ReadinessCounts = [i64; 4];

/// The number of the cache whose token the gauges show.
pub(super) type Owner = u64;

/// The values of the gauges with one label, for all caches that have it.
#[derive(Debug)]
pub(crate) struct ClientSeries {
    client: Arc<str>,
    values: Mutex<Values>,
}

#[derive(Debug, Default)]
struct Values {
    is_registered: bool,
    caches: ReadinessCounts,
    caches_changed: bool,
    /// How many caches acquire tokens without their store.
    without_store: i64,
    /// Never set for a client without a store, so that it has no such gauge.
    without_store_changed: bool,
    /// In the order of [`TOKEN_GAUGES`]. `None`: exported already.
    token_gauges: [Option<f64>; 4],
    owner: Option<Owner>,
    owners: u64,
    is_exporting: bool,
}

/// The values that changed since the last export.
#[derive(PartialEq)]
struct Changed {
    caches: Option<ReadinessCounts>,
    without_store: Option<i64>,
    token_gauges: [Option<f64>; 4],
}

impl Values {
    fn take_changed(&mut self) -> Option<Changed> {
        let changed = Changed {
            caches: mem::take(&mut self.caches_changed).then_some(self.caches),
            without_store: mem::take(&mut self.without_store_changed).then_some(self.without_store),
            token_gauges: mem::take(&mut self.token_gauges),
        };
        let nothing = Changed { caches: None, without_store: None, token_gauges: [None; 4] };
        (changed != nothing).then_some(changed)
    }

    fn succeed(&mut self) -> Owner {
        self.owners += 1;
        self.owner = Some(self.owners);
        self.owners
    }

    fn add(&mut self, delta: ReadinessCounts) {
        self.caches.iter_mut().zip(delta).for_each(|(count, delta)| *count += delta);
        self.caches_changed = true;
    }
}

impl ClientSeries {
    /// The series of a client, shared with the live clients of the same name.
    pub(crate) fn of(client: &Arc<str>) -> Arc<Self> {
        let mut all = locked(&SERIES);
        if let Some(series) = all.get(client).and_then(Weak::upgrade) {
            return series;
        }
        let series = Arc::new(Self { client: Arc::clone(client), values: Default::default() });
        all.insert(Arc::clone(client), Arc::downgrade(&series));
        series
    }

    pub(super) fn name(&self) -> &str {
        &self.client
    }

    pub(super) fn client(&self) -> SharedString {
        SharedString::from_shared(Arc::clone(&self.client))
    }

    pub(super) fn requests(&self, outcome: &'static str, reason: AcquisitionReason) -> Counter {
        let (client, reason) = (self.client(), reason.as_str());
        counter!(TOKEN_REQUESTS, "client" => client, "outcome" => outcome, "reason" => reason)
    }

    /// Exports the counters that alerts watch as 0, once. A panic of the recorder is logged.
    pub(crate) fn register(&self) {
        if mem::replace(&mut locked(&self.values).is_registered, true) {
            return;
        }
        contained(&self.client, || {
            describe();
            for action in ACTIONS {
                counter!(REJECTIONS, "client" => self.client(), "action" => action).increment(0);
            }
            for outcome in OUTCOMES {
                for reason in REASONS {
                    self.requests(outcome, reason).increment(0);
                }
            }
            self.update(|values| values.caches_changed = true);
        });
    }

    /// Gives the token gauges to a cache, if no other one has them.
    pub(super) fn own(&self) -> Option<Owner> {
        let mut values = locked(&self.values);
        values.owner.is_none().then(|| values.succeed())
    }

    /// Gives the token gauges to another cache.
    #[cfg(feature = "keyed")]
    pub(super) fn succeed(&self) -> Owner {
        locked(&self.values).succeed()
    }

    pub(super) fn add(&self, delta: ReadinessCounts) {
        self.update(|values| values.add(delta));
    }

    /// Adds to the number of caches without their store.
    pub(super) fn add_without_store(&self, delta: i64) {
        self.update(|values| {
            values.without_store += delta;
            values.without_store_changed = true;
        });
    }

    /// Sets token gauges, unless they have another owner by now.
    pub(super) fn set(&self, owner: Owner, gauges: &[(&'static str, f64)]) {
        self.update(|values| {
            if values.owner != Some(owner) {
                return;
            }
            for (gauge, name) in values.token_gauges.iter_mut().zip(TOKEN_GAUGES) {
                let set = gauges.iter().find(|(set, _)| *set == name);
                *gauge = set.map(|(_, value)| *value).or(*gauge);
            }
        });
    }

    /// A cache was dropped.
    pub(super) fn close(&self, delta: ReadinessCounts, owner: Option<Owner>) {
        self.update(|values| {
            values.add(delta);
            if owner.is_some() && values.owner == owner {
                values.owner = None;
                values.token_gauges = [Some(0.0); 4];
            }
        });
    }

    /// Changes the values, and exports them without the lock. One thread at a time exports: until
    /// nothing changed in the meantime, so no older value comes last. A recorder may use a cache.
    fn update(&self, change: impl FnOnce(&mut Values)) {
        let mut values = locked(&self.values);
        change(&mut values);
        if mem::replace(&mut values.is_exporting, true) {
            return;
        }
        drop(values);
        let panicked = ResetOnPanic(self);
        loop {
            let mut values = locked(&self.values);
            let Some(changed) = values.take_changed() else {
                values.is_exporting = false;
                mem::forget(panicked);
                return;
            };
            drop(values);
            self.export(changed);
        }
    }

    fn export(&self, changed: Changed) {
        let Changed { caches, without_store, token_gauges } = changed;
        for (count, readiness) in caches.into_iter().flatten().zip(STATES) {
            let readiness = readiness.as_str();
            // Two threads may report their changes out of order, so a count may be below 0 for a moment.
            gauge!(CACHES, "client" => self.client(), "readiness" => readiness)
                .set(count.max(0) as f64);
        }
        if let Some(count) = without_store {
            gauge!(WITHOUT_STORE, "client" => self.client()).set(count.max(0) as f64);
        }
        for (value, name) in token_gauges.into_iter().zip(TOKEN_GAUGES) {
            if let Some(value) = value {
                gauge!(name, "client" => self.client()).set(value);
            }
        }
    }
}

impl Drop for ClientSeries {
    fn drop(&mut self) {
        let mut all = locked(&SERIES);
        if all.get(&self.client).is_some_and(|it| it.strong_count() == 0) {
            all.remove(&self.client);
        }
    }
}

/// After a panic of the recorder, the next change exports again.
struct ResetOnPanic<'a>(&'a ClientSeries);

impl Drop for ResetOnPanic<'_> {
    fn drop(&mut self) {
        locked(&self.0.values).is_exporting = false;
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
