//! Keeps a token: the snapshot that requests read, one acquisition at a time, the schedule of
//! refreshes, the pauses after failures. Knows nothing of HTTP.

mod acquiring;
mod backoff;
mod driver;
mod flight;
mod get;
#[cfg(feature = "keyed")]
mod keyed;
#[cfg(all(test, oauth_loom))]
mod model;
mod readiness;
mod replacement;
mod schedule;
mod settings;
mod snapshot;
mod state;
mod suspend;
mod wait;
mod warm;

use std::{fmt, pin::pin};

use tokio::{sync::watch, time::Instant};

#[cfg(feature = "keyed")]
pub use self::keyed::{KeyedTokenCache, KeyedTokenCacheBuilder};
pub(crate) use self::{acquiring::Acquiring, replacement::Replacing, snapshot::Snapshot};
use self::{
    flight::Flight,
    settings::Settings,
    state::{Decision, Followup, Rejection, State},
};
pub use self::{
    get::Get,
    readiness::{Readiness, ReadinessWatch},
    replacement::Replacement,
    settings::TokenCacheBuilder,
};
use crate::{
    error::Error,
    event::Observer,
    source::{ErasedSource, TokenSource, Withdraw},
    sync::{Arc, ArcSwapOption, Fault, Guard, Handle, Mutex, broken, lock},
    token::Token,
};

/// Keeps one token and gets the next one in time.
///
/// A handle: clone it freely, every clone is the same cache. Share one between all layers and
/// clients that call as the same client for the same scope.
///
/// * While a valid token is at hand, no request waits: a refresh runs beside the traffic.
/// * At most one acquisition is in flight, however many ask. It runs in a task of its own, so
///   whoever started it may go away.
/// * Failures are shared and remembered: the number of token requests follows the backoff
///   schedule and not the traffic.
/// * An idle cache asks for nothing.
///
/// It lives on no runtime in particular: a cache in a `static` serves one runtime after another.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::{Acquire, Token, TokenCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
/// let tokens = TokenCache::new(|_: Acquire| async {
///     Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(3600)))
/// });
/// assert!(tokens.current().is_none());
/// assert_eq!(tokens.get().await?.secret(), "abc");
/// assert!(tokens.current().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenCache {
    shared: Arc<Shared>,
}

/// What all handles of a cache share.
#[cfg_attr(feature = "keyed", repr(C))]
pub(crate) struct Shared {
    /// Where it is one of many. First, beside the reference count: of many caches few are in the
    /// processor's own, and a lookup looks at these two.
    #[cfg(feature = "keyed")]
    place: Option<keyed::Place>,
    snapshot: ArcSwapOption<Snapshot>,
    /// Held for the short, plain steps of [`State`] only: never across a wake, an event, a spawn
    /// or an await.
    state: Mutex<State>,
    source: Box<dyn ErasedSource>,
    settings: Settings,
    /// Dropped with the last handle; notified when the token was withdrawn or a cooldown was ended. For
    /// keeping warm.
    gone: watch::Sender<()>,
    /// Told when the [`Readiness`] is another, or holds for another time.
    turned: watch::Sender<()>,
}

impl Shared {
    fn new(source: Box<dyn ErasedSource>, settings: Settings) -> Self {
        Self {
            snapshot: ArcSwapOption::empty(),
            state: Mutex::default(),
            source,
            settings,
            gone: watch::Sender::new(()),
            turned: watch::Sender::new(()),
            #[cfg(feature = "keyed")]
            place: None,
        }
    }

    /// One step of the state: under the lock the step and the publishing of what it left, after
    /// it whatever it asks for.
    fn step<T>(self: &Arc<Self>, step: impl FnOnce(&mut State, Instant) -> (T, Followup)) -> T {
        let mut state = lock(&self.state);
        // Read under the lock, so that the state's time never runs backwards.
        let now = Instant::now();
        let outlook = state.outlook(now);
        let suspended = state.observe_clocks(now, &self.settings);
        let (decision, followup) = step(&mut state, now);
        let turned = state.outlook(now) != outlook;
        let settled = state.settle(now).cloned();
        #[cfg(feature = "keyed")]
        if let Some(place) = &self.place {
            place.keep(state.pauses(), &self.settings.backoff);
        }
        let state = (!broken(Fault::PublishesUnlocked)).then_some(state);
        let published = self.snapshot.load();
        let outdated = settled.filter(|settled| {
            published.as_ref().is_none_or(|published| !Arc::ptr_eq(settled, published))
        });
        let outdated = outdated.and_then(|settled| {
            let mark = || {
                if let Some(published) = published.as_ref() {
                    published.replaced.set();
                }
            };
            if broken(Fault::MarksLate) {
                let outdated = self.snapshot.swap(Some(settled));
                mark();
                return outdated;
            }
            // Before the swap: a reader that sees the new one finds the old one marked.
            mark();
            self.snapshot.swap(Some(settled))
        });
        drop(state);
        drop((published, outdated));
        if let Some((flight, outcome)) = followup.ended {
            flight.end(outcome);
        }
        if let Some(flight) = followup.launch {
            driver::launch(self, flight);
        }
        if turned {
            self.turned.send_replace(());
        }
        // Last, so that an observer that panics keeps nobody waiting.
        for event in suspended.iter().chain(&followup.events) {
            self.settings.observer.emit(event);
        }
        decision
    }

    fn consult(self: &Arc<Self>) -> Decision {
        let can_launch = Handle::try_current().is_ok();
        self.step(|state, now| state.consult(now, can_launch, &self.settings))
    }

    fn usable(self: &Arc<Self>) -> Option<Arc<Snapshot>> {
        let can_launch = Handle::try_current().is_ok();
        self.step(|state, now| state.usable_token(now, can_launch, &self.settings))
    }

    fn usable_by_both_clocks(self: &Arc<Self>) -> Option<Arc<Snapshot>> {
        let can_launch = Handle::try_current().is_ok();
        self.step(|state, now| state.usable_by_both_clocks(now, can_launch, &self.settings))
    }

    fn reject(self: &Arc<Self>, token: &Token) -> Rejection {
        let can_launch = Handle::try_current().is_ok();
        self.step(|state, now| state.reject(token, now, can_launch, &self.settings))
    }

    fn force(self: &Arc<Self>) -> Rejection {
        let can_launch = Handle::try_current().is_ok();
        self.step(|state, now| state.force(now, can_launch, &self.settings))
    }

    fn land(self: &Arc<Self>, flight: &Arc<Flight>, result: Option<Result<Token, Error>>) {
        let draw = fastrand::f64();
        self.step(|state, now| ((), state.land(flight, result, now, draw, &self.settings)));
    }

    /// The token for somebody to keep. Of one cache of many there is no copy for each stripe: few
    /// threads ask for the same at once, and the copies would be many.
    fn hand_out(&self, snapshot: &Snapshot) -> Token {
        #[cfg(feature = "keyed")]
        if self.place.is_some() {
            return snapshot.token().clone();
        }
        snapshot.hand_out()
    }

    fn in_flight(&self) -> Option<Arc<Flight>> {
        lock(&self.state).in_flight()
    }

    fn next_look(&self, flight: u64) -> Option<Instant> {
        let state = lock(&self.state);
        state.next_look(flight, Instant::now())
    }

    /// The snapshot, if it may be used as it is.
    fn fresh(&self) -> Option<Guard<Option<Arc<Snapshot>>>> {
        let snapshot = self.snapshot.load();
        snapshot.as_ref().is_some_and(|it| it.is_fresh(Instant::now())).then_some(snapshot)
    }
}

impl Withdraw for Shared {
    fn withdraw(self: Arc<Self>) {
        self.step(|state, now| ((), state.withdraw(now)));
        self.gone.send_replace(());
    }
}

impl TokenCache {
    /// A cache over a source, with the default settings.
    pub fn new(source: impl TokenSource) -> Self {
        Self::builder(source).build()
    }

    /// A cache over a source, with settings of your own.
    pub fn builder(source: impl TokenSource) -> TokenCacheBuilder {
        TokenCacheBuilder::new(source)
    }

    /// The token at hand, if it has not expired. Never waits.
    ///
    /// Within a tokio runtime it also starts the refresh beside the traffic when that is due.
    pub fn current(&self) -> Option<Token> {
        if let Some(snapshot) = self.shared.fresh() {
            return snapshot.as_ref().map(|snapshot| self.shared.hand_out(snapshot));
        }
        self.shared.usable().map(|snapshot| self.shared.hand_out(&snapshot))
    }

    /// A token that can be used now: the one at hand, or the next one.
    ///
    /// # Errors
    ///
    /// The failure of the acquisition, shared by all who waited for it; in the pause after a
    /// failure the remembered one, at once; [`WaitTimeout`](crate::ErrorKind::WaitTimeout) after
    /// the wait's own deadline; [`Runtime`](crate::ErrorKind::Runtime) outside of a tokio runtime
    /// if no token is at hand.
    pub fn get(&self) -> Get {
        Get::new(self.clone())
    }

    /// Gets the first token ahead of the first request, at start-up.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get). The cache recovers by itself: a service may start all the same.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.get().await.map(drop)
    }

    /// Tells the cache that an API rejected this token (401).
    ///
    /// The token stays in use until another one is at hand, but one acquisition is started for
    /// it, unless the budget of [`rejection_interval`](TokenCacheBuilder::rejection_interval) is used up. A token that is no longer
    /// the current one is ignored. Never waits.
    pub fn invalidate(&self, rejected: &Token) {
        self.shared.reject(rejected);
    }

    /// As [`invalidate`](Self::invalidate), and waits for another token to send the request with
    /// once more. `None`: there is none, hand the API's answer back.
    pub fn replacement(&self, rejected: &Token) -> Replacement {
        Replacement::new(self.replacing(rejected))
    }

    /// Gets a new token though the one at hand may be good, for instance after the client was
    /// granted more. It draws on the budget of rejections: if that is used up, or if the acquisition
    /// fails, a cached token that is still valid is returned. Other callers use the old token in the
    /// meantime.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get), where no valid token is at hand.
    pub async fn force_refresh(&self) -> Result<Token, Error> {
        match self.shared.force() {
            Rejection::Wait(flight) => {
                let mut get = pin!(self.get());
                get.as_mut().join(flight);
                get.await
            }
            _ => self.get().await,
        }
    }

    /// Ends the cooldown after a failed acquisition, so that the next request tries again at once. A
    /// pause that the server asked for by `Retry-After` ends too.
    ///
    /// It is for an operator who fixed the cause, such as a wrong secret, and does not want to wait.
    /// `true`: a cooldown was ended. It has no effect while an attempt is in flight, nor within 1 s of
    /// the last time, so calls in a loop do not storm the authorization server.
    pub fn end_cooldown(&self) -> bool {
        let ended = self.shared.step(|state, now| (state.end_cooldown(now), Followup::default()));
        if ended {
            // A cache that is kept warm tries by itself.
            self.shared.gone.send_replace(());
        }
        ended
    }

    /// Forgets the token at hand, and the one of a request that is under way: they are worthless,
    /// for instance bound to a certificate that was replaced. The next request waits for another.
    ///
    /// For a token that an API rejected use [`invalidate`](Self::invalidate), which has a budget
    /// and lets other requests go on. Cooldowns and that budget stay as they are.
    pub fn drop_token(&self) {
        Withdraw::withdraw(Arc::clone(&self.shared));
    }

    /// The published snapshot, if it may be used as it is.
    pub(crate) fn fresh(&self) -> Option<Arc<Snapshot>> {
        self.shared.fresh().as_deref().cloned().flatten()
    }

    /// The token that a request leaves with at once, when a look at the published snapshot was not
    /// enough.
    pub(crate) fn at_hand(&self) -> Option<Arc<Snapshot>> {
        let can_launch = Handle::try_current().is_ok();
        self.shared.step(|state, now| state.at_hand(now, can_launch, &self.shared.settings))
    }

    /// The cached token of a request that has waited, if neither clock says that it has expired.
    pub(crate) fn usable_by_both_clocks(&self) -> Option<Arc<Snapshot>> {
        self.shared.usable_by_both_clocks()
    }

    /// Where this cache's events go, for those that the layer reports.
    pub(crate) fn observer(&self) -> &Observer {
        &self.shared.settings.observer
    }

    pub(crate) fn replacing(&self, rejected: &Token) -> Replacing {
        Replacing::new(self.clone(), rejected.clone())
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let snapshot = self.shared.snapshot.load();
        f.debug_struct("TokenCache")
            .field("token", &snapshot.as_ref().map(|snapshot| snapshot.token()))
            .finish_non_exhaustive()
    }
}
