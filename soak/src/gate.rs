//! A layer of the service under test around each of its two transports: counts the requests in
//! flight, and makes name lookups fail.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use http::{Request, Uri};
use tower::Service;

/// The counts of one transport, and its fault.
#[derive(Default)]
pub struct Counts {
    pub names_fail: Arc<AtomicBool>,
    pub total: AtomicU64,
    in_flight: AtomicU64,
    pub most_in_flight: AtomicU64,
}

#[derive(Clone)]
pub struct Gate<S> {
    inner: S,
    counts: Arc<Counts>,
}

impl<S> Gate<S> {
    pub fn new(inner: S, counts: Arc<Counts>) -> Self {
        Self { inner, counts }
    }
}

/// One request. Ends with its future, also if that is dropped.
struct InFlight(Arc<Counts>);

impl InFlight {
    fn begin(counts: &Arc<Counts>) -> Self {
        counts.total.fetch_add(1, SeqCst);
        let now = counts.in_flight.fetch_add(1, SeqCst) + 1;
        counts.most_in_flight.fetch_max(now, SeqCst);
        Self(Arc::clone(counts))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

impl<S, B> Service<Request<B>> for Gate<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let in_flight = InFlight::begin(&self.counts);
        if self.counts.names_fail.load(SeqCst) {
            *request.uri_mut() = without_address(request.uri());
        }
        let answered = self.inner.call(request);
        Box::pin(async move {
            let _in_flight = in_flight;
            answered.await
        })
    }
}

/// The same URI with a name that has no address (RFC 6761 §6.4).
fn without_address(uri: &Uri) -> Uri {
    let port = uri.port_u16().unwrap_or(443);
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    format!("https://soak.invalid:{port}{path}").parse().unwrap_or_else(|_| uri.clone())
}
