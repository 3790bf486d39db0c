//! Events, and the closure that receives them.

use std::{
    fmt,
    hash::Hash,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{kind::EventKind, throttle::Throttle};

/// The name in events of a client that has none.
pub(crate) const UNNAMED: &str = "oauth";

/// Something that happened to a client's tokens.
#[derive(Clone, Debug)]
pub struct Event {
    client: Option<Arc<str>>,
    kind: EventKind,
}

impl Event {
    /// The name of the client: [`TokenCache::name`](crate::TokenCache::name). `oauth` if the event
    /// belongs to no cache.
    pub fn client(&self) -> &str {
        self.client.as_deref().unwrap_or(UNNAMED)
    }

    /// What happened.
    pub fn kind(&self) -> &EventKind {
        &self.kind
    }
}

/// Receives events: a closure, and `tracing`.
#[derive(Clone, Default)]
pub struct Observer {
    client: Option<Arc<str>>,
    closure: Option<Arc<Closure>>,
    /// Receives the events for metrics. Does not count as a DEBUG receiver: see
    /// [`has_debug_receiver`](Self::has_debug_receiver).
    #[cfg(feature = "metrics")]
    metrics: Option<Arc<Closure>>,
    /// For the events that requests cause. All layers of a cache share it.
    throttle: Arc<Throttle>,
}

type Closure = dyn Fn(&Event) + Send + Sync;

impl Observer {
    /// Sends each event to a closure. It runs on the task that caused the event, outside of every
    /// lock: keep it short, and don't block. A panic in it is logged and goes no further.
    pub fn new(observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { closure: Some(Arc::new(observer)), ..Self::default() }
    }

    /// The same with another closure.
    pub(crate) fn with_closure(self, observer: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { closure: Some(Arc::new(observer)), ..self }
    }

    /// The same, with the name of a client in each event.
    pub(crate) fn with_client(self, client: Arc<str>) -> Self {
        Self { client: Some(client), ..self }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn with_metrics(self, metrics: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        Self { metrics: Some(Arc::new(metrics)), ..self }
    }

    /// Whether an event with this cause may be reported now: once a minute. It then counts as reported.
    pub(crate) fn admits(&self, cause: impl Hash) -> bool {
        self.throttle.admits(cause)
    }

    /// Whether a closure or a subscriber receives DEBUG events.
    pub(crate) fn has_debug_receiver(&self) -> bool {
        self.closure.is_some() || tracing::enabled!(target: super::TARGET, tracing::Level::DEBUG)
    }

    /// Whether a closure, a subscriber or metrics receive DEBUG events.
    pub(crate) fn has_any_receiver(&self) -> bool {
        #[cfg(feature = "metrics")]
        if self.metrics.is_some() {
            return true;
        }
        self.has_debug_receiver()
    }

    /// Reports an event to metrics only.
    #[cfg_attr(not(feature = "store"), allow(dead_code, reason = "only a store uses it"))]
    pub(crate) fn record(&self, kind: EventKind) {
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.metrics {
            let event = Event { client: self.client.clone(), kind };
            contained(event.client(), || metrics(&event));
        }
        #[cfg(not(feature = "metrics"))]
        drop(kind);
    }

    /// Reports an event, to `tracing` and to the closure.
    pub fn emit(&self, kind: EventKind) {
        let event = Event { client: self.client.clone(), kind };
        event.kind.trace(event.client());
        #[cfg(feature = "metrics")]
        if let Some(metrics) = &self.metrics {
            contained(event.client(), || metrics(&event));
        }
        if let Some(closure) = &self.closure {
            contained(event.client(), || closure(&event));
        }
    }
}

/// Runs code of the user, such as an observer or a recorder of metrics. A panic in it is logged.
pub(crate) fn contained(client: &str, run: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(run)) {
        // To drop it may panic again.
        std::mem::forget(payload);
        tracing::error!(
            target: super::TARGET,
            client,
            "the observer of token events panicked, fix the closure"
        );
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("client", &self.client)
            .field("closure", &self.closure.is_some())
            .finish_non_exhaustive()
    }
}
