//! A source whose tokens processes share.

// Imports run one way: `mod → {builder, lead, fallback} → answer → {entry, lease_guard} → core`.

mod answer;
mod builder;
mod core;
mod entry;
mod fallback;
mod health;
mod lead;
mod lease_guard;
mod settings;

use std::{fmt, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

pub use self::builder::SharedBuilder;
use self::{
    answer::Question,
    core::Core,
    entry::{Content, Entry, Generation, Grant},
    health::Unavailable,
    lead::Leader,
    lease_guard::LeaseGuard,
};
use super::traits::{LeaseOwner, Store};
use crate::{
    error::{Error, Problem},
    source::{AcquireContext, CacheHandle, Sharing, TokenSource},
    token::Token,
};

/// How long a process waits before it asks for a lease again that another one has: the first time, and
/// at most. A random part of up to 80 % is subtracted.
const POLL: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(1));
/// After how many other leases, without a new entry, a process acquires for itself.
const MAX_TURNS: u32 = 2;

/// A source whose tokens the processes of a fleet share through a [`Store`].
///
/// It is a decorator of a [`TokenSource`]. The [module](crate::store) says how it works.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::{
///     Token, TokenCache,
///     source::{AcquireContext, Sharing},
///     store::{MemoryStore, SealingKey, Shared},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tower_oauth2_client_credentials::Error> {
/// # let key = SealingKey::from_bytes(b"not a real key, just an example.")?;
/// // Usually `ClientCredentials`, which needs no namespace.
/// let source = |_: AcquireContext| async { Token::bearer("abc") };
/// let shared = Shared::builder(source, MemoryStore::new())
///     .sealed_with([key])
///     .namespace("billing")
///     .build()?;
/// let tokens = TokenCache::new(shared);
/// assert_eq!(tokens.get().await?.secret(), "abc");
/// # Ok(())
/// # }
/// ```
pub struct Shared<S> {
    source: Arc<S>,
    core: Arc<Core>,
}

impl<S: TokenSource> Shared<S> {
    /// Starts with the source of tokens, and the store that the processes have in common.
    pub fn builder(source: S, store: impl Store) -> SharedBuilder<S> {
        SharedBuilder::new(source, store)
    }

    /// Acquires a token: from the store, as the process that has the lease, or from the process that
    /// has it.
    async fn share(
        &self,
        entry: &Arc<Entry>,
        context: &AcquireContext,
    ) -> Result<Result<Token, Error>, Unavailable> {
        let core = &self.core;
        let question = Question { core, context };
        entry.subscribe(core);
        let mut announced = entry.watch();
        if let Some(answer) = answer(&question, &entry.read(core).await?)? {
            return Ok(answer);
        }
        let mut waiting = Waiting::new();
        loop {
            let guard = match LeaseGuard::new(core, entry.id) {
                Ok(guard) => guard,
                Err(error) => return Ok(Err(error)),
            };
            match entry.lease(core, guard.owner).await? {
                Grant::Granted { number, content } => {
                    let answered = answer(&question, &content);
                    if !matches!(answered, Ok(None)) {
                        guard.release().await;
                        return answered.map(|answer| answer.expect("it is not `None`"));
                    }
                    let document = content.ok().flatten();
                    let document = document.map(|it| it.document.clone()).unwrap_or_default();
                    let source = &*self.source;
                    let leader = Leader { source, core, entry, context, guard, number, document };
                    return Ok(leader.acquire().await);
                }
                Grant::Held { owner, remaining, content } => {
                    guard.forget();
                    if let Some(answer) = answer(&question, &content)? {
                        return Ok(answer);
                    }
                    let generation = content.ok().flatten().map(|it| it.number);
                    if waiting.saw_turns(owner, generation)
                        && waiting.since.elapsed() >= core.settings.lease
                    {
                        return Err(Unavailable::NothingStored);
                    }
                    let until = Instant::now() + waiting.next_poll(remaining);
                    if let Some(answer) = announcement(&question, &mut announced, until).await {
                        return Ok(answer);
                    }
                }
            }
        }
    }
}

/// The result of the acquisition, if the entry has one.
fn answer(
    question: &Question<'_>,
    content: &Content,
) -> Result<Option<Result<Token, Error>>, Unavailable> {
    match content {
        Ok(generation) => {
            Ok(generation.as_ref().and_then(|generation| question.answer(generation)))
        }
        Err(why) => Err(Unavailable::Unreadable(*why)),
    }
}

/// Waits for an announcement with a result, until the next poll.
async fn announcement(
    question: &Question<'_>,
    announced: &mut watch::Receiver<Option<Arc<Generation>>>,
    until: Instant,
) -> Option<Result<Token, Error>> {
    loop {
        match timeout_at(until, announced.changed()).await {
            Ok(Ok(())) => {
                let generation = announced.borrow_and_update().clone();
                if let Some(answer) = generation.and_then(|it| question.answer(&it)) {
                    return Some(answer);
                }
            }
            Ok(Err(_closed)) => sleep_until(until).await,
            Err(_elapsed) => return None,
        }
    }
}

/// The wait for the process that has the lease.
struct Waiting {
    since: Instant,
    /// The longest wait until the next poll.
    poll: Duration,
    last: Option<(LeaseOwner, Option<u64>)>,
    /// How many processes had the lease after another one, and stored nothing.
    turns: u32,
}

impl Waiting {
    fn new() -> Self {
        Self { since: Instant::now(), poll: POLL.0, last: None, turns: 0 }
    }

    fn saw_turns(&mut self, owner: LeaseOwner, generation: Option<u64>) -> bool {
        if let Some((last, stored)) = self.last.replace((owner, generation))
            && last != owner
        {
            self.turns = if stored == generation { self.turns + 1 } else { 0 };
        }
        self.turns >= MAX_TURNS
    }

    /// At the end of the lease, or sooner.
    fn next_poll(&mut self, remaining: Duration) -> Duration {
        let jitter = fastrand::f64();
        let poll = self.poll.mul_f64(1.0 - 0.8 * jitter);
        self.poll = (self.poll * 2).min(POLL.1);
        poll.min(remaining + POLL.0.mul_f64(jitter))
    }
}

impl<S: TokenSource> TokenSource for Shared<S> {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        // Again for each acquisition, because a certificate may have been replaced.
        let entry = self.core.entry(&self.source.sharing())?;
        match self.share(&entry, &context).await {
            Ok(result) => result,
            // The budget of the fleet holds although its entry is lost.
            Err(Unavailable::NothingStored) if context.is_budgeted => {
                let unchanged = Question { core: &self.core, context: &context }.unchanged();
                unchanged.ok_or_else(|| Error::of(Problem::AcquisitionTimeout))
            }
            Err(why) => fallback::acquire(&*self.source, &self.core, context, &why).await,
        }
    }

    fn name(&self) -> String {
        self.source.name()
    }

    fn attach(&self, cache: CacheHandle) {
        self.core.attach(cache.clone());
        self.source.attach(cache);
    }

    fn sharing(&self) -> Sharing {
        self.source.sharing()
    }

    fn adopt(&self, token: Token) -> Token {
        self.source.adopt(token)
    }
}

impl<S: TokenSource> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("client", &self.source.name())
            .field("namespace", &self.core.settings.namespace)
            .finish_non_exhaustive()
    }
}
