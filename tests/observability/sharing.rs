//! A store of shared tokens: its state in events and log lines, and its metrics.

use std::{
    future::ready,
    sync::{Arc, Mutex},
};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tower_oauth2_client_credentials::{
    Event, Token, TokenCache, TokenSource,
    event::{EventKind, ResultOrigin},
    source::{AcquireContext, Sharing},
    store::{MemoryFault, MemoryStore, SealingKey, Shared},
    testing::MockResponse,
};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn key(number: u8) -> SealingKey {
    let mut bytes = *b"not a real key, just an example.";
    bytes[0] = number;
    SealingKey::from_bytes(bytes).unwrap()
}

pub(crate) fn shared(
    idp: &AuthorizationServer,
    store: &MemoryStore,
    sealed_with: u8,
) -> Shared<impl TokenSource> {
    let builder = Shared::builder(source(idp).build().unwrap(), store.clone());
    builder.sealed_with([key(sealed_with)]).build().unwrap()
}

/// A process of the fleet, and what its observer saw: the client, and the kind.
pub(crate) struct Process {
    pub(crate) tokens: TokenCache,
    seen: Arc<Mutex<Vec<(String, EventKind)>>>,
}

impl Process {
    pub(crate) fn new(source: impl TokenSource, name: &str) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let observer = move |event: &Event| {
            log.lock().unwrap().push((event.client().to_owned(), event.kind().clone()));
        };
        Self { tokens: TokenCache::builder(source).name(name).observer(observer).build(), seen }
    }

    /// The events since the last call, without operations of the store.
    pub(crate) fn seen(&self) -> Vec<EventKind> {
        let name = self.tokens.name().to_owned();
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        assert!(seen.iter().all(|(client, _)| *client == name), "{seen:?}");
        let kinds = seen.into_iter().map(|(_, kind)| kind);
        kinds.filter(|kind| !matches!(kind, EventKind::StoreUsed { .. })).collect()
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.seen().iter().map(EventKind::as_str).collect()
    }
}

pub(crate) fn recorder() -> (PrometheusRecorder, PrometheusHandle) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    (recorder, handle)
}

/// The sum of the time series of a metric of a client whose labels contain all of these.
pub(crate) fn sum(scrape: &PrometheusHandle, metric: &str, labels: &[&str]) -> f64 {
    let text = scrape.render();
    let lines = text.lines().filter(|line| line.starts_with(&format!("oauth_client_{metric}{{")));
    let matching = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    matching.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

/// Records each metric of a store.
pub(crate) async fn use_store(idp: &AuthorizationServer) {
    let store = MemoryStore::new();
    let processes = ["one", "two"].map(|name| Process::new(shared(idp, &store, 1), name));
    for process in &processes {
        process.tokens.get().await.unwrap();
    }
    store.set_fault(MemoryFault::Down);
    processes[0].tokens.clear();
    processes[0].tokens.get().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_and_comes_back_is_visible() {
    let (recorder, scrape) = recorder();
    let _metrics = ::metrics::set_default_local_recorder(&recorder);
    let (log, _log) = logged(tracing::Level::INFO);
    let (idp, store) = (server(), MemoryStore::new());
    let process = Process::new(shared(&idp, &store, 1), "one");
    let without = || sum(&scrape, "caches_without_store", &["client=\"one\""]);

    store.set_fault(MemoryFault::Down);
    for _ in 0..3 {
        process.tokens.clear();
        process.tokens.get().await.unwrap();
    }
    let kinds = process.seen();
    let stopped: Vec<_> =
        kinds.iter().filter(|kind| matches!(kind, EventKind::SharingStopped { .. })).collect();
    let [EventKind::SharingStopped { error, .. }] = stopped[..] else { panic!("{kinds:?}") };
    assert_eq!(error.to_string(), "source: the store of shared tokens failed");
    let text = log.take();
    let line = text.lines().find(|line| line.contains("token store")).unwrap();
    for part in
        ["WARN", "tokens are not shared until it works", "client=\"one\"", "connection refused"]
    {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(text.matches("token store").count(), 1, "{text}");
    assert_eq!(without(), 1.0);
    let operations = |outcome: &str, operation: &str| {
        let labels = [
            "client=\"one\"",
            &format!("outcome=\"{outcome}\""),
            &format!("operation=\"{operation}\""),
        ];
        sum(&scrape, "store_operations_total", &labels)
    };
    assert_eq!((operations("failure", "lease"), operations("failure", "read")), (3.0, 3.0));
    store.set_fault(MemoryFault::Hanging);
    process.tokens.clear();
    process.tokens.get().await.unwrap();
    assert_eq!(operations("timeout", "lease"), 1.0);
    let durations = "store_operation_duration_seconds_sum";
    assert_eq!(sum(&scrape, durations, &["client=\"one\"", "operation=\"lease\""]), 0.25);

    store.set_fault(MemoryFault::None);
    process.seen();
    process.tokens.clear();
    process.tokens.get().await.unwrap();
    let names = process.names();
    assert_eq!(names.iter().filter(|name| **name == "sharing_resumed").count(), 1, "{names:?}");
    let text = log.take();
    assert!(text.contains("INFO") && text.contains("tokens are shared again"), "{text}");
    assert_eq!(without(), 0.0);
    settle().await;
    for operation in ["lease", "write", "release"] {
        assert_eq!(operations("success", operation), 1.0, "{operation}");
    }

    // A cache that is dropped without its store does not count.
    store.set_fault(MemoryFault::Down);
    process.tokens.clear();
    process.tokens.get().await.unwrap();
    assert_eq!(without(), 1.0);
    drop(process);
    assert_eq!(without(), 0.0);
}

/// Each way that a store can fail says what to do.
#[tokio::test(start_paused = true)]
async fn the_error_says_how_the_store_failed() {
    for (fault, text) in [
        (
            MemoryFault::Hanging,
            "did not answer within 250ms; check its load, or raise store_timeout",
        ),
        (MemoryFault::Full, "out of memory"),
    ] {
        let (idp, store) = (server(), MemoryStore::new());
        let process = Process::new(shared(&idp, &store, 1), "failing");
        store.set_fault(fault);
        process.tokens.get().await.unwrap();
        let kinds = process.seen();
        let error = kinds.iter().find_map(|kind| match kind {
            EventKind::SharingStopped { error, .. } => Some(format!("{error:?}")),
            _ => None,
        });
        assert!(error.as_ref().is_some_and(|error| error.contains(text)), "{error:?}");
    }
}

/// Two fleets with one name and different keys.
#[tokio::test(start_paused = true)]
async fn an_entry_of_another_key_is_one_warning_that_says_what_to_do() {
    let (log, _log) = logged(tracing::Level::INFO);
    let (idp, store) = (server(), MemoryStore::new());
    let other = Process::new(shared(&idp, &store, 2), "other");
    other.tokens.get().await.unwrap();
    let process = Process::new(shared(&idp, &store, 1), "mine");
    for _ in 0..3 {
        process.tokens.clear();
        process.tokens.get().await.unwrap();
    }
    let kinds = process.seen();
    let found: Vec<_> = kinds
        .iter()
        .filter_map(|kind| match kind {
            EventKind::EntryNotUsed { entry, error, .. } => {
                Some((entry.clone(), error.to_string()))
            }
            _ => None,
        })
        .collect();
    let [(entry, error)] = &found[..] else { panic!("{kinds:?}") };
    assert_eq!(*entry, store.entry_ids()[0].to_string());
    assert!(error.ends_with("sealed by another key: set a namespace"), "{error}");
    let text = log.take();
    assert_eq!(text.matches("WARN").count(), 1, "{text}");
    assert!(text.contains("client=\"mine\"") && text.contains(entry), "{text}");
    assert!(other.names().iter().all(|name| *name != "entry_not_used"));
}

/// Tokens and failures of other processes are no token requests.
#[tokio::test(start_paused = true)]
async fn only_token_requests_count_as_such() {
    let (recorder, scrape) = recorder();
    let _metrics = ::metrics::set_default_local_recorder(&recorder);
    let (idp, store) = (server(), MemoryStore::new());
    let processes: Vec<_> =
        (0..10).map(|n| Process::new(shared(&idp, &store, 1), &format!("p{n}"))).collect();
    let origins = || -> Vec<_> {
        let seen: Vec<_> = processes.iter().flat_map(Process::seen).collect();
        let origin = |kind: &EventKind| match kind {
            EventKind::Acquired { from, .. }
            | EventKind::Refreshed { from, .. }
            | EventKind::Offered { from, .. }
            | EventKind::AcquisitionFailed { from, .. } => Some((kind.as_str(), *from)),
            _ => None,
        };
        seen.iter().filter_map(origin).collect()
    };
    let count = |of: &[(&str, ResultOrigin)], from| of.iter().filter(|it| it.1 == from).count();
    let requests = || sum(&scrape, "token_requests_total", &[]);
    let acquisitions = || sum(&scrape, "acquisition_duration_seconds_count", &[]);
    let taken = || sum(&scrape, "shared_tokens_total", &[]);

    let all = async || {
        let gets: Vec<_> = processes.iter().map(|it| tokio::spawn(it.tokens.get())).collect();
        let mut failed = 0;
        for get in gets {
            failed += usize::from(get.await.unwrap().is_err());
        }
        settle().await;
        failed
    };
    assert_eq!(all().await, 0);
    let seen = origins();
    assert_eq!(count(&seen, ResultOrigin::Source), 1, "{seen:?}");
    assert!(count(&seen, ResultOrigin::Store) >= 9, "{seen:?}");
    assert_eq!((requests(), acquisitions(), idp.token_requests()), (1.0, 1.0, 1));
    assert!(taken() >= 9.0, "{}", taken());

    // The next token is announced.
    let before = sum(&scrape, "shared_tokens_total", &["way=\"announcement\""]);
    processes[0].tokens.force_refresh().await.unwrap();
    settle().await;
    assert_eq!(idp.token_requests(), 2);
    let announced = sum(&scrape, "shared_tokens_total", &["way=\"announcement\""]) - before;
    assert_eq!((requests(), announced), (2.0, 9.0));

    // A failure of the authorization server. One process asked, with three attempts.
    origins();
    idp.always(MockResponse::OAuthError { status: 401, code: "invalid_client" });
    processes.iter().for_each(|it| it.tokens.clear());
    assert_eq!(all().await, 10);
    let seen = origins();
    assert_eq!(count(&seen, ResultOrigin::Source), 1, "{seen:?}");
    assert_eq!(count(&seen, ResultOrigin::Store), 9, "{seen:?}");
    assert_eq!(requests(), idp.token_requests() as f64);
    assert_eq!(sum(&scrape, "token_requests_total", &["invalid_client"]), 1.0);
}

/// The store is down when the refresh of the shared token is due: this process refreshes later.
#[tokio::test(start_paused = true)]
async fn a_postponed_refresh_is_no_token_request() {
    let (recorder, scrape) = recorder();
    let _metrics = ::metrics::set_default_local_recorder(&recorder);
    let (idp, store) = (server(), MemoryStore::new());
    let process = Process::new(shared(&idp, &store, 1), "late");
    process.tokens.get().await.unwrap();
    process.seen();
    store.set_fault(MemoryFault::Down);
    let mut names = Vec::new();
    while !names.contains(&"kept") {
        tokio::time::sleep(10 * S).await;
        process.tokens.current();
        settle().await;
        names.extend(process.names());
    }
    assert!(!names.contains(&"refreshed") && !names.contains(&"acquired"), "{names:?}");
    assert_eq!((sum(&scrape, "token_requests_total", &[]), idp.token_requests()), (1.0, 1));
    while idp.token_requests() == 1 {
        tokio::time::sleep(10 * S).await;
        process.tokens.current();
        settle().await;
    }
    assert!(process.names().contains(&"refreshed"));
    assert_eq!(sum(&scrape, "token_requests_total", &[]), 2.0);
}

/// A host whose clock is ahead by an hour.
#[tokio::test(start_paused = true)]
async fn a_token_from_the_future_is_one_warning() {
    #[derive(Clone)]
    struct Constant;

    impl TokenSource for Constant {
        fn acquire(&self, _: AcquireContext) -> impl Future<Output = Result<Token, Error>> + Send {
            ready(Token::bearer("abc").map(|token| token.with_lifetime(HOUR)))
        }

        fn sharing(&self) -> Sharing {
            Sharing::new().with("client_id", "constant")
        }
    }

    let (log, _log) = logged(tracing::Level::INFO);
    let store = MemoryStore::new();
    let shared = |ahead: Duration| {
        let builder = Shared::builder(Constant, store.clone()).sealed_with([key(1)]);
        builder.wall_clock(move || std::time::SystemTime::now() + ahead).build().unwrap()
    };
    let ahead = Process::new(shared(HOUR), "ahead");
    ahead.tokens.get().await.unwrap();
    let process = Process::new(shared(Duration::ZERO), "on-time");
    process.tokens.get().await.unwrap();
    let kinds = process.seen();
    let by: Vec<_> = kinds
        .iter()
        .filter_map(|kind| match kind {
            EventKind::SharedTokenFromFuture { by, .. } => Some(*by),
            _ => None,
        })
        .collect();
    assert!(by.len() == 1 && by[0] > 59 * MINUTE && by[0] <= HOUR, "{kinds:?}");
    let text = log.take();
    assert_eq!(text.matches("synchronize the hosts' clocks").count(), 1, "{text}");
    assert!(text.contains("client=\"on-time\""), "{text}");
}

/// `oauth_client_last_failure_permanent` is about the last token request, whether its token is cached or
/// not. A token that is kept was not requested.
#[tokio::test(start_paused = true)]
async fn an_acquisition_whose_token_is_not_cached_ends_the_alert_about_credentials() {
    let (recorder, scrape) = recorder();
    let _metrics = ::metrics::set_default_local_recorder(&recorder);
    let (idp, store) = (server(), MemoryStore::new());
    let process = Process::new(shared(&idp, &store, 1), "alert");
    let is_permanent = || sum(&scrape, "last_failure_permanent", &[]);
    let refused = MockResponse::OAuthError { status: 401, code: "invalid_client" };

    idp.always(refused.clone());
    process.tokens.get().await.unwrap_err();
    assert_eq!(is_permanent(), 1.0);
    idp.always(MockResponse::Issue.after(2 * S));
    assert!(process.tokens.end_cooldown());
    let getting = tokio::spawn(process.tokens.get());
    tokio::time::sleep(S).await;
    getting.abort();
    process.tokens.clear();
    tokio::time::sleep(2 * S).await;
    assert!(process.names().contains(&"discarded"));
    assert_eq!(is_permanent(), 0.0);

    process.tokens.get().await.unwrap();
    idp.always(refused);
    while is_permanent() == 0.0 {
        tokio::time::sleep(10 * S).await;
        process.tokens.current();
        settle().await;
    }
    store.set_fault(MemoryFault::Down);
    process.names();
    while !process.names().contains(&"kept") {
        tokio::time::sleep(10 * S).await;
        process.tokens.current();
        settle().await;
    }
    assert_eq!(is_permanent(), 1.0, "nothing new is known about the credentials");
}
