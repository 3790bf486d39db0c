//! The inner service: an API that checks the readiness contract and takes its time.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use tower::Service;
use tower_oauth2_client_credentials::BoxError;

pub(crate) type Body = Full<Bytes>;

type Script = dyn Fn(&Seen) -> Result<Response<Body>, BoxError> + Send + Sync;

/// The result of a request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// From 1.
    pub(crate) nth: usize,
    pub(crate) host: String,
    /// The text after `Bearer `; `-` for none.
    pub(crate) token: String,
}

/// Panics if it is called without being ready. A clone is not ready. It is pending once before it
/// is ready (unless [`prompt`](Self::prompt)), and its futures are pending once before they answer.
pub(crate) struct Api {
    readiness: Readiness,
    prompt: bool,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    flying: Arc<AtomicUsize>,
}

#[derive(PartialEq)]
enum Readiness {
    Idle,
    Asked,
    Ready,
}

impl Api {
    pub(crate) fn new(
        script: impl Fn(&Seen) -> Result<Response<Body>, BoxError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            readiness: Readiness::Idle,
            prompt: false,
            script: Arc::new(script),
            seen: Arc::default(),
            flying: Arc::default(),
        }
    }

    /// Ready at the first poll.
    pub(crate) fn prompt(mut self) -> Self {
        self.prompt = true;
        self
    }

    /// The tokens that came, in order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.token).collect()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The number of its futures that exist.
    pub(crate) fn flying(&self) -> usize {
        self.flying.load(SeqCst)
    }
}

impl Clone for Api {
    fn clone(&self) -> Self {
        Self {
            readiness: Readiness::Idle,
            prompt: self.prompt,
            script: Arc::clone(&self.script),
            seen: Arc::clone(&self.seen),
            flying: Arc::clone(&self.flying),
        }
    }
}

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = MockResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.readiness == Readiness::Idle && !self.prompt {
            self.readiness = Readiness::Asked;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.readiness = Readiness::Ready;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> MockResponseFuture {
        assert!(self.readiness == Readiness::Ready, "called without being made ready");
        self.readiness = Readiness::Idle;
        let field = request.headers().get(header::AUTHORIZATION);
        let token = field.map_or("-", |it| it.to_str().unwrap().strip_prefix("Bearer ").unwrap());
        let host = request.uri().host().unwrap().to_owned();
        let mut all = self.seen.lock().unwrap();
        let seen = Seen { nth: all.len() + 1, host, token: token.to_owned() };
        all.push(seen.clone());
        self.flying.fetch_add(1, SeqCst);
        MockResponseFuture {
            answer: Some((self.script)(&seen)),
            yielded: false,
            flying: Arc::clone(&self.flying),
        }
    }
}

pub(crate) struct MockResponseFuture {
    answer: Option<Result<Response<Body>, BoxError>>,
    yielded: bool,
    flying: Arc<AtomicUsize>,
}

impl Future for MockResponseFuture {
    type Output = Result<Response<Body>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !std::mem::replace(&mut self.yielded, true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.answer.take().expect("polled after it was ready"))
    }
}

impl Drop for MockResponseFuture {
    fn drop(&mut self) {
        self.flying.fetch_sub(1, SeqCst);
    }
}

pub(crate) fn answer(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from("hello"));
    *response.status_mut() = status;
    response
}

/// A 401 as RFC 6750 §3.1 has it.
pub(crate) fn rejection() -> Response<Body> {
    let mut response = answer(StatusCode::UNAUTHORIZED);
    let challenge = "Bearer error=\"invalid_token\"".parse().unwrap();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
