//! The source of one key: made when it is first needed, and asked in turn.

use std::{pin::pin, sync::OnceLock, time::Duration};

use tokio::time::{Instant, timeout};

use super::turns::Turns;
use crate::{
    error::Error,
    source::{Acquire, ErasedSource, TokenSource, Withdrawal},
    sync::Arc,
    token::Token,
};

/// An acquisition that takes longer holds no turn any more, so that servers which hang do not keep
/// those of other keys waiting.
const LONGEST_TURN: Duration = Duration::from_millis(250);

/// Makes the source of a key.
pub(super) type Make<K> = dyn Fn(&K) -> Result<Box<dyn ErasedSource>, Error> + Send + Sync;

/// What the sources of all keys share.
pub(super) struct Sources<K> {
    pub(super) make: Box<Make<K>>,
    pub(super) turns: Turns,
    /// Those of keys whose last acquisition failed, so that other keys do not wait for them.
    pub(super) retries: Turns,
}

pub(super) struct KeyedSource<K> {
    key: K,
    sources: Arc<Sources<K>>,
    made: OnceLock<Box<dyn ErasedSource>>,
    withdrawal: OnceLock<Withdrawal>,
}

impl<K> KeyedSource<K> {
    pub(super) fn new(key: K, sources: Arc<Sources<K>>) -> Self {
        Self { key, sources, made: OnceLock::new(), withdrawal: OnceLock::new() }
    }

    /// Here and not when the cache is made: so a failure has its pause like any other, a panic is
    /// caught, and a key that is never used costs nothing.
    fn made(&self) -> Result<&dyn ErasedSource, Error> {
        if let Some(made) = self.made.get() {
            return Ok(&**made);
        }
        let made = (self.sources.make)(&self.key)?;
        if let Some(withdrawal) = self.withdrawal.get() {
            made.attach(withdrawal.clone());
        }
        // One that comes second, beside an abandoned acquisition, is dropped.
        Ok(&**self.made.get_or_init(|| made))
    }
}

impl<K: Send + Sync + 'static> TokenSource for KeyedSource<K> {
    async fn acquire(&self, acquire: Acquire) -> Result<Token, Error> {
        let turns =
            if acquire.single_attempt { &self.sources.retries } else { &self.sources.turns };
        let turn = turns.take(acquire.deadline).await?;
        // A token is not older for the wait.
        let asked_at = Instant::now();
        let mut acquiring = pin!(self.made()?.acquire_boxed(acquire));
        let token = match timeout(LONGEST_TURN, acquiring.as_mut()).await {
            Ok(acquired) => acquired?,
            Err(_elapsed) => {
                drop(turn);
                acquiring.await?
            }
        };
        Ok(if token.issued_at().is_none() { token.with_issued_at(asked_at) } else { token })
    }

    fn attach(&self, withdrawal: Withdrawal) {
        // Called once.
        let _ = self.withdrawal.set(withdrawal);
    }
}
