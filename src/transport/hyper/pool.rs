//! Connections for token requests, in one pool for each host: hyper-util's client cannot close the
//! connections to one host only. A host that hangs affects its own pool.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::Uri;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;

use super::{
    byte_limit::{ByteLimit, CONNECTION_WINDOW, STREAM_WINDOW},
    connect::Connector,
    failure::host_and_port,
    identity::ClientIdentity,
};
use crate::{
    sync::{Mutex, lock},
    transport::body::TokenRequestBody,
};

/// Shorter than the common idle timeouts of servers and load balancers (30 s to 75 s), so that a
/// connection is rarely closed by the server. Longer than the pause between two attempts (10 s).
const IDLE: Duration = Duration::from_secs(20);

/// Few sockets stay open after a burst on HTTP/1.1 (many caches, one authorization server).
const MAX_IDLE_PER_HOST: usize = 4;

/// The authority of a URI, in lower case, and its scheme.
#[derive(Clone, PartialEq, Eq, Hash)]
struct PoolKey {
    is_https: bool,
    authority: String,
}

/// The pools of all hosts that were used recently.
pub(super) struct Pools {
    pub(super) connector: Connector,
    pub(super) identity: Option<ClientIdentity>,
    hosts: Mutex<Hosts>,
}

struct Hosts {
    pools: HashMap<PoolKey, Entry>,
    swept_at: Instant,
}

struct Entry {
    pool: Arc<Pool>,
    used_at: Instant,
}

/// The connections to one host, which all show the same certificate.
pub(super) struct Pool {
    /// The generation of the certificate.
    generation: u64,
    pub(super) client: Client<Connector, TokenRequestBody>,
    byte_limit: Arc<ByteLimit>,
}

impl Pool {
    fn new(connector: &Connector, identity: Option<&ClientIdentity>) -> Self {
        let byte_limit = Arc::default();
        let (generation, connector) = connector.with_identity(identity);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .build(connector.with_byte_limit(&byte_limit));
        Self { generation, client, byte_limit }
    }

    /// Allows the connections of this pool to receive this many bytes more.
    pub(super) fn refund(&self, bytes: usize) {
        self.byte_limit.refund(bytes);
    }
}

impl Pools {
    pub(super) fn new(connector: Connector, identity: Option<ClientIdentity>) -> Self {
        let hosts = Hosts { pools: HashMap::new(), swept_at: Instant::now() };
        Self { connector, identity, hosts: Mutex::new(hosts) }
    }

    /// Begins an exchange with the host of a URI. With `fresh`, it uses a new connection.
    pub(super) fn begin(self: &Arc<Self>, uri: &Uri, fresh: bool) -> Exchange {
        let authority = uri.authority().map(|it| it.as_str().to_ascii_lowercase());
        let is_https = uri.scheme_str() == Some("https");
        let key = PoolKey { is_https, authority: authority.unwrap_or_default() };
        let generation = self.identity.as_ref().map_or(0, ClientIdentity::generation);
        let now = Instant::now();
        let mut hosts = lock(&self.hosts);
        hosts.sweep(now);
        let current = hosts.pools.get(&key).filter(|it| it.pool.generation == generation);
        let pool = match current.filter(|_| !fresh) {
            Some(entry) => Arc::clone(&entry.pool),
            None => Arc::new(Pool::new(&self.connector, self.identity.as_ref())),
        };
        hosts.pools.insert(key.clone(), Entry { pool: Arc::clone(&pool), used_at: now });
        drop(hosts);
        pool.byte_limit.begin();
        Exchange {
            pools: Arc::clone(self),
            key,
            display_host: host_and_port(uri),
            pool,
            is_over: false,
        }
    }

    /// Drops a host's pool, unless it was replaced.
    fn close(&self, key: &PoolKey, pool: &Arc<Pool>) {
        let mut hosts = lock(&self.hosts);
        let is_current = |entry: &Entry| Arc::ptr_eq(&entry.pool, pool);
        if hosts.pools.get(key).is_some_and(is_current) {
            hosts.pools.remove(key);
        }
    }
}

impl Hosts {
    /// Drops the pools that were idle for too long. Pools with a request in flight stay.
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept_at) < IDLE {
            return;
        }
        self.swept_at = now;
        self.pools.retain(|_, entry| {
            Arc::strong_count(&entry.pool) > 1 || now.duration_since(entry.used_at) < IDLE
        });
    }
}

/// One request and its response. When it is dropped before its end, later requests use new connections to
/// its host. Its connection may be dead without a sign, and HTTP/2 would share it with every retry. Or it
/// may belong to a stalled runtime.
pub(super) struct Exchange {
    pools: Arc<Pools>,
    key: PoolKey,
    /// Host and port, for messages.
    pub(super) display_host: String,
    pub(super) pool: Arc<Pool>,
    is_over: bool,
}

impl Exchange {
    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.pool.byte_limit.end();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.is_over {
            self.pool.byte_limit.end();
            self.pools.close(&self.key, &self.pool);
        }
    }
}
