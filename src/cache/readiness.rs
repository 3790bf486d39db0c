//! What a readiness probe is told.

use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{Shared, TokenCache};
use crate::sync::{Arc, Weak, lock};

/// How a cache stands, for readiness probes: from [`TokenCache::readiness`] and
/// [`TokenCache::subscribe`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Readiness {
    /// There is no token, and nothing is known to be wrong: none was asked for yet, or the last
    /// one expired or was dropped and nobody has asked since. The next request waits for one.
    Idle,
    /// A valid token is at hand.
    Ready,
    /// A valid token is at hand, but the last acquisition failed, or an API rejected the token and
    /// no other has come. Requests go on.
    Degraded,
    /// There is no valid token and the last acquisition failed: requests fail at once, or wait for
    /// the next attempt.
    Failed,
}

impl Readiness {
    /// Whether a valid token is at hand: [`Ready`](Self::Ready) or [`Degraded`](Self::Degraded).
    pub fn has_token(self) -> bool {
        matches!(self, Self::Ready | Self::Degraded)
    }
}

/// A readiness, and until when it holds if nothing happens: a token expires by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outlook {
    pub(super) readiness: Readiness,
    pub(super) until: Option<Instant>,
}

impl Shared {
    fn outlook(&self) -> Outlook {
        let state = lock(&self.state);
        state.outlook(Instant::now())
    }
}

impl TokenCache {
    /// How the cache stands now. Asks for no token, and never waits.
    ///
    /// It changes with what happens and with time, and nothing happens to an idle cache: it is
    /// [`Idle`](Readiness::Idle) once its token has expired, and after an outage it stays
    /// [`Failed`](Readiness::Failed) until a request, [`warm_up`](Self::warm_up) or
    /// [`keep_warm`](crate::TokenCacheBuilder::keep_warm) asks again. A probe that takes an
    /// instance out of service also takes the requests away that would heal it: use `keep_warm`,
    /// or ask by `warm_up` in the probe.
    pub fn readiness(&self) -> Readiness {
        self.shared.outlook().readiness
    }

    /// Watches how the cache stands. The watch is no handle: it keeps no cache alive, or warm.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::{Acquire, Readiness, Token, TokenCache};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
    /// # let source = |_: Acquire| async { Token::bearer("abc") };
    /// let tokens = TokenCache::builder(source).keep_warm(true).build();
    /// let mut watch = tokens.subscribe();
    /// assert_eq!(watch.current(), Some(Readiness::Idle));
    /// let told = tokio::spawn(async move {
    ///     while let Some(readiness) = watch.changed().await {
    ///         println!("now {readiness:?}"); // tell a load balancer, or `tonic-health`
    ///     }
    /// });
    /// tokens.warm_up().await?;
    /// assert_eq!(tokens.readiness(), Readiness::Ready);
    /// drop(tokens);
    /// told.await.unwrap();
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self) -> ReadinessWatch {
        ReadinessWatch {
            turned: self.shared.turned.subscribe(),
            seen: self.readiness(),
            shared: Arc::downgrade(&self.shared),
        }
    }
}

/// Watches a cache's [`Readiness`]; from [`TokenCache::subscribe`].
///
/// There is no task behind it. An expiry that nobody saw is worked out when it is asked, and
/// [`changed`](Self::changed) waits for it with a timer of its own.
#[derive(Clone, Debug)]
pub struct ReadinessWatch {
    shared: Weak<Shared>,
    /// Says only that there is something to look at: it can't be out of date.
    turned: watch::Receiver<()>,
    seen: Readiness,
}

impl ReadinessWatch {
    /// How the cache stands now, as [`TokenCache::readiness`]; `None` if its last handle is gone.
    pub fn current(&self) -> Option<Readiness> {
        Some(self.shared.upgrade()?.outlook().readiness)
    }

    /// Waits until it is another than this returned last, or than it was at subscription. `None`
    /// when the cache's last handle is gone. What changes and changes back meanwhile may go
    /// unnoticed.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled.
    pub async fn changed(&mut self) -> Option<Readiness> {
        loop {
            // Before the look, so that what comes after it is not missed.
            self.turned.mark_unchanged();
            let Outlook { readiness, until } = self.shared.upgrade()?.outlook();
            if readiness != self.seen {
                self.seen = readiness;
                return Some(readiness);
            }
            let turned = self.turned.changed();
            let gone = match until {
                Some(until) => matches!(timeout_at(until, turned).await, Ok(Err(_))),
                None => turned.await.is_err(),
            };
            if gone {
                return None;
            }
        }
    }
}
