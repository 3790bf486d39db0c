//! The metadata of one issuer, cached.

use std::time::Duration;

use http::Uri;
use tokio::time::{Instant, timeout};

use super::{
    compare, document::ServerMetadata, fetch, issuer::Issuer, settings::DiscoverySettings,
};
use crate::{
    endpoint::attempt_context::AttemptContext,
    error::Error,
    event::EventKind,
    sync::{Mutex, lock},
};

/// Minimum interval between two fetches while a document is cached.
const MIN_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// Caches the metadata of one issuer.
///
/// All clones of a client share one cache, and so do all token caches over them. At most one
/// request for metadata is in flight. It holds `fetch_lock`, and callers that wait for the lock use
/// its outcome, success or failure. The wait is bounded. After it, the caller sends its own
/// request, since the holder may be a task on a stalled runtime.
pub(in crate::endpoint) struct MetadataCache {
    issuer: Issuer,
    settings: DiscoverySettings,
    fetch_lock: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cached: Option<CachedMetadata>,
    /// Number of finished fetches.
    fetches: u64,
    /// The failure of the last fetch.
    failure: Option<Error>,
}

#[derive(Clone)]
struct CachedMetadata {
    metadata: ServerMetadata,
    read_at: Instant,
    revalidate_at: Instant,
}

impl MetadataCache {
    /// # Errors
    ///
    /// What is wrong with the issuer, in words.
    pub(in crate::endpoint) fn new(
        issuer: &str,
        settings: DiscoverySettings,
    ) -> Result<Self, String> {
        Ok(Self {
            issuer: Issuer::parse("issuer", issuer, settings.allow_plain_http)?,
            settings,
            fetch_lock: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        })
    }

    pub(in crate::endpoint) fn issuer_uri(&self) -> &Uri {
        &self.issuer.uri
    }

    /// # Errors
    ///
    /// Kind `Discovery`, when there is no cached document.
    pub(in crate::endpoint) async fn metadata(
        &self,
        context: &AttemptContext<'_>,
    ) -> Result<ServerMetadata, Error> {
        let fetches = match self.fresh() {
            Ok(metadata) => return Ok(metadata),
            Err(fetches) => fetches,
        };
        let ends_by = Instant::now() + context.attempt_timeout;
        // A token request must have time left after discovery.
        let half = context.attempt_timeout / 2;
        let _fetch_lock = timeout(half, self.fetch_lock.lock()).await.ok();
        let old = {
            let state = lock(&self.state);
            match (&state.cached, &state.failure) {
                (Some(cached), _) if cached.is_fresh() => return Ok(cached.metadata.clone()),
                (None, Some(failure)) if state.fetches != fetches => return Err(failure.clone()),
                (cached, _) => cached.clone(),
            }
        };
        let allow_plain_http = self.settings.allow_plain_http;
        let Some(old) = old else {
            let fetched = fetch::fetch(&self.issuer, context, allow_plain_http, ends_by).await;
            return self.store(fetched, context);
        };
        let ends_by = ends_by.min(Instant::now() + half);
        let fetched = fetch::fetch(&self.issuer, context, allow_plain_http, ends_by).await;
        self.store(fetched, context).or_else(|error| {
            context
                .observer
                .emit(EventKind::StaleMetadataUsed { age: old.read_at.elapsed(), error });
            Ok(old.metadata)
        })
    }

    /// The cached metadata if it is fresh, otherwise the number of finished fetches.
    fn fresh(&self) -> Result<ServerMetadata, u64> {
        let state = lock(&self.state);
        let fresh = state.cached.as_ref().filter(|cached| cached.is_fresh());
        fresh.map(|cached| cached.metadata.clone()).ok_or(state.fetches)
    }

    fn store(
        &self,
        fetched: Result<ServerMetadata, Error>,
        context: &AttemptContext<'_>,
    ) -> Result<ServerMetadata, Error> {
        let now = Instant::now();
        let previous = {
            let mut state = lock(&self.state);
            state.fetches += 1;
            match &fetched {
                Ok(metadata) => {
                    let revalidate_at = now + self.settings.max_age;
                    let metadata = metadata.clone();
                    state.cached = Some(CachedMetadata { metadata, read_at: now, revalidate_at });
                }
                Err(_) => {
                    if let Some(cached) = &mut state.cached {
                        cached.revalidate_at = now + MIN_INTERVAL;
                    }
                }
            }
            std::mem::replace(&mut state.failure, fetched.as_ref().err().cloned())
        };
        // Without the lock: it may own an error of the user's transport, whose destructor may do
        // anything.
        drop(previous);
        let metadata = fetched?;
        for event in compare::events(&metadata, context) {
            context.observer.emit(event);
        }
        Ok(metadata)
    }

    /// The token endpoint for this client.
    ///
    /// # Errors
    ///
    /// Problem `UnsupportedAuthMethod` in the strict mode. Problem `Discovery` if the endpoint
    /// meant for client certificates cannot be used.
    pub(in crate::endpoint) fn token_endpoint(
        &self,
        metadata: &ServerMetadata,
        context: &AttemptContext<'_>,
    ) -> Result<Uri, Error> {
        if self.settings.strict {
            compare::strict(metadata, context)?;
        }
        // RFC 8705 §5: a client with mutual TLS must use the alias.
        let mtls = self.settings.mtls || context.has_client_certificate || context.auth.uses_mtls();
        metadata.endpoint(mtls).cloned()
    }

    /// Reads the metadata again before its time, since the endpoint may have moved. The minimum
    /// interval between two fetches still applies.
    pub(in crate::endpoint) fn mark_stale(&self) {
        if let Some(cached) = &mut lock(&self.state).cached {
            cached.revalidate_at = cached.revalidate_at.min(cached.read_at + MIN_INTERVAL);
        }
    }
}

impl CachedMetadata {
    fn is_fresh(&self) -> bool {
        Instant::now() < self.revalidate_at
    }
}
