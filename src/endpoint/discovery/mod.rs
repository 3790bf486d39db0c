//! Finds the token endpoint by the issuer: RFC 8414, then OpenID Connect Discovery.

mod compare;
mod document;
mod echoes;
mod fetch;
mod members;
mod places;
mod settings;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use http::Uri;
use tokio::time::{Instant, timeout};

pub(super) use compare::explain;
pub use document::ServerMetadata;
use fetch::Asking;
use places::Issuer;
pub(crate) use places::check as check_issuer;
pub(super) use settings::DiscoverySettings;

use crate::{
    client_auth::ClientAuth,
    error::{Error, ErrorKind},
    event::{Event, Observer},
    transport::Transport,
};

/// The least time between two looks at the metadata while a document is at hand.
const SPACING: Duration = Duration::from_secs(5 * 60);

/// What one attempt brings along.
pub(super) struct Via<'a> {
    pub(super) transport: &'a dyn Transport,
    pub(super) auth: &'a dyn ClientAuth,
    pub(super) grant_type: &'a str,
    pub(super) observer: &'a Observer,
    pub(super) body_cap: usize,
    pub(super) now: SystemTime,
    /// How long an attempt may take.
    pub(super) attempt_timeout: Duration,
    /// A client certificate is configured.
    pub(super) has_client_certificate: bool,
}

/// The metadata of one issuer, read once and kept.
///
/// All clones of a client, and so all caches over it, share one. At most one request for metadata
/// is under way: `turn` is held for it, and who waited for it takes its outcome, success or
/// failure. The wait is bounded, and then one asks for oneself: the holder may be a task on a
/// runtime that nobody drives.
pub(super) struct Discovery {
    issuer: Issuer,
    settings: DiscoverySettings,
    turn: tokio::sync::Mutex<()>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    known: Option<Known>,
    /// How many times it was asked for, to an end.
    asked: u64,
    failure: Option<Error>,
}

#[derive(Clone)]
struct Known {
    metadata: ServerMetadata,
    read_at: Instant,
    look_at: Instant,
}

impl Discovery {
    /// # Errors
    ///
    /// What is wrong with the issuer, in words.
    pub(super) fn new(issuer: &str, settings: DiscoverySettings) -> Result<Self, String> {
        Ok(Self {
            issuer: Issuer::parse("issuer", issuer, settings.allow_plain_http)?,
            settings,
            turn: tokio::sync::Mutex::default(),
            memory: Mutex::default(),
        })
    }

    pub(super) fn issuer_uri(&self) -> &Uri {
        &self.issuer.uri
    }

    /// # Errors
    ///
    /// Kind `Discovery` or `IssuerMismatch`, while there is no document at all.
    pub(super) async fn metadata(&self, via: &Via<'_>) -> Result<ServerMetadata, Error> {
        let (fresh, asked) = self.look();
        if let Some(fresh) = fresh {
            return Ok(fresh);
        }
        let patience = via.attempt_timeout / 2;
        let _turn = timeout(patience, self.turn.lock()).await.ok();
        let old = {
            let memory = self.memory();
            match (&memory.known, &memory.failure) {
                (Some(known), _) if known.is_fresh() => return Ok(known.metadata.clone()),
                (None, Some(failure)) if memory.asked != asked => return Err(failure.clone()),
                (known, _) => known.clone(),
            }
        };
        let asking = Asking {
            transport: via.transport,
            auth: via.auth,
            body_cap: via.body_cap,
            now: via.now,
            allow_plain_http: self.settings.allow_plain_http,
        };
        let fetching = fetch::fetch(&self.issuer, &asking);
        let Some(old) = old else {
            return self.remember(fetching.await, via);
        };
        // A document is at hand: the token request must have time left.
        let fetched = timeout(patience, fetching)
            .await
            .unwrap_or_else(|_| Err(Error::new(ErrorKind::AcquisitionTimeout)));
        self.remember(fetched, via).or_else(|error| {
            via.observer.emit(&Event::MetadataKept { age: old.read_at.elapsed(), error });
            Ok(old.metadata)
        })
    }

    fn look(&self) -> (Option<ServerMetadata>, u64) {
        let memory = self.memory();
        let fresh = memory.known.as_ref().filter(|known| known.is_fresh());
        (fresh.map(|known| known.metadata.clone()), memory.asked)
    }

    fn remember(
        &self,
        fetched: Result<ServerMetadata, Error>,
        via: &Via<'_>,
    ) -> Result<ServerMetadata, Error> {
        let now = Instant::now();
        {
            let mut memory = self.memory();
            memory.asked += 1;
            match &fetched {
                Ok(metadata) => {
                    let look_at = now + self.settings.max_age;
                    let metadata = metadata.clone();
                    memory.known = Some(Known { metadata, read_at: now, look_at });
                    memory.failure = None;
                }
                Err(error) => {
                    memory.failure = Some(error.clone());
                    if let Some(known) = &mut memory.known {
                        known.look_at = now + SPACING;
                    }
                }
            }
        }
        let metadata = fetched?;
        for event in compare::events(&metadata, via) {
            via.observer.emit(&event);
        }
        Ok(metadata)
    }

    /// The token endpoint for this client.
    ///
    /// # Errors
    ///
    /// Kind `UnsupportedAuthMethod` in the strict mode; `Discovery` if the endpoint meant for
    /// client certificates cannot be used.
    pub(super) fn choose(&self, metadata: &ServerMetadata, via: &Via<'_>) -> Result<Uri, Error> {
        if self.settings.strict {
            compare::strict(metadata, via)?;
        }
        // RFC 8705 §5: a client that intends mutual TLS must use the alias.
        let mtls = self.settings.mtls || via.has_client_certificate || via.auth.uses_mtls();
        metadata.endpoint(mtls).cloned()
    }

    /// The endpoint may have moved: look again before the document's time, though not at once
    /// after the last look.
    pub(super) fn doubt(&self) {
        if let Some(known) = &mut self.memory().known {
            known.look_at = known.look_at.min(known.read_at + SPACING);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_fresh(&self) -> bool {
        Instant::now() < self.look_at
    }
}
