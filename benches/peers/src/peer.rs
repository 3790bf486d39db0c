//! The interface through which every crate is measured: a request goes in, and arrives at the inner
//! service with `Authorization`.

use std::{
    convert::Infallible,
    future::{Future, poll_fn, ready},
    hint::{black_box, spin_loop},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{ACCEPT, AUTHORIZATION},
};
use http_body_util::Empty;
use tokio::sync::Notify;
use tower::Service;
use tower_oauth2_client_credentials::BoxError;

use crate::endpoint::is_alive;

pub type Body = Empty<Bytes>;
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub const API: &str = "https://api.example.com";

/// Authorizes requests. Each further thread or task holds a clone.
pub trait Peer: Clone + Send + 'static {
    fn call(&mut self, request: Request<Body>)
    -> impl Future<Output = Result<(), BoxError>> + Send;
}

/// How to build a crate's peer.
pub type Build = fn(Setup) -> BoxFuture<'static, Result<Box<dyn Driven>, BoxError>>;

/// One crate, and its description.
pub struct Contestant {
    pub name: &'static str,
    /// Its package. The lock file has the version.
    pub package: &'static str,
    /// One line about its use.
    pub way: &'static str,
    /// Lifetime of its tokens in seconds for an expiry every 3 s. More than 3 if it renews at a
    /// fixed time before the expiry that can't be set.
    pub renewed_every_3s: u64,
    /// The reason why it has no cold start.
    pub no_herd: Option<&'static str>,
    /// A second way to use a crate, in the hot path only.
    pub hot_path_only: bool,
    pub build: Build,
}

pub struct Setup {
    /// The token endpoint's URL, without a path and without a slash.
    pub url: String,
    /// Whether to configure it for tokens of 3 s, as its author would. Otherwise all defaults.
    pub tuned: bool,
    pub inner: Inner,
}

/// The inner service. It answers at once.
#[derive(Clone, Default)]
pub struct Inner {
    /// Counts requests without a token or with an expired one. `None` disables the check.
    dead: Option<Arc<AtomicUsize>>,
}

impl Inner {
    pub fn counting(dead: &Arc<AtomicUsize>) -> Self {
        Self { dead: Some(Arc::clone(dead)) }
    }

    #[inline]
    pub fn send(&self, request: Request<Body>) {
        if let Some(dead) = &self.dead
            && !request.headers().get(AUTHORIZATION).is_some_and(is_alive)
        {
            dead.fetch_add(1, Relaxed);
        }
        drop(black_box(request));
    }

    /// For crates that return a header and leave the request to the user.
    #[inline]
    pub fn send_with(&self, mut request: Request<Body>, value: HeaderValue) {
        request.headers_mut().insert(AUTHORIZATION, value);
        self.send(request);
    }
}

impl Service<Request<Body>> for Inner {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<()>, Infallible>>;

    #[inline]
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.send(request);
        ready(Ok(Response::new(())))
    }
}

/// A crate that is a tower service.
#[derive(Clone)]
pub struct Layered<S>(pub S);

impl<S> Peer for Layered<S>
where
    S: Service<Request<Body>, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
    S::Response: Send,
{
    #[inline]
    async fn call(&mut self, request: Request<Body>) -> Result<(), BoxError> {
        poll_fn(|cx| self.0.poll_ready(cx)).await.map_err(Into::into)?;
        self.0.call(request).await.map_err(Into::into).map(drop)
    }
}

/// The smallest request.
pub struct Requests {
    uri: Uri,
}

impl Default for Requests {
    fn default() -> Self {
        Self { uri: format!("{API}/v1/things/4711?expand=all").parse().expect("it is a URI") }
    }
}

impl Requests {
    #[inline]
    pub fn next(&self) -> Request<Body> {
        let mut request = Request::new(Body::new());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        request
    }
}

/// A barrier that spins. A sleeping thread would be woken on the core of the thread that wakes it,
/// and the two would share that core in such a short run.
pub struct Start {
    threads: usize,
    here: AtomicUsize,
}

impl Start {
    /// More spins than threads on one core can make in one time slice.
    const MEETINGS: usize = 8;

    pub fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self { threads, here: AtomicUsize::new(0) })
    }

    fn wait(&self) {
        for meeting in 1..=Self::MEETINGS {
            self.here.fetch_add(1, AcqRel);
            while self.here.load(Acquire) < self.threads * meeting {
                spin_loop();
            }
        }
    }
}

/// Any peer, behind one pointer that is followed once per measurement.
pub trait Driven: Send + Sync {
    /// Calls in a row by one holder, after a few uncounted ones. Returns start and end.
    fn row(
        &self,
        calls: usize,
        start: Arc<Start>,
    ) -> BoxFuture<'static, Result<(Instant, Instant), BoxError>>;

    /// One call in a separate task.
    fn spawn(&self, tally: &Arc<Tally>);
}

impl<P: Peer> Driven for Mutex<P> {
    fn row(
        &self,
        calls: usize,
        start: Arc<Start>,
    ) -> BoxFuture<'static, Result<(Instant, Instant), BoxError>> {
        let mut peer = self.lock().expect("no panic").clone();
        Box::pin(async move {
            let requests = Requests::default();
            for _ in 0..50 {
                peer.call(requests.next()).await?;
            }
            start.wait();
            let start = Instant::now();
            for _ in 0..calls {
                peer.call(requests.next()).await?;
            }
            Ok((start, Instant::now()))
        })
    }

    fn spawn(&self, tally: &Arc<Tally>) {
        let mut peer = self.lock().expect("no panic").clone();
        let tally = Arc::clone(tally);
        let number = tally.begin();
        tokio::spawn(async move {
            let request = Requests::default().next();
            let mut call = pin!(peer.call(request));
            let mut arrived = false;
            let result = poll_fn(|cx| {
                let poll = call.as_mut().poll(cx);
                if !std::mem::replace(&mut arrived, true) {
                    tally.arrived.fetch_add(1, Relaxed);
                }
                poll
            })
            .await;
            tally.finish(number, result.is_ok());
        });
    }
}

pub fn driven(peer: impl Peer) -> Result<Box<dyn Driven>, BoxError> {
    Ok(Box::new(Mutex::new(peer)))
}

/// The results of a number of calls.
pub struct Tally {
    expected: usize,
    pub arrived: AtomicUsize,
    done: AtomicUsize,
    failed: AtomicUsize,
    /// The end of the last call.
    ended: OnceLock<Instant>,
    all: Notify,
    /// Each call, if requested.
    each: Option<Mutex<Vec<Timed>>>,
}

#[derive(Clone, Copy)]
pub struct Timed {
    pub since: Instant,
    /// `None` while it waits.
    pub took: Option<Duration>,
}

impl Tally {
    pub fn new(expected: usize) -> Self {
        Self {
            expected,
            arrived: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            ended: OnceLock::new(),
            all: Notify::new(),
            each: None,
        }
    }

    /// Also keeps start and end of each call.
    pub fn of_each(expected: usize) -> Self {
        // Allocated in advance, because a growing list would add the time of a copy to a request.
        Self { each: Some(Mutex::new(Vec::with_capacity(expected))), ..Self::new(expected) }
    }

    fn begin(&self) -> usize {
        let Some(each) = &self.each else { return 0 };
        let mut each = each.lock().expect("no panic");
        each.push(Timed { since: Instant::now(), took: None });
        each.len() - 1
    }

    fn finish(&self, number: usize, ok: bool) {
        if !ok {
            self.failed.fetch_add(1, Relaxed);
        }
        if let Some(each) = &self.each {
            let timed = &mut each.lock().expect("no panic")[number];
            timed.took = Some(timed.since.elapsed());
        }
        if self.done.fetch_add(1, Relaxed) + 1 == self.expected {
            self.ended.get_or_init(Instant::now);
            self.all.notify_one();
        }
    }

    /// The end of the last call. `None` if that took longer than `most`.
    pub async fn ended(&self, most: Duration) -> Option<Instant> {
        let _ = tokio::time::timeout(most, self.all.notified()).await;
        self.ended.get().copied()
    }

    pub fn done(&self) -> usize {
        self.done.load(Relaxed)
    }

    pub fn failed(&self) -> usize {
        self.failed.load(Relaxed)
    }

    pub fn each(&self) -> Vec<Timed> {
        self.each.as_ref().map(|each| each.lock().expect("no panic").clone()).unwrap_or_default()
    }
}
