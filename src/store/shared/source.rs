//! A source that shares its tokens.

use std::{fmt, sync::Arc};

use super::{
    answer::AcquireRequest,
    current::CurrentEntry,
    entry::{Content, LeaseAnswer, SharedEntry},
    fallback,
    health::Unavailable,
    lead::{Leader, LeaderFailure},
    lease_guard::LeaseGuard,
    wait::{LeaseWait, next_announced_answer},
};
use crate::{
    error::Error,
    event::AcquisitionReason,
    source::{AcquireContext, CacheHandle, Sharing, TokenSource},
    token::Token,
};

/// A source whose tokens the processes of a fleet share through a [`Store`](crate::store::Store).
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
    pub(super) source: Arc<S>,
    pub(super) current: CurrentEntry,
}

/// Why an acquisition has no token.
enum ShareFailure {
    /// It failed, in this process or in another one.
    Acquisition(Error),
    /// The store cannot be used.
    Store(Unavailable),
}

impl From<Error> for ShareFailure {
    fn from(error: Error) -> Self {
        Self::Acquisition(error)
    }
}

impl From<Unavailable> for ShareFailure {
    fn from(why: Unavailable) -> Self {
        Self::Store(why)
    }
}

impl<S: TokenSource> Shared<S> {
    /// Returns the stored token. If none can be used, acquires one under the lease, or waits for the
    /// process that has the lease. `own_failure` is set while this process has failed and lost its lease:
    /// it does not acquire twice.
    async fn share(
        &self,
        entry: &Arc<SharedEntry>,
        context: &AcquireContext,
        own_failure: &mut Option<Error>,
    ) -> Result<Token, ShareFailure> {
        let inner = &self.current.inner;
        let (request, observer) = (AcquireRequest { inner, context }, &context.observer);
        entry.subscribe(inner);
        let mut announced = entry.watch();
        // All processes refresh their common token at about the same time. Without this read, each process
        // that has missed the announcement of the next token would take the lease for nothing. Other
        // acquisitions have waiting requests, and the answer to the request for the lease has the entry too.
        let mut is_read = context.reason == AcquisitionReason::Refresh;
        if is_read && let Some(token) = answer(&request, &entry.read(inner, observer).await?)? {
            return Ok(token);
        }
        let mut wait = LeaseWait::new(context.deadline, inner.settings.lease);
        loop {
            let guard = LeaseGuard::new(inner, entry.id, observer)?;
            match entry.lease(inner, observer, guard.owner).await {
                Ok(LeaseAnswer::Granted { generation, content }) => {
                    if let Some(token) = answer(&request, &content)? {
                        return Ok(token);
                    }
                    let document = content.decoded().map(|it| it.document.clone());
                    let document = document.unwrap_or_default();
                    let source = &*self.source;
                    let leader =
                        Leader { source, inner, entry, context, guard, generation, document };
                    if let Some(error) = own_failure.take() {
                        return Ok(leader.store_earlier_failure(error).await?);
                    }
                    match leader.acquire().await {
                        Ok(token) => return Ok(token),
                        Err(LeaderFailure::Final(error)) => return Err(error.into()),
                        Err(LeaderFailure::LeaseLost(error)) => *own_failure = Some(error),
                    }
                    continue;
                }
                Ok(LeaseAnswer::Held { owner, remaining, content }) => {
                    guard.disarm();
                    if let Some(token) = answer(&request, &content)? {
                        return Ok(token);
                    }
                    let generation = content.decoded().map(|it| it.generation);
                    wait.record_lease(owner, remaining, generation, inner.settings.lease);
                }
                Err(_) if wait.expects_result() => {}
                Err(why) => {
                    // A store that is full, or a replica, can still be read.
                    if let Unavailable::Failed(_) = why
                        && !is_read
                        && let Ok(content) = entry.read(inner, observer).await
                        && let Some(token) = answer(&request, &content)?
                    {
                        return Ok(token);
                    }
                    return Err(why.into());
                }
            }
            is_read = true;
            if let Some(why) = wait.reason_to_acquire_alone() {
                return Err(why.into());
            }
            let until = wait.next_request_at();
            if let Some(answer) = next_announced_answer(&request, &mut announced, until).await {
                return Ok(answer?);
            }
        }
    }
}

/// The token or the failure of the entry, if it answers the request.
fn answer(request: &AcquireRequest<'_>, content: &Content) -> Result<Option<Token>, ShareFailure> {
    match content {
        Content::Missing => Ok(None),
        Content::Decoded(decoded) => Ok(request.answer(decoded).transpose()?),
        Content::Unreadable(why) => Err(Unavailable::Unreadable(*why).into()),
    }
}

impl<S: TokenSource> TokenSource for Shared<S> {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        self.source.prepare(&context).await?;
        // The entry is determined for each acquisition, because a certificate may have been replaced.
        let entry = self.current.entry_for(&self.source.sharing())?;
        let mut own_failure = None;
        let why = match self.share(&entry, &context, &mut own_failure).await {
            Ok(token) => return Ok(token),
            Err(ShareFailure::Acquisition(error)) => return Err(error),
            Err(ShareFailure::Store(why)) => why,
        };
        if let Some(error) = own_failure {
            return Err(error);
        }
        let inner = &self.current.inner;
        if context.cache.is_budgeted
            && let Unavailable::NothingStored | Unavailable::NoResult = why
        {
            // An acquisition without the store would not count towards the budget of the fleet, so the
            // cached token stays in use.
            let cached = AcquireRequest { inner, context: &context }.keep_cached_token();
            return cached.ok_or_else(|| why.into_error());
        }
        fallback::acquire(&*self.source, inner, context, why).await
    }

    async fn prepare(&self, context: &AcquireContext) -> Result<(), Error> {
        self.source.prepare(context).await
    }

    fn name(&self) -> String {
        self.source.name()
    }

    fn attach(&self, cache: CacheHandle) {
        self.current.inner.attach(cache.clone());
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
            .field("namespace", &self.current.inner.settings.namespace)
            .finish_non_exhaustive()
    }
}
