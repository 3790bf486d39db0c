//! An authorization server for many keys, as a closure, in virtual time and without HTTP.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::time::Instant;
use tower_oauth2_client_credentials::{
    Error, ErrorKind, KeyedTokenCache, Token, TokenSource,
    cache::KeyedTokenCacheBuilder,
    event::AcquisitionReason,
    source::{AcquireContext, CacheHandle},
};

/// Counts requests, and answers for each key with tokens that name it.
#[derive(Clone, Default)]
pub(crate) struct Idp(Arc<Seen>);

#[derive(Default)]
pub(crate) struct Seen {
    takes: Duration,
    asked: Mutex<BTreeMap<u32, Vec<(Instant, AcquisitionReason)>>>,
    down: Mutex<BTreeSet<u32>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
    sources: AtomicUsize,
    handles: Mutex<Vec<CacheHandle>>,
}

impl Idp {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sets the latency of each token request.
    pub(crate) fn taking(takes: Duration) -> Self {
        Self(Arc::new(Seen { takes, ..Seen::default() }))
    }

    pub(crate) fn builder(&self) -> KeyedTokenCacheBuilder<u32> {
        let idp = self.clone();
        KeyedTokenCache::builder(move |key: &u32| {
            idp.0.sources.fetch_add(1, SeqCst);
            Ok(Source { key: *key, idp: idp.clone() })
        })
    }

    pub(crate) fn set_down(&self, key: u32, down: bool) {
        let mut keys = self.0.down.lock().unwrap();
        if down {
            keys.insert(key)
        } else {
            keys.remove(&key)
        };
    }

    /// The token requests for a key: time and reason.
    pub(crate) fn asked(&self, key: u32) -> Vec<(Instant, AcquisitionReason)> {
        self.0.asked.lock().unwrap().get(&key).cloned().unwrap_or_default()
    }

    /// The number of token requests for a key.
    pub(crate) fn requests(&self, key: u32) -> usize {
        self.asked(key).len()
    }

    pub(crate) fn all_requests(&self) -> usize {
        self.0.asked.lock().unwrap().values().map(Vec::len).sum()
    }

    pub(crate) fn most_running(&self) -> usize {
        self.0.most_running.load(SeqCst)
    }

    /// The number of existing sources.
    pub(crate) fn sources(&self) -> usize {
        self.0.sources.load(SeqCst)
    }

    pub(crate) fn invalidate_all(&self) {
        self.0.handles.lock().unwrap().iter().for_each(CacheHandle::clear);
    }
}

struct Source {
    key: u32,
    idp: Idp,
}

/// Also counted down when the acquisition is dropped.
struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl TokenSource for Source {
    async fn acquire(&self, acquire: AcquireContext) -> Result<Token, Error> {
        let seen = &self.idp.0;
        let running = seen.running.fetch_add(1, SeqCst) + 1;
        let _running = Running(&seen.running);
        seen.most_running.fetch_max(running, SeqCst);
        let serial = {
            let mut asked = seen.asked.lock().unwrap();
            let asked = asked.entry(self.key).or_default();
            asked.push((Instant::now(), acquire.reason));
            asked.len()
        };
        if !seen.takes.is_zero() {
            tokio::time::sleep(seen.takes).await;
        }
        if seen.down.lock().unwrap().contains(&self.key) {
            return Err(Error::new(ErrorKind::OAuth).with_oauth_code("server_error", None));
        }
        let token = Token::bearer(format!("{}.{serial}", self.key))?;
        Ok(token.with_lifetime(Duration::from_secs(3600)))
    }

    fn attach(&self, handle: CacheHandle) {
        self.idp.0.handles.lock().unwrap().push(handle);
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.idp.0.sources.fetch_sub(1, SeqCst);
    }
}

/// Requests tokens of this many other keys, above 1,000.
pub(crate) async fn churn(tokens: &KeyedTokenCache<u32>, keys: u32) {
    for key in 1000..1000 + keys {
        tokens.get(&key).await.unwrap();
    }
}

/// All of them at once, each in a separate task.
pub(crate) async fn all<T: Send + 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
