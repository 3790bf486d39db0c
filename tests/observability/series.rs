//! Time series when caches share a name, are made twice, or have a recorder that misbehaves.

use std::sync::{
    Arc, Barrier, Mutex, OnceLock,
    atomic::{AtomicUsize, Ordering::SeqCst},
    mpsc,
};

use ::metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower_oauth2_client_credentials::{
    KeyedTokenCache, Token, TokenCache,
    cache::{KeyedTokenCacheBuilder, Readiness},
    source::AcquireContext,
};

use super::*;

fn token() -> Result<Token, Error> {
    Ok(Token::bearer("abc")?.with_lifetime(HOUR))
}

fn single(name: &str) -> TokenCache {
    TokenCache::builder(|_: AcquireContext| std::future::ready(token())).name(name).build()
}

fn keyed<K>(name: &str) -> KeyedTokenCacheBuilder<K>
where
    K: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
{
    KeyedTokenCache::builder(|_: &K| Ok(|_: AcquireContext| std::future::ready(token()))).name(name)
}

fn gauge(scrape: &PrometheusHandle, name: &str, labels: &str) -> Option<f64> {
    let (text, series) = (scrape.render(), format!("oauth_client_{name}{{{labels}}} "));
    text.lines().find_map(|line| line.strip_prefix(&*series)).map(|value| value.parse().unwrap())
}

fn ready(scrape: &PrometheusHandle, client: &str) -> Option<f64> {
    gauge(scrape, "caches", &format!("client=\"{client}\",readiness=\"ready\""))
}

fn lifetime(scrape: &PrometheusHandle, client: &str) -> Option<f64> {
    gauge(scrape, "token_lifetime_seconds", &format!("client=\"{client}\""))
}

/// Two threads first use a key together. One of the caches is dropped unused.
#[test]
fn a_cache_that_lost_a_race_reports_nothing() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let (log, slow) = (Arc::clone(&events), Arc::new(Barrier::new(2)));
    let (made, at_slow) = (AtomicUsize::new(0), Arc::clone(&slow));
    let recorder = PrometheusBuilder::new().build_recorder();
    let scrape = recorder.handle();
    let tokens = ::metrics::with_local_recorder(&recorder, || {
        let tokens = keyed::<u32>("race").name_keys(|key| format!("t{key}")).metrics_by_key(10);
        tokens.configure(move |_, cache| {
            if made.fetch_add(1, SeqCst) == 0 {
                at_slow.wait();
                at_slow.wait();
            }
            let log = Arc::clone(&log);
            cache.observer(move |event| log.lock().unwrap().push(event.kind().as_str()))
        })
    });
    let tokens = ::metrics::with_local_recorder(&recorder, || tokens.build());
    std::thread::scope(|scope| {
        let loser = scope
            .spawn(|| ::metrics::with_local_recorder(&recorder, || tokens.cache(&1).readiness()));
        slow.wait();
        let _guard = set_default_local_recorder(&recorder);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokens.get(&1).await.unwrap() });
        slow.wait();
        assert_eq!(loser.join().unwrap(), Readiness::Ready, "both use the same cache");
        runtime.block_on(settle());
    });
    assert_eq!(ready(&scrape, "race[t1]"), Some(1.0));
    assert_eq!(lifetime(&scrape, "race[t1]"), Some(3600.0));
    let events = events.lock().unwrap();
    assert!(events.contains(&"acquired") && !events.contains(&"closed"), "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_s_cache_keeps_the_name_of_its_keyed_cache() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), set_default_local_recorder(&recorder));
    let old = keyed::<u32>("reload").build();
    let kept = old.cache(&1);
    kept.get().await.unwrap();
    drop(old);
    let new = keyed::<u32>("reload").build();
    assert_eq!(new.name(), "reload#2");
    for key in 0..5 {
        new.get(&key).await.unwrap();
    }
    assert_eq!((ready(&scrape, "reload"), ready(&scrape, "reload#2")), (Some(1.0), Some(5.0)));
    drop(kept);
    assert_eq!((ready(&scrape, "reload"), ready(&scrape, "reload#2")), (Some(0.0), Some(5.0)));
    assert_eq!(keyed::<u32>("reload").build().name(), "reload");
}

#[tokio::test(start_paused = true)]
async fn a_chosen_name_and_a_numbered_one_differ() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), set_default_local_recorder(&recorder));
    let [chosen, _first, second] = ["col#2", "col", "col"].map(single);
    assert_eq!((chosen.name(), second.name()), ("col#2", "col#3"));
    chosen.get().await.unwrap();
    drop(second);
    assert_eq!(ready(&scrape, "col#2"), Some(1.0));
    assert_eq!(lifetime(&scrape, "col#2"), Some(3600.0));
}

/// Their names are cut at the same place. The second one has the label of all keys.
#[tokio::test(start_paused = true)]
async fn two_keys_with_one_name_have_no_common_gauges() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), set_default_local_recorder(&recorder));
    let tokens = keyed::<String>("long").name_keys(Clone::clone).metrics_by_key(10).build();
    let [one, other] = ["a", "b"].map(|end| format!("{}{end}", "x".repeat(250)));
    tokens.get(&one).await.unwrap();
    tokens.get(&other).await.unwrap();
    let label = tokens.cache(&one).name().to_owned();
    assert_eq!(tokens.cache(&other).name(), label);
    assert_eq!((ready(&scrape, &label), ready(&scrape, "long")), (Some(1.0), Some(1.0)));
    tokens.remove(&other);
    assert_eq!((ready(&scrape, &label), ready(&scrape, "long")), (Some(1.0), Some(0.0)));
    assert_eq!(lifetime(&scrape, &label), Some(3600.0));
    // A later cache of the key has the label of its predecessor.
    tokens.remove(&one);
    assert_eq!((ready(&scrape, &label), lifetime(&scrape, &label)), (Some(0.0), Some(0.0)));
    tokens.get(&one).await.unwrap();
    assert_eq!((ready(&scrape, &label), lifetime(&scrape, &label)), (Some(1.0), Some(3600.0)));
}

/// The label of a key's metrics is the name of its cache, chosen by the user or not.
#[tokio::test(start_paused = true)]
async fn a_name_from_configure_is_the_label() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), set_default_local_recorder(&recorder));
    let tokens = keyed::<u32>("all-tenants").metrics_by_key(10);
    let tokens = tokens.configure(|key, cache| cache.name(format!("tenant-{key}"))).build();
    tokens.get(&7).await.unwrap();
    assert_eq!(ready(&scrape, tokens.cache(&7).name()), Some(1.0));
    assert_eq!(ready(&scrape, "tenant-7"), Some(1.0));
}

/// Calls a closure for each use of a metric.
struct Calling(Box<dyn Fn(&Key) + Send + Sync>);

impl Recorder for Calling {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.0(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.0(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        self.0(key);
        Histogram::noop()
    }
}

/// On a separate thread, so that a deadlock fails the test.
#[test]
fn a_recorder_may_use_the_cache() {
    let (sender, done) = mpsc::channel();
    std::thread::spawn(move || {
        let slot = Arc::new(OnceLock::<TokenCache>::new());
        let (at_gauge, calls) = (Arc::clone(&slot), AtomicUsize::new(0));
        let recorder = Calling(Box::new(move |key| {
            // Only while the first token is reported: the next one stays.
            let tokens = at_gauge.get().filter(|_| key.name() == "oauth_client_caches");
            if let Some(tokens) = tokens.filter(|_| calls.fetch_add(1, SeqCst) == 0) {
                tokens.clear();
            }
        }));
        let _guard = set_default_local_recorder(&recorder);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let tokens = single("reentrant");
            slot.set(tokens.clone()).unwrap();
            tokens.get().await.unwrap();
            sender.send(()).unwrap();
        });
    });
    assert_eq!(done.recv_timeout(10 * S), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_recorder_that_panics_fails_no_cache() {
    let (log, _log_guard) = logged(tracing::Level::ERROR);
    let recorder = Calling(Box::new(|_| panic!("of the recorder")));
    let _guard = set_default_local_recorder(&recorder);
    let tokens = single("panicking");
    assert_eq!(tokens.get().await.unwrap().secret(), "abc");
    let keys = keyed::<u32>("panicking-keys").name_keys(u32::to_string).metrics_by_key(1).build();
    assert_eq!(keys.get(&1).await.unwrap().secret(), "abc");
    assert!(log.read().contains("client=\"panicking\""), "{}", log.read());
}

#[tokio::test(start_paused = true)]
async fn many_clients_of_one_name_share_a_label() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let (scrape, _guard) = (recorder.handle(), set_default_local_recorder(&recorder));
    let clients: Vec<_> = (0..100).map(|_| single("crowd")).collect();
    for client in &clients {
        client.get().await.unwrap();
    }
    assert_eq!(clients[99].name(), "crowd#100");
    assert_eq!((ready(&scrape, "crowd#64"), ready(&scrape, "crowd#65+")), (Some(1.0), Some(36.0)));
    assert_eq!((ready(&scrape, "crowd#65"), lifetime(&scrape, "crowd#65+")), (None, None));
    drop(clients);
    assert_eq!(ready(&scrape, "crowd#65+"), Some(0.0));
}
