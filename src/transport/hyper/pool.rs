//! Connections for token requests, kept by host: a host that hangs loses its own and no other's.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::Instant;

use super::{
    budget::{Budget, CONNECTION_WINDOW, STREAM_WINDOW},
    connect::Connector,
    failure::{Failure, host_of},
    identity::ClientIdentity,
    lock,
};
use crate::{error::BoxError, transport::TokenRequestBody};

/// Below the idle timeouts common at servers and load balancers (30 s to 75 s), so that a
/// connection is rarely found closed; above what the retries of one acquisition need.
const IDLE: Duration = Duration::from_secs(20);

/// After a burst on HTTP/1.1 (many caches, one authorization server) few sockets stay open.
const MAX_IDLE_PER_HOST: usize = 4;

/// Whether `https`, and the authority.
type Host = (bool, String);

/// The pools of all hosts that were used lately.
pub(super) struct Pools {
    pub(super) connector: Connector,
    pub(super) identity: Option<ClientIdentity>,
    hosts: Mutex<Hosts>,
}

struct Hosts {
    pools: HashMap<Host, Entry>,
    swept_at: Instant,
}

struct Entry {
    pool: Arc<Pool>,
    used_at: Instant,
}

/// The connections to one host, which all show the same certificate.
pub(super) struct Pool {
    certificate: u64,
    pub(super) client: Client<Connector, TokenRequestBody>,
    budget: Arc<Budget>,
}

impl Pool {
    fn new(connector: &Connector, identity: Option<&ClientIdentity>) -> Self {
        let budget = Arc::default();
        let (certificate, connector) = connector.showing(identity);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .http2_initial_stream_window_size(STREAM_WINDOW)
            .http2_initial_connection_window_size(CONNECTION_WINDOW)
            .build(connector.on_budget(&budget));
        Self { certificate, client, budget }
    }
}

impl Pools {
    pub(super) fn new(connector: Connector, identity: Option<ClientIdentity>) -> Self {
        let hosts = Hosts { pools: HashMap::new(), swept_at: Instant::now() };
        Self { connector, identity, hosts: Mutex::new(hosts) }
    }

    /// Begins an exchange with the host of a URI. `fresh`: on a new connection.
    pub(super) fn begin(self: &Arc<Self>, uri: &Uri, fresh: bool) -> Exchange {
        let authority = uri.authority().map(|it| it.as_str().to_ascii_lowercase());
        let host = (uri.scheme_str() == Some("https"), authority.unwrap_or_default());
        let certificate = self.identity.as_ref().map_or(0, ClientIdentity::generation);
        let now = Instant::now();
        let mut hosts = lock(&self.hosts);
        hosts.sweep(now);
        let current = hosts.pools.get(&host).filter(|it| it.pool.certificate == certificate);
        let pool = match current.filter(|_| !fresh) {
            Some(entry) => Arc::clone(&entry.pool),
            None => Arc::new(Pool::new(&self.connector, self.identity.as_ref())),
        };
        hosts.pools.insert(host.clone(), Entry { pool: Arc::clone(&pool), used_at: now });
        drop(hosts);
        pool.budget.begin();
        Exchange { pools: Arc::clone(self), host, shown: host_of(uri), pool, is_over: false }
    }

    /// Drops a host's connections, unless others have taken their place.
    fn close(&self, host: &Host, pool: &Arc<Pool>) {
        let mut hosts = lock(&self.hosts);
        let is_current = |entry: &Entry| Arc::ptr_eq(&entry.pool, pool);
        if hosts.pools.get(host).is_some_and(is_current) {
            hosts.pools.remove(host);
        }
    }
}

impl Hosts {
    /// Forgets hosts whose connections were idle for too long. Those with a request in flight stay.
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

/// One request and its answer. If it is dropped before its end, its connection may be dead without a
/// sign (HTTP/2 would share it with every retry), or belong to a runtime that is not driven. So the
/// connections to its host are closed.
pub(super) struct Exchange {
    pools: Arc<Pools>,
    host: Host,
    /// The host for messages.
    pub(super) shown: String,
    pub(super) pool: Arc<Pool>,
    is_over: bool,
}

impl Exchange {
    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.pool.budget.end();
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.is_over {
            self.pool.budget.end();
            self.pools.close(&self.host, &self.pool);
        }
    }
}

/// The body of an answer, which is a part of its exchange.
pub(super) struct AnswerBody {
    body: Incoming,
    exchange: Exchange,
}

impl AnswerBody {
    pub(super) fn new(body: Incoming, mut exchange: Exchange) -> Self {
        if body.is_end_stream() {
            exchange.end();
        }
        Self { body, exchange }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, exchange } = &mut *self;
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            exchange.pool.budget.taken(data.len());
        }
        if !matches!(frame, Some(Ok(_))) || body.is_end_stream() {
            exchange.end();
        }
        let frame = frame
            .map(|frame| frame.map_err(|error| Failure::answer(&error, &exchange.shown).into()));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
