//! The builder of [`Shared`].

use std::{fmt, sync::Arc, time::Duration};

use super::{current::CurrentEntry, inner::SharedInner, settings::Settings, source::Shared};
use crate::{
    clock::{Clock, WallClock},
    error::{Error, Problem},
    source::TokenSource,
    store::{
        sealing::{Sealing, SealingKey},
        shared_store::SharedStore,
    },
};

/// The bound of each operation of the store.
const STORE_TIMEOUT: Duration = Duration::from_millis(250);
/// The maximum difference between the clocks of two hosts.
const CLOCK_SKEW: Duration = Duration::from_secs(5);
/// How long the other processes wait for one that died while it acquired.
const LEASE: Duration = Duration::from_secs(5);

/// Builds a [`Shared`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::{
///     Token,
///     source::AcquireContext,
///     store::{MemoryStore, SealingKey, Shared},
/// };
///
/// # let (old, new) = ([*b"not a real key, just an example.", *b"not a real key either, be warned"]).map(SealingKey::from_bytes).into();
/// let shared = Shared::builder(|_: AcquireContext| async { Token::bearer("abc") }, MemoryStore::new())
///     .sealed_with([new?, old?]) // the first seals, all open
///     .namespace("billing, production")
///     .store_timeout(Duration::from_millis(100))
///     .build()?;
/// # drop(shared);
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[must_use = "nothing is built before `build`"]
pub struct SharedBuilder<S> {
    source: S,
    store: SharedStore,
    sealing: Option<Result<Sealing, Error>>,
    namespace: Option<String>,
    store_timeout: Duration,
    clock_skew: Duration,
    lease: Duration,
    clock: Clock,
}

// Here rather than in `source`, so that imports run one way.
impl<S: TokenSource> Shared<S> {
    /// Starts with the source of tokens, and the store that the processes have in common: a
    /// [`Store`](crate::store::Store), or a clone of a [`SharedStore`] if several sources of this process
    /// use it.
    pub fn builder(source: S, store: impl Into<SharedStore>) -> SharedBuilder<S> {
        SharedBuilder::new(source, store.into())
    }
}

impl<S: TokenSource> SharedBuilder<S> {
    fn new(source: S, store: SharedStore) -> Self {
        Self {
            source,
            store,
            sealing: None,
            namespace: None,
            store_timeout: STORE_TIMEOUT,
            clock_skew: CLOCK_SKEW,
            lease: LEASE,
            clock: Clock::default(),
        }
    }

    /// The keys of the fleet. The first one seals, and all of them open. Either this or
    /// [`plain_text`](Self::plain_text) is required.
    ///
    /// Keys can change while the fleet runs, in three steps: add the new key behind the old one in all
    /// processes; put it first in all; remove the old one. Before the last step wait until no entry is
    /// left that the old key sealed. The store keeps one for a minute longer than the token, for 30
    /// minutes after a rejection, and for three minutes longer than a cooldown, of which the longest is
    /// one hour ([`retry_after_cap_with_token`](crate::cache::TokenCacheBuilder::retry_after_cap_with_token)). So wait for
    /// the lifetime of a token plus a minute, and at least 64 minutes.
    pub fn sealed_with(mut self, keys: impl IntoIterator<Item = SealingKey>) -> Self {
        self.sealing = Some(Sealing::new(keys));
        self
    }

    /// Stores tokens as plain text. Anyone who can read the store can then use them, and anyone who can
    /// write to it can give this process a token.
    pub fn plain_text(mut self) -> Self {
        self.sealing = Some(Ok(Sealing::PlainText));
        self
    }

    /// Separates this client from others with the same settings, such as those of another
    /// environment. It is hashed, and must not contain a secret. Default: none.
    ///
    /// It is required if the settings do not determine the token: with a parameter that may be secret,
    /// a credential from a closure, an assertion from a file, a certificate that only the transport knows,
    /// or a custom source without
    /// [`sharing`](TokenSource::sharing).
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = Some(namespace.into());
        self
    }

    /// How long this process waits for each operation of the store, before it acquires a token without
    /// it. Default: 250 ms. A request whose own process acquires waits for two operations at most,
    /// unless that process loses the lease. While another process acquires, this one also polls the store.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// The maximum difference between the clocks of two hosts. A token from the store is not used in the
    /// last `skew` of its lifetime. If half of the lifetime is shorter than `skew`, the first half is used.
    /// Default: 5 s.
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew;
        self
    }

    /// How long the other processes wait for one that died while it acquired. A process that acquires a
    /// token renews its lease each third of this time, for 40 % of its `acquisition_timeout` at most. At
    /// least 1 s. Default: 5 s.
    ///
    /// If it is shorter than three times [`store_timeout`](Self::store_timeout), one renewal that times out
    /// may cost the lease. Another process then sends a token request too.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// The wall clock, by which processes compare times. Default: the system's clock.
    pub fn wall_clock(mut self, clock: impl WallClock) -> Self {
        self.clock = Clock::new(clock);
        self
    }

    /// Checks the settings. The store is not used yet.
    ///
    /// # Errors
    ///
    /// Kind `Config`, with the setting and what to do:
    ///
    /// - sealing was not chosen, or has no keys,
    /// - the source needs a namespace, or its token cannot be shared, such as one that is bound to a
    ///   generated DPoP key,
    /// - the namespace is empty,
    /// - `store_timeout` is zero, `lease` is below 1 s, or a duration is above a year.
    pub fn build(self) -> Result<Shared<S>, Error> {
        let sealing = self.sealing.unwrap_or_else(|| {
            Err(Error::of(Problem::Config).with_detail(
                "sealing: it was not chosen; call sealed_with with a key, or plain_text",
            ))
        });
        let settings = Settings {
            sealing: sealing?,
            namespace: self.namespace,
            store_timeout: self.store_timeout,
            clock_skew: self.clock_skew,
            lease: self.lease,
            clock: self.clock,
        };
        settings.check()?;
        let source = Arc::new(self.source);
        let (adopting, sharing) = (Arc::clone(&source), Arc::clone(&source));
        let inner = SharedInner::new(
            self.store,
            settings,
            source.name(),
            move |token| adopting.adopt(token),
            move || sharing.sharing(),
        );
        let current = CurrentEntry::new(inner);
        current.entry_for(&source.sharing())?;
        Ok(Shared { source, current })
    }
}

impl<S> fmt::Debug for SharedBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBuilder")
            .field("namespace", &self.namespace)
            .field("store_timeout", &self.store_timeout)
            .field("clock_skew", &self.clock_skew)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
