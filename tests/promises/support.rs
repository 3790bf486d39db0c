//! A scripted token source and a scripted API, both of which record their requests.

use std::{
    convert::Infallible,
    future::{Future, Ready, poll_fn, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt};
use tower_oauth2_client_credentials::{
    BoxError, Error, ErrorKind, OAuthClientCredentials, OAuthClientCredentialsLayer, Origins,
    Token, TokenCache, cache::TokenCacheBuilder, event::AcquisitionReason, source::AcquireContext,
};

pub(crate) type Body = Full<Bytes>;
pub(crate) const API: &str = "https://api.example.com/";

/// Longer than any deadline.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

pub(crate) fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A panic without a message on standard error.
pub(crate) fn on_purpose() -> ! {
    std::panic::resume_unwind(Box::new("on purpose"))
}

/// Seconds since `start`.
pub(crate) fn since(start: Instant) -> f64 {
    start.elapsed().as_secs_f64()
}

/// A request to an [`Idp`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// From 1.
    pub(crate) nth: usize,
    pub(crate) at: Instant,
    pub(crate) single_attempt: bool,
    pub(crate) reason: AcquisitionReason,
}

/// Its reaction to a request.
pub(crate) struct Answer(Duration, Result<Token, Error>);

impl Answer {
    pub(crate) fn of(result: Result<Token, Error>) -> Self {
        Self(Duration::ZERO, result)
    }

    pub(crate) fn never() -> Self {
        Self(NEVER, Err(oauth("server_error")))
    }

    pub(crate) fn after(self, latency: f64) -> Self {
        Self(secs(latency), self.1)
    }
}

/// A token named `t` and its number, with this lifetime.
pub(crate) fn token(nth: usize, life: f64) -> Answer {
    named(format!("t{nth}"), life)
}

pub(crate) fn named(secret: impl Into<String>, life: f64) -> Answer {
    Answer(Duration::ZERO, Token::bearer(secret).map(|it| it.with_lifetime(secs(life))))
}

pub(crate) fn failure(error: impl Into<Error>) -> Answer {
    Answer(Duration::ZERO, Err(error.into()))
}

/// An OAuth error with this code.
pub(crate) fn oauth(code: &str) -> Error {
    Error::new(ErrorKind::OAuth).with_oauth_code(code, None)
}

pub(crate) fn throttled(retry_after: f64) -> Answer {
    let error = Error::new(ErrorKind::RateLimited).with_retry_after(Some(secs(retry_after)));
    Answer(Duration::ZERO, Err(error))
}

/// A token source that follows a script and counts.
#[derive(Clone)]
pub(crate) struct Idp(Arc<IdpState>);

struct IdpState {
    script: Box<dyn Fn(Asked) -> Answer + Send + Sync>,
    asked: Mutex<Vec<Asked>>,
    flying: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Idp {
    pub(crate) fn new(script: impl Fn(Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self(Arc::new(IdpState {
            script: Box::new(script),
            asked: Mutex::default(),
            flying: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        }))
    }

    /// Healthy: tokens with this lifetime, each after this latency.
    pub(crate) fn healthy(life: f64, latency: f64) -> Self {
        Self::new(move |asked| token(asked.nth, life).after(latency))
    }

    pub(crate) fn builder(&self) -> TokenCacheBuilder {
        let idp = self.clone();
        TokenCache::builder(move |acquire: AcquireContext| {
            let idp = idp.clone();
            async move { idp.ask(&acquire).await }
        })
    }

    pub(crate) fn cache(&self) -> TokenCache {
        self.builder().build()
    }

    /// One token request.
    pub(crate) async fn ask(&self, acquire: &AcquireContext) -> Result<Token, Error> {
        let asked = {
            let mut all = self.0.asked.lock().unwrap();
            let asked = Asked {
                nth: all.len() + 1,
                at: Instant::now(),
                single_attempt: acquire.single_attempt,
                reason: acquire.reason,
            };
            all.push(asked);
            asked
        };
        let _flying = Flying::new(&self.0);
        let Answer(latency, result) = (self.0.script)(asked);
        if latency.is_zero() {
            tokio::task::yield_now().await;
        } else {
            sleep(latency).await;
        }
        result
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.0.asked.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.0.asked.lock().unwrap().len()
    }

    /// The times of its requests, in seconds since `start`.
    pub(crate) fn times(&self, start: Instant) -> Vec<f64> {
        self.asked().iter().map(|it| (it.at - start).as_secs_f64()).collect()
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.0.most_at_once.load(SeqCst)
    }
}

struct Flying<'a>(&'a IdpState);

impl<'a> Flying<'a> {
    fn new(state: &'a IdpState) -> Self {
        let now = state.flying.fetch_add(1, SeqCst) + 1;
        state.most_at_once.fetch_max(now, SeqCst);
        Self(state)
    }
}

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        self.0.flying.fetch_sub(1, SeqCst);
    }
}

/// A request to an [`Api`].
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) uri: Uri,
    /// The field's value after `Bearer `, or all of it.
    pub(crate) token: Option<String>,
    pub(crate) headers: http::HeaderMap,
}

type ApiScript = dyn Fn(&Seen) -> Response<Body> + Send + Sync;

/// A protected API that follows a script and records its requests.
#[derive(Clone)]
pub(crate) struct Api {
    script: Arc<ApiScript>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Api {
    pub(crate) fn new(script: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), seen: Arc::default() }
    }

    pub(crate) fn ok() -> Self {
        Self::new(|_| Response::new(Body::default()))
    }

    /// Accepts only tokens that the closure accepts.
    pub(crate) fn accepting(good: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::new(move |seen| match &seen.token {
            Some(token) if good(token) => Response::new(Body::default()),
            _ => rejection(),
        })
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The tokens of the requests, in order; `-` for none.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.seen().into_iter().map(|it| it.token.unwrap_or_else(|| "-".to_owned())).collect()
    }
}

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let field = request.headers().get(header::AUTHORIZATION);
        let seen = Seen {
            at: Instant::now(),
            uri: request.uri().clone(),
            token: field.map(|it| {
                let text = it.to_str().unwrap();
                text.strip_prefix("Bearer ").unwrap_or(text).to_owned()
            }),
            headers: request.headers().clone(),
        };
        let response = (self.script)(&seen);
        self.seen.lock().unwrap().push(seen);
        ready(Ok(response))
    }
}

/// A 401 as in RFC 6750 §3.1.
pub(crate) fn rejection() -> Response<Body> {
    Response::builder()
        .status(StatusCode::UNAUTHORIZED)
        .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
        .body(Body::from("rejected"))
        .unwrap()
}

pub(crate) fn layered<S>(cache: &TokenCache, service: S) -> OAuthClientCredentials<S> {
    OAuthClientCredentialsLayer::new(cache.clone(), Origins::any()).layer(service)
}

pub(crate) fn request() -> Request<Body> {
    Request::get(API).body(Body::default()).unwrap()
}

/// One call through a clone of the service.
pub(crate) async fn call<S>(service: &S) -> Result<StatusCode, BoxError>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = BoxError> + Clone,
{
    service.clone().oneshot(request()).await.map(|response| response.status())
}

/// Polls once with the task's own waker.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Polls once outside of any task.
pub(crate) fn poll_outside<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(std::task::Waker::noop()))
}

/// Lets every other task run as far as it can at this instant.
pub(crate) async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}
