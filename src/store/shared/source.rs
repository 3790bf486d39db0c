//! The source that shares.

use std::{fmt, sync::Arc};

use super::{
    answer::AcquireRequest,
    current::CurrentEntry,
    entry::{Content, Entry, Grant},
    fallback,
    health::Unavailable,
    lead::{FailedWithoutLease, Leader},
    lease_guard::LeaseGuard,
    wait::{Waiting, announcement},
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

impl<S: TokenSource> Shared<S> {
    /// Acquires a token: from the store, as the process that has the lease, or from the process that
    /// has it. `failed`: set if this process failed and lost its lease. It does not acquire twice.
    async fn share(
        &self,
        entry: &Arc<Entry>,
        context: &AcquireContext,
        failed: &mut Option<Error>,
    ) -> Result<Result<Token, Error>, Unavailable> {
        let core = &self.current.core;
        let (request, observer) = (AcquireRequest { core, context }, &context.observer);
        entry.subscribe(core);
        let mut announced = entry.watch();
        // Processes refresh their common token at the same time, and each of them that has not received
        // the next one would take a lease for nothing. No request waits for a refresh. In other cases
        // the answer to the request for a lease has the entry too.
        let mut is_read = context.reason == AcquisitionReason::Refresh;
        if is_read && let Some(answer) = answer(&request, &entry.read(core, observer).await?)? {
            return Ok(answer);
        }
        let mut waiting = Waiting::new(context.deadline, core.settings.lease);
        loop {
            let guard = match LeaseGuard::new(core, entry.id, observer) {
                Ok(guard) => guard,
                Err(error) => return Ok(Err(error)),
            };
            match entry.lease(core, observer, guard.owner).await {
                Ok(Grant::Granted { generation, content }) => {
                    if let Some(answer) = answer(&request, &content)? {
                        return Ok(answer);
                    }
                    let document = content.ok().flatten();
                    let document = document.map(|it| it.document.clone()).unwrap_or_default();
                    let source = &*self.source;
                    let current = &self.current;
                    let leader =
                        Leader { source, current, entry, context, guard, generation, document };
                    if let Some(error) = failed.take() {
                        return Ok(leader.share_failure(error).await);
                    }
                    match leader.acquire().await {
                        Ok(acquired) => return Ok(acquired),
                        Err(FailedWithoutLease(error)) => *failed = Some(error),
                    }
                    continue;
                }
                Ok(Grant::Held { owner, remaining, content }) => {
                    guard.forget();
                    if let Some(answer) = answer(&request, &content)? {
                        return Ok(answer);
                    }
                    let generation = content.ok().flatten().map(|it| it.generation);
                    waiting.saw(owner, remaining, generation, core.settings.lease);
                }
                Err(_) if waiting.expects_result() => {}
                Err(why) => {
                    if let Unavailable::Failed(_) = why
                        && !is_read
                        && let Ok(content) = entry.read(core, observer).await
                        && let Some(answer) = answer(&request, &content)?
                    {
                        // It is full, or a replica.
                        return Ok(answer);
                    }
                    return Err(why);
                }
            }
            is_read = true;
            if let Some(why) = waiting.gives_up() {
                return Err(why);
            }
            let until = waiting.next_poll();
            if let Some(answer) = announcement(&request, &mut announced, until).await {
                return Ok(answer);
            }
        }
    }
}

/// The result of the acquisition, if the entry has one.
fn answer(
    request: &AcquireRequest<'_>,
    content: &Content,
) -> Result<Option<Result<Token, Error>>, Unavailable> {
    match content {
        Ok(decoded) => Ok(decoded.as_ref().and_then(|decoded| request.answer(decoded))),
        Err(why) => Err(Unavailable::Unreadable(*why)),
    }
}

impl<S: TokenSource> TokenSource for Shared<S> {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        self.source.prepare(&context).await?;
        // Again for each acquisition, because a certificate may have been replaced.
        let entry = self.current.entry(&self.source.sharing())?;
        let mut failed = None;
        match (self.share(&entry, &context, &mut failed).await, failed) {
            (Ok(result), _) => result,
            (Err(_), Some(error)) => Err(error),
            // The budget of the fleet holds although its entry is lost.
            (Err(why @ (Unavailable::NothingStored | Unavailable::NoResult)), None)
                if context.is_budgeted =>
            {
                let unchanged =
                    AcquireRequest { core: &self.current.core, context: &context }.unchanged();
                unchanged.ok_or_else(|| why.into_error())
            }
            (Err(why), None) => {
                fallback::acquire(&*self.source, &self.current.core, context, why).await
            }
        }
    }

    async fn prepare(&self, context: &AcquireContext) -> Result<(), Error> {
        self.source.prepare(context).await
    }

    fn name(&self) -> String {
        self.source.name()
    }

    fn attach(&self, cache: CacheHandle) {
        self.current.core.attach(cache.clone());
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
            .field("namespace", &self.current.core.settings.namespace)
            .finish_non_exhaustive()
    }
}
