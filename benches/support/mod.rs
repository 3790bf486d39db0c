//! Shared by the benches of the hot path: an inner service, a request builder, and the compared
//! layers.
//!
//! The futures are ready at the first poll, so the measurement involves no runtime.

// Each bench uses a part of this module.
#![allow(dead_code)]

use std::{
    convert::Infallible,
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{
            AtomicU32, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, StatusCode, Uri,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, USER_AGENT},
};
use http_body_util::Empty;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_http::set_header::SetRequestHeaderLayer;
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    replay::{NoReplay, ReplayPolicy},
    source::AcquireContext,
};

pub(crate) type Body = Empty<Bytes>;

const API: &str = "https://api.example.com";

/// The inner service. It answers at once, and keeps the optimizer from dropping parts of the
/// request.
#[derive(Clone, Copy)]
pub(crate) struct Inner;

impl Service<Request<Body>> for Inner {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        drop(black_box(request));
        Answer
    }
}

/// Ready at the first poll, and as small as a real client's future, which is a box. A larger future
/// would be copied with the response.
pub(crate) struct Answer;

impl Future for Answer {
    type Output = Result<Response<()>, Infallible>;

    #[inline]
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(Response::new(())))
    }
}

/// How requests are built. Each thread has its own builder, because threads would contend for the
/// reference counts of a shared URI.
pub(crate) trait Build: Default {
    fn request(&self) -> Request<Body>;
}

/// The smallest request: a parsed URI and one header field.
pub(crate) struct Lean {
    uri: Uri,
    accept: HeaderValue,
}

impl Default for Lean {
    fn default() -> Self {
        Self {
            uri: format!("{API}/v1/things/4711?expand=all").parse().expect("it is a URI"),
            accept: HeaderValue::from_static("application/json"),
        }
    }
}

impl Lean {
    /// Without an authority, as a client of one connection builds it.
    pub(crate) fn relative() -> Self {
        Self { uri: Uri::from_static("/v1/things/4711?expand=all"), ..Self::default() }
    }
}

impl Build for Lean {
    #[inline]
    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::new());
        *request.uri_mut() = self.uri.clone();
        request.headers_mut().insert(ACCEPT, self.accept.clone());
        request
    }
}

/// As applications write it: a URI that is formatted and parsed, and three header fields.
#[derive(Default)]
pub(crate) struct Typical;

impl Build for Typical {
    #[inline]
    fn request(&self) -> Request<Body> {
        Request::get(format!("{API}/v1/things/{}?expand=all", black_box(4711)))
            .header(ACCEPT, "application/json")
            .header(ACCEPT_ENCODING, "gzip")
            .header(USER_AGENT, "a-service/1.0")
            .body(Body::new())
            .expect("it is a request")
    }
}

/// One request from its creation to its response.
#[inline]
pub(crate) fn call<S>(service: &mut S, builder: &impl Build)
where
    S: Service<Request<Body>, Response = Response<()>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let request = builder.request();
    assert!(service.poll_ready(&mut cx).is_ready());
    match pin!(service.call(request)).poll(&mut cx) {
        Poll::Ready(Ok(response)) => drop(black_box(response)),
        _ => panic!("the answer was not ready"),
    }
}

/// The same through a clone made for this request, as `oneshot` users do.
#[inline]
pub(crate) fn call_cloned<S>(service: &S, builder: &impl Build)
where
    S: Service<Request<Body>, Response = Response<()>> + Clone,
{
    call(&mut service.clone(), builder);
}

/// The floor: a layer with a constant header.
pub(crate) fn floor() -> SetRequestHeaderLayer<HeaderValue> {
    let value = HeaderValue::from_static("Bearer 2YotnFZFEjr1zCsicMWpAA");
    SetRequestHeaderLayer::overriding(AUTHORIZATION, value)
}

/// The floor of real tokens: the same layer with a value that was read at run time, such as a token from
/// the environment. Each request clones it, and its reference count is shared by all threads.
pub(crate) fn environment_floor() -> SetRequestHeaderLayer<HeaderValue> {
    let value = black_box("Bearer 2YotnFZFEjr1zCsicMWpAA").to_owned();
    let value = HeaderValue::try_from(value).expect("it is a header value");
    SetRequestHeaderLayer::overriding(AUTHORIZATION, value)
}

/// This crate's layer, with a token of an hour.
pub(crate) fn ours(origins: Origins) -> OAuthClientCredentialsLayer {
    let tokens = TokenCache::new(|_: AcquireContext| async {
        Ok(Token::bearer("2YotnFZFEjr1zCsicMWpAA")?.with_lifetime(Duration::from_secs(3600)))
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(tokens.warm_up()).expect("a token");
    OAuthClientCredentialsLayer::new(tokens, origins)
}

pub(crate) fn never(origins: Origins) -> OAuthClientCredentialsLayer<NoReplay> {
    ours(origins).replay(NoReplay)
}

pub(crate) fn any() -> Origins {
    Origins::any()
}

pub(crate) fn fixed() -> Origins {
    Origins::fixed_upstream()
}

pub(crate) fn one() -> Origins {
    Origins::parse([API]).expect("it is an origin")
}

/// Checks that a layer does the measured work.
pub(crate) fn assert_authorizes<L>(layer: &L, builder: &impl Build)
where
    L: Layer<Check>,
    L::Service: Service<Request<Body>, Response = Response<()>>,
{
    let mut service = layer.layer(Check);
    (0..3).for_each(|_| call(&mut service, builder));
}

/// Makes sure that the measured kind of layer handles a rejected token: the token is replaced, and
/// the request is sent again if the policy says so.
pub(crate) fn assert_handles_rejection<P>(policy: P, is_replayed: bool)
where
    P: ReplayPolicy<Body>,
{
    let serial = Arc::new(AtomicU32::new(0));
    let tokens = TokenCache::new({
        let serial = Arc::clone(&serial);
        move |_: AcquireContext| {
            let serial = serial.fetch_add(1, Relaxed);
            async move { Token::bearer(format!("token-{serial}")) }
        }
    });
    let sent = Arc::new(AtomicU32::new(0));
    let api = {
        let sent = Arc::clone(&sent);
        service_fn(move |request: Request<Body>| {
            sent.fetch_add(1, Relaxed);
            let rejected = request.headers()[AUTHORIZATION] == "Bearer token-0";
            let status = if rejected { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
            async move { Response::builder().status(status).body(()) }
        })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let layer = OAuthClientCredentialsLayer::new(tokens, any()).replay(policy);
    runtime.expect("a runtime").block_on(async {
        let request = Lean::default().request();
        let response = layer.layer(api).oneshot(request).await.expect("the API answers");
        // The acquisition runs in a task, which may have its first turn now.
        tokio::task::yield_now().await;
        assert_eq!(response.status().is_success(), is_replayed);
    });
    let sendings = if is_replayed { 2 } else { 1 };
    assert_eq!((sent.load(Relaxed), serial.load(Relaxed)), (sendings, 2));
}

/// [`Inner`] that requires a token.
#[derive(Clone, Copy)]
pub(crate) struct Check;

impl Service<Request<Body>> for Check {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer 2YotnFZFEjr1zCsicMWpAA");
        Answer
    }
}

/// Waits for the other threads without sleeping, several times. A thread that is woken starts on
/// the core of the thread that woke it, and in such a short round the two would share that core.
pub(crate) fn meet(meetings: &AtomicUsize, threads: usize) {
    for meeting in 1..=8 {
        meetings.fetch_add(1, AcqRel);
        while meetings.load(Acquire) < meeting * threads {
            std::hint::spin_loop();
        }
    }
}
