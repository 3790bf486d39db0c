//! One acquisition in virtual time: attempts, waits and timeouts, against a scripted transport.

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::time::Instant;
use tower::service_fn;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, ErrorKind, TokenCache, TokenSource as _,
    client_auth::Secret,
    endpoint::ClientCredentialsBuilder,
    event::{AcquisitionReason, EventKind, Observer},
    source::AcquireContext,
    transport::TokenRequest,
};

type Answer = Response<Full<Bytes>>;

/// The transport's reaction to one request.
enum Step {
    Answer(Answer),
    Fail,
    Hang,
}

fn answer(status: u16, body: &'static str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

fn good() -> Step {
    Step::Answer(answer(200, r#"{"access_token":"abc","token_type":"Bearer","expires_in":60}"#))
}

fn status(status: u16) -> Step {
    Step::Answer(answer(status, ""))
}

fn busy(retry_after: &str) -> Step {
    let mut answer = answer(503, "");
    answer.headers_mut().insert("retry-after", retry_after.parse().unwrap());
    Step::Answer(answer)
}

/// Bodies and times of the requests, and the events.
#[derive(Clone)]
struct Log {
    start: Instant,
    requests: Arc<Mutex<Vec<(Duration, String)>>>,
    events: Arc<Mutex<Vec<EventKind>>>,
}

impl Log {
    fn new() -> Self {
        Self { start: Instant::now(), requests: Arc::default(), events: Arc::default() }
    }

    fn times(&self) -> Vec<Duration> {
        self.requests.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }

    fn bodies(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }

    fn acquire(&self) -> AcquireContext {
        let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
        let events = Arc::clone(&self.events);
        acquire.observer =
            Observer::new(move |event| events.lock().unwrap().push(event.kind().clone()));
        acquire
    }

    /// A client whose transport follows the script, and fails the test beyond the script's end.
    fn client(&self, steps: impl IntoIterator<Item = Step>) -> ClientCredentialsBuilder {
        let steps: VecDeque<Step> = steps.into_iter().collect();
        let (steps, log) = (Arc::new(Mutex::new(steps)), self.clone());
        let transport = service_fn(move |request: TokenRequest| {
            let (steps, log) = (Arc::clone(&steps), log.clone());
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                let body = String::from_utf8(body.to_vec()).unwrap();
                log.requests.lock().unwrap().push((log.start.elapsed(), body));
                let step = steps.lock().unwrap().pop_front().expect("a request too many");
                match step {
                    Step::Answer(answer) => Ok::<_, BoxError>(answer),
                    Step::Fail => Err("connection refused".into()),
                    Step::Hang => pending().await,
                }
            }
        });
        ClientCredentials::builder("https://idp.example.com/token")
            .client_secret_post("id", "pw")
            .transport(transport)
    }
}

const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn transient_failures_are_retried_with_full_jitter() {
    let log = Log::new();
    let source = log.client([status(502), Step::Fail, good()]).build().unwrap();
    let token = source.acquire(log.acquire()).await.unwrap();
    assert_eq!(token.secret(), "abc");
    let times = log.times();
    // tokio's timer has a resolution of a millisecond.
    assert!(times[1] <= 101 * MS && times[2] - times[1] <= 201 * MS, "{times:?}");
    let events = log.events.lock().unwrap();
    let retries: Vec<_> = events
        .iter()
        .map(|event| match event {
            EventKind::AttemptFailed { attempt, error, .. } => (*attempt, error.code()),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(retries, [(1, "server_error"), (2, "transport")]);
}

/// Clients that failed together do not retry together.
#[tokio::test(start_paused = true)]
async fn the_first_delay_is_drawn_for_each_retry_between_zero_and_the_base() {
    let log = Log::new();
    let steps = (0..30).flat_map(|_| [status(502), good()]);
    let source = log.client(steps).retry_base(10 * S).build().unwrap();
    for _ in 0..30 {
        source.acquire(log.acquire()).await.unwrap();
    }
    let events = log.events.lock().unwrap();
    let delay = |event: &EventKind| match event {
        EventKind::AttemptFailed { delay, .. } => *delay,
        other => panic!("{other:?}"),
    };
    let delays: BTreeSet<_> = events.iter().map(delay).collect();
    assert!(delays.len() == 30 && delays.last() > Some(&S), "{delays:?}");
    assert!(delays.last() <= Some(&(10 * S)), "{delays:?}");
}

#[tokio::test(start_paused = true)]
async fn the_third_failure_is_the_last() {
    let log = Log::new();
    let source = log.client([status(502), status(503), status(504)]).build().unwrap();
    let error = source.acquire(log.acquire()).await.unwrap_err();
    assert_eq!((error.code(), error.status()), ("server_error", Some(StatusCode::GATEWAY_TIMEOUT)));
    assert_eq!(log.times().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_final_answer_is_not_retried() {
    let log = Log::new();
    let refusal = Step::Answer(answer(401, r#"{"error":"invalid_client"}"#));
    let source = log.client([refusal]).build().unwrap();
    let error = source.acquire(log.acquire()).await.unwrap_err();
    assert_eq!(error.code(), "invalid_client");
    assert_eq!(log.times(), [Duration::ZERO]);
}

#[tokio::test(start_paused = true)]
async fn a_probe_makes_one_attempt() {
    let log = Log::new();
    let source = log.client([status(503)]).build().unwrap();
    let mut acquire = log.acquire();
    acquire.single_attempt = true;
    assert!(source.acquire(acquire).await.unwrap_err().is_retryable());
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_the_least_wait() {
    let log = Log::new();
    let source = log.client([busy("7"), good()]).build().unwrap();
    source.acquire(log.acquire()).await.unwrap();
    let times = log.times();
    assert!((7 * S..=7 * S + MS).contains(&times[1]), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_deadline_ends_the_acquisition_at_once() {
    for (retry_after, deadline) in [("7", Some(7 * S)), ("31", None), ("99999999999999", None)] {
        let log = Log::new();
        let source = log.client([busy(retry_after)]).build().unwrap();
        let mut acquire = log.acquire();
        acquire.deadline = deadline.map(|deadline| log.start + deadline);
        let error = source.acquire(acquire).await.unwrap_err();
        assert_eq!(log.start.elapsed(), Duration::ZERO);
        assert!(error.retry_after() >= Some(7 * S));
        assert!(log.events.lock().unwrap().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_hanging_endpoint_costs_an_attempts_timeout_and_no_more_than_the_deadline() {
    let log = Log::new();
    let source = log.client([Step::Hang, Step::Hang, Step::Hang]).build().unwrap();
    let mut acquire = log.acquire();
    acquire.deadline = Some(log.start + 25 * S);
    let error = source.acquire(acquire).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AcquisitionTimeout);
    assert!(error.is_timeout() && error.is_retryable());
    let times = log.times();
    assert_eq!(times.len(), 3);
    assert!((10 * S..10 * S + 102 * MS).contains(&times[1]), "{times:?}");
    assert!((25 * S..=25 * S + MS).contains(&log.start.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_hangs_is_bounded_too() {
    let log = Log::new();
    let transport = service_fn(|_: TokenRequest| async {
        let start = hanging_body::Hanging(Some(Bytes::from_static(b"{\"access_token\":")));
        Ok::<_, Infallible>(Response::new(start))
    });
    let source = log.client([]).transport(transport).attempts(1).attempt_timeout(3 * S).build();
    let error = source.unwrap().acquire(log.acquire()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AcquisitionTimeout);
    assert!((3 * S..=3 * S + MS).contains(&log.start.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn each_attempt_reads_the_secret_again() {
    let log = Log::new();
    let secrets = Mutex::new(VecDeque::from([Ok("old"), Err("vault is sealed"), Ok("new")]));
    let secret = Secret::from_fn(move || {
        let next = secrets.lock().unwrap().pop_front().unwrap();
        next.map(str::to_owned).map_err(BoxError::from)
    });
    let source =
        log.client([status(500), good()]).client_secret_post("id", secret).build().unwrap();
    source.acquire(log.acquire()).await.unwrap();
    let form = "grant_type=client_credentials&client_id=id&client_secret=";
    assert_eq!(log.bodies(), [format!("{form}old"), format!("{form}new")]);
    let events = log.events.lock().unwrap();
    assert!(matches!(
        events.as_slice(),
        [EventKind::AttemptFailed { .. }, EventKind::AttemptFailed { attempt: 2, error, .. }]
            if error.kind() == ErrorKind::Credentials
    ));
}

#[tokio::test(start_paused = true)]
async fn less_scope_than_asked_for_is_an_event() {
    for (granted, narrowed) in [
        (r#","scope":"b a c""#, false),
        (r#","scope":"a,b""#, false),
        (r#","scope":["b","a"]"#, false),
        (r#","scope":"""#, false),
        ("", false),
        (r#","scope":"a c""#, true),
    ] {
        let body = format!(r#"{{"access_token":"abc"{granted}}}"#);
        let log = Log::new();
        let step = Step::Answer(answer(200, Box::leak(body.into_boxed_str())));
        let source = log.client([step]).scope("a  b").build().unwrap();
        source.acquire(log.acquire()).await.unwrap();
        let events = log.events.lock().unwrap();
        assert_eq!(events.len(), usize::from(narrowed), "{granted}");
        if let Some(event) = events.first() {
            assert!(matches!(event, EventKind::ScopeNarrowed { granted, .. } if granted == "a c"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_echoes_the_secret_does_not_get_it_into_a_log() {
    for body in [
        r#"{"error":"invalid_client","error_description":"bad secret 'hunter2 &' (hunter2%20%26)"}"#,
        r#"{"error":"hunter2 &"}"#,
        r#"{"error":"invalid_scope","error_description":"hunter2 & abcdef","access_token":"abcdef"}"#,
        "<html>hunter2 &</html>",
    ] {
        let log = Log::new();
        let source = log
            .client([Step::Answer(answer(400, body))])
            .client_secret_basic("id", "hunter2 &")
            .build()
            .unwrap();
        let error = source.acquire(log.acquire()).await.unwrap_err();
        let shown = format!("{error} {error:?} {:?}", log.events.lock().unwrap());
        assert!(!shown.contains("hunter2") && !shown.contains("abcdef"), "{shown}");
    }
}

/// Some servers write 0 for a token that does not expire.
#[tokio::test(start_paused = true)]
async fn a_lifetime_that_is_set_replaces_the_servers() {
    for stated in ["0", "-1", "\"never\"", "null", "1000000000", "60"] {
        let body = format!(r#"{{"access_token":"abc","expires_in":{stated}}}"#);
        let step = || Step::Answer(answer(200, Box::leak(body.clone().into_boxed_str())));
        let log = Log::new();
        let source = log.client([step(), step()]).token_lifetime(3600 * S).build().unwrap();
        let cache = TokenCache::new(source);
        for _ in 0..20 {
            cache.get().await.unwrap();
            tokio::time::advance(60 * S).await;
        }
        assert_eq!(log.times().len(), 1, "{stated}");
        assert_eq!(cache.get().await.unwrap().lifetime(), Some(3600 * S), "{stated}");
        tokio::time::advance(2400 * S).await;
        cache.get().await.unwrap();
        assert_eq!(log.times().len(), 2, "{stated}");
    }
    // The age of a response and a cap still count, and the lifetime has no upper limit.
    let mut aged = answer(200, r#"{"access_token":"abc","expires_in":0}"#);
    aged.headers_mut().insert("age", "100".parse().unwrap());
    for (step, lifetime, expected) in
        [(Step::Answer(aged), 3600 * S, 3500 * S), (good(), Duration::MAX, 1800 * S)]
    {
        let log = Log::new();
        let source = log.client([step]).token_lifetime(lifetime).lifetime_cap(3600 * S);
        let source = if lifetime == Duration::MAX { source.lifetime_cap(1800 * S) } else { source };
        let token = source.build().unwrap().acquire(log.acquire()).await.unwrap();
        assert_eq!(token.lifetime(), Some(expected));
    }
    let log = Log::new();
    let source = log.client([good()]).token_lifetime(Duration::MAX).build().unwrap();
    TokenCache::new(source).get().await.unwrap();
}

/// The token may be as old as that, so its lifetime counts from there.
#[tokio::test(start_paused = true)]
async fn a_tokens_life_counts_from_before_its_request_was_sent() {
    let requests = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&requests);
    let transport = service_fn(move |_: TokenRequest| {
        let first = counter.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            if !first {
                pending::<()>().await;
            }
            tokio::time::sleep(9 * S).await;
            let body = r#"{"access_token":"abc","token_type":"Bearer","expires_in":60}"#;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(body))))
        }
    });
    let log = Log::new();
    // The time to read a slow credential does not shorten the token's lifetime.
    let source = log
        .client([])
        .client_assertion_fn(None, || async {
            tokio::time::sleep(S / 2).await;
            Ok("an assertion".to_owned())
        })
        .client_assertion_type("urn:example:opaque")
        .transport(transport)
        .build()
        .unwrap();
    let cache = TokenCache::new(source);
    cache.get().await.unwrap();
    assert_eq!(log.start.elapsed(), 9500 * MS);
    // 60 s from 0.5 s on, minus a leeway of 6 s.
    tokio::time::sleep_until(log.start + 54_499 * MS).await;
    assert!(cache.current().is_some());
    tokio::time::sleep_until(log.start + 54_501 * MS).await;
    assert!(cache.current().is_none());
}

/// A body that never ends.
mod hanging_body {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use bytes::Bytes;
    use http_body::{Body, Frame};

    pub(crate) struct Hanging(pub(crate) Option<Bytes>);

    impl Body for Hanging {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.take() {
                Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
                None => Poll::Pending,
            }
        }
    }
}
