//! Each acquisition has its end, and the gauges show the token that is cached.

use std::sync::{Arc, Mutex};

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower_oauth2_client_credentials::{
    Token, TokenCache, TokenSource,
    source::{AcquireContext, CacheHandle},
};

use super::*;

type Kinds = Arc<Mutex<Vec<&'static str>>>;

fn token(secret: &str, lifetime: Duration) -> Result<Token, Error> {
    Ok(Token::bearer(secret)?.with_lifetime(lifetime))
}

/// A cache with this name, and the kinds of its events.
fn observed(name: &str, source: impl TokenSource) -> (TokenCache, Kinds) {
    let kinds = Kinds::default();
    let log = Arc::clone(&kinds);
    let builder = TokenCache::builder(source).name(name);
    let observer = move |event: &tower_oauth2_client_credentials::Event| {
        log.lock().unwrap().push(event.kind().as_str());
    };
    (builder.observer(observer).build(), kinds)
}

fn metric(scrape: &PrometheusHandle, name: &str, labels: &str) -> f64 {
    let (text, series) = (scrape.render(), format!("oauth_client_{name}{{{labels}}} "));
    let value = text.lines().find_map(|line| line.strip_prefix(&*series));
    value.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

fn successes(scrape: &PrometheusHandle, client: &str, reason: &str) -> f64 {
    let labels = format!("client=\"{client}\",outcome=\"success\",reason=\"{reason}\"");
    metric(scrape, "token_requests_total", &labels)
}

/// A source whose acquisition takes 2 s, and which can offer tokens.
struct Offering(Arc<Mutex<Option<CacheHandle>>>);

impl TokenSource for Offering {
    async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
        let requested = tokio::time::Instant::now();
        tokio::time::sleep(2 * S).await;
        Ok(token("late", 60 * S)?.with_issued_at(requested))
    }

    fn attach(&self, cache: CacheHandle) {
        *self.0.lock().unwrap() = Some(cache);
    }
}

#[tokio::test(start_paused = true)]
async fn the_gauges_keep_an_offered_token_that_is_better_than_the_acquired_one() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let handle = Arc::new(Mutex::new(None));
    let (tokens, kinds) = observed("offered", Offering(Arc::clone(&handle)));
    let waiting = tokio::spawn(tokens.get());
    tokio::time::sleep(S).await;
    assert!(handle.lock().unwrap().as_ref().unwrap().offer(token("offered", HOUR).unwrap()));
    waiting.await.unwrap().unwrap();
    tokio::time::sleep(2 * S).await;
    assert_eq!(tokens.peek().unwrap().secret(), "offered");
    assert_eq!(metric(&scrape, "token_lifetime_seconds", "client=\"offered\""), 3600.0);
    assert_eq!(successes(&scrape, "offered", "missing"), 1.0);
    let kinds = kinds.lock().unwrap();
    let expected = ["acquisition_started", "offered", "readiness_changed", "waited", "discarded"];
    assert_eq!(*kinds, expected);
}

#[tokio::test(start_paused = true)]
async fn the_gauges_keep_the_token_that_is_better_than_an_expired_one() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let answers = Mutex::new(vec![("dead", Duration::ZERO), ("good", HOUR)]);
    let (tokens, kinds) = observed("better", move |_: AcquireContext| {
        let (secret, lifetime) = answers.lock().unwrap().pop().unwrap();
        std::future::ready(token(secret, lifetime))
    });
    tokens.get().await.unwrap();
    assert_eq!(tokens.force_refresh().await.unwrap().secret(), "dead");
    settle().await;
    assert_eq!(tokens.peek().unwrap().secret(), "good");
    assert_eq!(metric(&scrape, "token_lifetime_seconds", "client=\"better\""), 3600.0);
    assert_eq!(successes(&scrape, "better", "forced"), 1.0);
    assert!(kinds.lock().unwrap().contains(&"discarded"));
}

#[tokio::test(start_paused = true)]
async fn an_acquisition_that_was_cleared_has_an_end() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let (tokens, kinds) = observed("cleared", |_: AcquireContext| async {
        tokio::time::sleep(2 * S).await;
        token("abc", HOUR)
    });
    let waiting = tokio::spawn(tokens.get());
    tokio::time::sleep(S).await;
    tokens.clear();
    waiting.await.unwrap().unwrap();
    settle().await;
    let kinds = kinds.lock().unwrap();
    let ends: Vec<_> =
        kinds.iter().filter(|it| !["waited", "readiness_changed"].contains(it)).collect();
    assert_eq!(ends, [&"acquisition_started", &"discarded", &"acquisition_started", &"acquired"]);
    assert_eq!(successes(&scrape, "cleared", "missing"), 2.0);
}

/// The event of a rejection comes before those of the acquisition that it causes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_come_in_order_on_several_threads() {
    for _ in 0..200 {
        let numbers = std::sync::atomic::AtomicUsize::new(0);
        let (tokens, kinds) = observed("ordered", move |_: AcquireContext| {
            let number = numbers.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            std::future::ready(token(&format!("token-{number}"), HOUR))
        });
        let rejected = tokens.get().await.unwrap();
        tokens.replacement(&rejected).await.unwrap();
        // The last owner reports the end, so all events are there.
        drop(tokens);
        while kinds.lock().unwrap().last() != Some(&"closed") {
            tokio::task::yield_now().await;
        }
        // The first acquisition may be reported late: its waiters are woken first.
        let kinds = kinds.lock().unwrap();
        let last = |kind| kinds.iter().rposition(|it| *it == kind).unwrap();
        let order = ["rejected", "acquisition_started", "acquired"].map(last);
        assert!(order.is_sorted(), "{kinds:?}");
    }
}

/// An observer of the end of an acquisition delays none of its waiters.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_does_not_wait_for_the_observer() {
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let source = |_: AcquireContext| std::future::ready(token("abc", HOUR));
    let tokens = TokenCache::builder(source).name("blocked").observer(move |event| {
        if event.kind().as_str() == "acquired" {
            blocked.lock().unwrap().recv().unwrap();
        }
    });
    let tokens = tokens.build();
    let waited = tokio::time::timeout(10 * S, tokens.get()).await;
    release.send(()).unwrap();
    assert_eq!(waited.unwrap().unwrap().secret(), "abc");
}

#[tokio::test(start_paused = true)]
async fn a_cooldown_that_was_ended_by_hand_is_left_and_entered_again() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let source = |_: AcquireContext| std::future::ready(Err::<Token, _>(refused()));
    let (tokens, kinds) = observed("cooling", source);
    let end = || metric(&scrape, "cooldown_end_timestamp_seconds", "client=\"cooling\"");
    for _ in 0..2 {
        tokens.get().await.unwrap_err();
        settle().await;
        assert!(end() > 0.0);
        assert!(tokens.end_cooldown());
        assert_eq!(end(), 0.0);
        tokio::time::sleep(2 * S).await;
    }
    let kinds = kinds.lock().unwrap();
    let cooldowns: Vec<_> = kinds.iter().filter(|it| it.starts_with("cooldown")).collect();
    let once = [&"cooldown_entered", &"cooldown_left"];
    assert_eq!(cooldowns, [once, once].concat());
}

/// The acquisition for a rejection failed. After the cooldown a request starts another one.
#[tokio::test(start_paused = true)]
async fn the_retry_for_a_rejection_is_no_refresh() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), ::metrics::set_default_local_recorder(&recorder));
    let answers =
        [token("second", HOUR), Err(Error::new(ErrorKind::Transport)), token("first", HOUR)];
    let answers = Mutex::new(Vec::from(answers));
    let (tokens, kinds) = observed("retried", move |_: AcquireContext| {
        std::future::ready(answers.lock().unwrap().pop().unwrap())
    });
    let rejected = tokens.get().await.unwrap();
    tokens.invalidate(&rejected);
    tokio::time::sleep(3 * S).await;
    tokens.get().await.unwrap();
    settle().await;
    assert_eq!(tokens.peek().unwrap().secret(), "second");
    assert_eq!(successes(&scrape, "retried", "rejected"), 1.0);
    assert!(!kinds.lock().unwrap().contains(&"refreshed"));
}
