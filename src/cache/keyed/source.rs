//! The source of one key. The first acquisition makes it. Each acquisition calls it with a permit.

use std::{pin::pin, sync::OnceLock, time::Duration};

use tokio::time::{Instant, timeout};

use super::limiter::Limiter;
use crate::{
    error::Error,
    source::{AcquireContext, CacheHandle, ErasedSource, TokenSource},
    sync::Arc,
    token::Token,
};

/// An acquisition that takes longer returns its permit, so that servers which hang do not delay the
/// acquisitions of other keys.
const MAX_PERMIT_TIME: Duration = Duration::from_millis(250);

/// Makes the source of a key.
pub(super) type MakeSource<K> = dyn Fn(&K) -> Result<Box<dyn ErasedSource>, Error> + Send + Sync;

/// The parts that the sources of all keys share.
pub(super) struct Sources<K> {
    pub(super) make: Box<MakeSource<K>>,
    pub(super) limiter: Limiter,
    /// For keys whose last acquisition failed, so that other keys do not wait for them.
    pub(super) retry_limiter: Limiter,
}

pub(super) struct KeyedSource<K> {
    key: K,
    sources: Arc<Sources<K>>,
    source: OnceLock<Box<dyn ErasedSource>>,
    cache: OnceLock<CacheHandle>,
}

impl<K> KeyedSource<K> {
    pub(super) fn new(key: K, sources: Arc<Sources<K>>) -> Self {
        Self { key, sources, source: OnceLock::new(), cache: OnceLock::new() }
    }

    /// The source, made by the first acquisition rather than with the cache. So a failure starts a
    /// cooldown like any other, a panic is caught, and a key that is never used costs nothing.
    fn source(&self) -> Result<&dyn ErasedSource, Error> {
        if let Some(source) = self.source.get() {
            return Ok(&**source);
        }
        let source = (self.sources.make)(&self.key)?;
        if let Some(cache) = self.cache.get() {
            source.attach(cache.clone());
        }
        // An abandoned acquisition may make a second one, which is dropped.
        Ok(&**self.source.get_or_init(|| source))
    }
}

impl<K: Send + Sync + 'static> TokenSource for KeyedSource<K> {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        let Sources { limiter, retry_limiter, .. } = &*self.sources;
        let limiter = if context.single_attempt { retry_limiter } else { limiter };
        let permit = limiter.acquire(context.deadline).await?;
        // The wait for the permit is not part of the token's age.
        let started = Instant::now();
        let mut acquiring = pin!(self.source()?.acquire_boxed(context));
        let token = match timeout(MAX_PERMIT_TIME, acquiring.as_mut()).await {
            Ok(acquired) => acquired?,
            Err(_elapsed) => {
                drop(permit);
                acquiring.await?
            }
        };
        Ok(if token.issued_at().is_none() { token.with_issued_at(started) } else { token })
    }

    fn attach(&self, cache: CacheHandle) {
        // A cache calls this once.
        let _ = self.cache.set(cache);
    }
}
