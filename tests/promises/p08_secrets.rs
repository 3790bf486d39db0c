//! P8: no token in `Debug`, `Display`, errors or traces; header values are marked sensitive. (The
//! client's secrets are tested with the endpoint.)
//!
//! A separate binary that runs one test at a time: the first thread that reaches a callsite decides
//! for the whole process whether it is enabled.

#[allow(dead_code)] // The other half of it is for the other promises.
mod support;

#[path = "../support/log.rs"]
#[allow(dead_code)] // Each test uses a part of it.
mod log;

use std::{
    error::Error as _,
    fmt::Debug,
    sync::{Mutex, PoisonError},
};

use tower::{Layer, Service, ServiceExt};
use tower_oauth2_client_credentials::{
    Error, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    event::{AcquisitionReason, Observer},
    layer::{ExistingAuthorization, RejectionPolicy, WithoutToken},
    replay::{BufferBodies, Tee},
    source::AcquireContext,
    token::TokenType,
};
use tracing::{Instrument, Level};
use tracing_subscriber::fmt::format::FmtSpan;

use log::Log;
use support::{
    Api, Body, Idp, call, failure, layered, named, oauth, poll_once, rejection, request, secs,
    settle,
};

const CANARY: &str = "canary-4e1f0a77";

/// Runs a test in virtual time, with its traces of this level and above in the log.
fn traced<F: Future<Output = ()>>(level: Level, test: impl FnOnce(Log) -> F) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    tracing::subscriber::with_default(subscriber, || runtime.block_on(test(log)));
}

/// All output of a run: traces, and `Debug` of the values it uses.
#[derive(Clone, Default)]
struct Shown(Log);

impl Shown {
    fn add(&self, value: &impl Debug) {
        self.text(&format!("{value:?}\n{value:#?}\n"));
    }

    fn text(&self, text: &str) {
        self.0.add(text);
    }

    fn error(&self, error: &(dyn std::error::Error + 'static)) {
        self.text(&format!("{error} {error:#} {error:?} {error:#?}\n"));
        if let Some(source) = error.source() {
            self.error(source);
        }
    }

    fn read(&self) -> String {
        self.0.read()
    }
}

#[test]
fn p8_no_token_is_shown_anywhere() {
    traced(Level::TRACE, |log| async move {
        let shown = Shown(log);
        let idp = Idp::new(|asked| match asked.nth % 4 {
            0 => failure(oauth("server_error")).after(0.1),
            nth => named(format!("{CANARY}-{nth}"), 100.0).after(0.1),
        });
        let observed = shown.clone();
        let builder = idp.builder().observer(move |event| observed.add(event));
        shown.add(&builder);
        let cache = builder.build();
        let layer = OAuthClientCredentialsLayer::new(cache.clone(), Origins::any())
            .withheld(WithoutToken::Refuse)
            .existing_authorization(ExistingAuthorization::Refuse)
            .rejection_policy(RejectionPolicy::by_challenge());
        shown.add(&layer);
        let mut client =
            layer.layer(tower::service_fn(|request: http::Request<Body>| async move {
                // The inner service logs the request itself.
                Ok::<_, std::convert::Infallible>(http::Response::new(Body::from(format!(
                    "{request:?}"
                ))))
            }));
        for _ in 0..300 {
            let called = client.ready().await.unwrap().call(request());
            shown.add(&called);
            if let Ok(response) = called.await {
                shown.add(&response);
            }
            if let Some(token) = cache.current() {
                shown.add(&token);
                shown.add(&token.header_value());
                shown.add(&cache.replacement(&token).await);
            }
            tokio::time::sleep(secs(1.0)).await;
        }
        shown.add(&cache);
        shown.add(&cache.force_refresh().await);
        tokio::time::sleep(secs(2.0)).await;

        let rejecting = layered(&cache, Api::new(|_| rejection()));
        assert_eq!(call(&rejecting).await.unwrap(), 401);
        let own = http::Request::get(support::API).header("authorization", "Bearer x");
        let refused = client.call(own.body(Body::default()).unwrap()).await.unwrap_err();
        shown.error(&*refused);
        let elsewhere =
            http::Request::get("http://elsewhere.example").body(Body::default()).unwrap();
        shown.error(&*client.call(elsewhere).await.unwrap_err());
        settle().await;

        let shown = shown.read();
        assert!(!shown.contains(CANARY), "{shown}");
        for part in ["acquire_token", "access token acquired", "access token rejected", "Sensitive"]
        {
            assert!(shown.contains(part), "this test sees too little: {part}");
        }
    });
}

/// A waiting request, and a holder of a token.
#[test]
fn p8_a_waiting_request_shows_no_token() {
    traced(Level::TRACE, |_| async move {
        let shown = Shown::default();
        let idp = Idp::new(|_| named(CANARY, 3600.0).after(0.1));
        let cache = idp.cache();
        let mut waiting = Box::pin(layered(&cache, Api::ok()).oneshot(request()));
        assert!(poll_once(&mut waiting).await.is_pending());
        shown.add(&cache);
        waiting.await.unwrap();
        shown.add(&cache);
        shown.add(&layered(&cache, ()));
        shown.add(&OAuthClientCredentialsLayer::new(cache, Origins::any()));
        shown.add(&AcquireContext::new(AcquisitionReason::Missing));
        shown.add(&Observer::new(|_| {}));
        shown.add(&BufferBodies::<Body>::new(10, |_: Tee<Body>| Body::default()));
        assert!(!shown.read().contains(CANARY));
    });
}

/// The error for a refused token does not show the token.
#[test]
fn p8_an_error_does_not_show_what_it_refuses() {
    let shown = Shown::default();
    for bad in [format!("{CANARY}\r\n"), format!("{CANARY} x"), CANARY.repeat(10_000)] {
        shown.error(&Token::bearer(bad).unwrap_err());
    }
    shown.error(&Origins::parse([format!("https://{CANARY}@api.example.com")]).unwrap_err());
    shown.error(&Origins::parse([format!("https://a.example/?key={CANARY}")]).unwrap_err());
    assert!(!shown.read().contains(CANARY), "{}", shown.read());
    // Text that a user's source puts into an error is behind `source()` only.
    let error = Error::from_source(format!("user {CANARY}"));
    assert!(!error.to_string().contains(CANARY) && error.source().is_some());
}

#[test]
fn p8_header_values_are_sensitive() {
    traced(Level::TRACE, |_| async move {
        let idp = Idp::healthy(3600.0, 0.1);
        let api = Api::accepting(|token| token != "t1");
        let client = layered(&idp.cache(), api.clone());
        for _ in 0..3 {
            call(&client).await.unwrap();
        }
        assert_eq!(api.tokens(), ["t1", "t2", "t2", "t2"]);
        assert!(api.seen().iter().all(|seen| seen.headers["authorization"].is_sensitive()));
        assert!(Token::new(TokenType::Dpop, "abc").unwrap().header_value().is_sensitive());
    });
}

/// A healthy run logs nothing above DEBUG.
#[test]
fn p8_a_healthy_cache_is_quiet() {
    traced(Level::INFO, |log| async move {
        let cache: TokenCache = Idp::healthy(10.0, 0.1).cache();
        let client = layered(&cache, Api::ok());
        for _ in 0..200 {
            call(&client).await.unwrap();
            tokio::time::sleep(secs(0.5)).await;
        }
        assert_eq!(log.read(), "");
    });
}

/// A span covers a real acquisition only. A cache that is kept warm does not hold it open, and it
/// does not hold the span of the request that started the acquisition.
#[test]
fn p8_a_span_ends_with_its_acquisition() {
    traced(Level::DEBUG, |log| async move {
        let idp = Idp::healthy(3600.0, 0.1);
        let cache = idp.builder().keep_warm(true).build();
        {
            let mut leader = Box::pin(cache.get().instrument(tracing::info_span!("a_request")));
            assert!(poll_once(&mut leader).await.is_pending());
        }
        assert!(log.read().contains("a_request: p08_secrets: close"), "{}", log.read());
        tokio::time::sleep(secs(1.0)).await;
        let shown = log.read();
        let closed =
            shown.lines().filter(|it| it.contains("acquire_token") && it.contains("close"));
        assert_eq!(closed.count(), 1, "{shown}");
        assert!(
            shown.lines().any(|it| it.contains("acquire_token") && it.contains("token acquired"))
        );
    });
}
