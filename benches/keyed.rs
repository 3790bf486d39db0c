//! A keyed cache of 10,000 keys: the cost of a lookup on one thread and on two, compared with a
//! plain map behind a lock, and the memory per key.
//!
//! `cargo bench --bench keyed` first prints medians of interleaved rounds.

mod support;

use std::{
    collections::HashMap,
    future::Future,
    hint::black_box,
    pin::pin,
    sync::{Arc, Mutex, atomic::AtomicUsize},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use criterion::Criterion;
use http::{Request, Response};
use support::{Body, Build, Inner, Lean, meet, never, one};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, KeyedTokenCache, OAuthClientCredentialsLayer, Token, replay::NoReplay,
    source::AcquireContext,
};

const KEYS: usize = 10_000;
const ROUNDS: usize = 101;
/// Long compared with the start of two threads, short compared with a time slice.
const LOOKUPS: usize = 10_000;

type Key = Arc<str>;
type Lookup = Box<dyn Fn(&Key) + Send + Sync>;

/// The sequence of keys: always the same one, or all of them in a mixed order.
#[derive(Clone, Copy)]
enum Spread {
    One,
    All,
}

const SETTINGS: [(&str, Spread, usize); 4] = [
    ("one key, 1 thread", Spread::One, 1),
    ("one key, 2 threads", Spread::One, 2),
    ("all keys, 1 thread", Spread::All, 1),
    ("all keys, 2 threads", Spread::All, 2),
];

fn keys() -> Vec<Key> {
    (0..KEYS).map(|it| format!("tenant-{it:05}").into()).collect()
}

/// A token of a usual size, unique to its key.
fn token(key: &Key) -> Token {
    let secret = format!("{key:x<800}");
    Token::bearer(secret).expect("a valid token").with_lifetime(Duration::from_secs(3600))
}

/// A cache of tokens, or of failures. A source owns its key only, so that it hardly counts.
fn keyed_cache(good: bool) -> KeyedTokenCache<Key> {
    let source = move |key: &Key| {
        let key = key.clone();
        Ok(move |_: AcquireContext| {
            let failure = || Error::new(ErrorKind::OAuth).with_oauth_code("server_error", None);
            std::future::ready(good.then(|| token(&key)).ok_or_else(failure))
        })
    };
    // Extra capacity, because the shards fill unevenly.
    KeyedTokenCache::builder(source).capacity(KEYS + KEYS / 5).build()
}

fn fill(tokens: &KeyedTokenCache<Key>, keys: &[Key], runtime: &Runtime) {
    runtime.block_on(async {
        for key in keys {
            let _ = tokens.get(key).await;
        }
    });
    assert_eq!(tokens.len(), keys.len());
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// Everything happens on this thread, whose allocations are counted.
fn print_memory(keys: &[Key]) {
    for (name, good) in [("with a token of 800 bytes", true), ("after a failure", false)] {
        let runtime = runtime();
        let mut tokens = None;
        // The text of a key is shared with the caller's list.
        let counted = measure(|| fill(tokens.insert(keyed_cache(good)), keys, &runtime));
        println!("memory a key {name}: {} bytes", counted.bytes_current / KEYS as i64);
    }
    let mut kept = None;
    let counted = measure(|| kept = Some(token(&keys[0])));
    println!("of which the token: {} bytes", counted.bytes_current);
}

/// One request with its key in the extensions, through a clone of the service.
fn call<S>(service: &S, key: &Key)
where
    S: Service<Request<Body>, Response = Response<()>> + Clone,
{
    let mut request = Lean::default().request();
    request.extensions_mut().insert(key.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let mut service = service.clone();
    assert!(service.poll_ready(&mut cx).is_ready());
    match pin!(service.call(request)).poll(&mut cx) {
        Poll::Ready(Ok(response)) => drop(black_box(response)),
        _ => panic!("the answer was not ready"),
    }
}

fn lookups(keys: &[Key]) -> [(&'static str, Lookup); 6] {
    let runtime = runtime();
    let tokens = keyed_cache(true);
    fill(&tokens, keys, &runtime);
    let held = tokens.clone();
    let map: HashMap<_, _> = keys.iter().map(|key| (key.clone(), tokens.cache(key))).collect();
    let map = Mutex::new(map);
    let layer = OAuthClientCredentialsLayer::keyed(tokens.clone(), one(), |request| {
        request.extensions().get::<Key>().cloned()
    });
    let keyed = layer.replay(NoReplay).layer(Inner);
    let single = never(one()).layer(Inner);
    [
        (
            "map behind a lock",
            Box::new(move |key| drop(black_box(map.lock().unwrap()[key].clone()))),
        ),
        ("cache", Box::new(move |key| drop(black_box(held.cache(key))))),
        ("call, no layer", Box::new(|key| call(&Inner, key))),
        ("call, one token", Box::new(move |key| call(&single, key))),
        ("call, token by key", Box::new(move |key| call(&keyed, key))),
        ("current", Box::new(move |key| drop(black_box(tokens.current(key).expect("a token"))))),
    ]
}

/// Duration of the lookups on each thread, all started together.
fn run(lookup: &Lookup, keys: &[Key], spread: Spread, threads: usize, lookups: usize) -> Duration {
    let meetings = AtomicUsize::new(0);
    let worker = |thread: usize| {
        meet(&meetings, threads);
        let start = Instant::now();
        for it in 0..lookups {
            lookup(match spread {
                Spread::One => &keys[17],
                // A stride without a common divisor visits all keys.
                Spread::All => &keys[(it * 7919 + thread * 31) % KEYS],
            });
        }
        (start, Instant::now())
    };
    if threads == 1 {
        let (start, end) = worker(0);
        return end - start;
    }
    let (starts, ends): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let worker = &worker;
        let workers: Vec<_> = (0..threads).map(|it| scope.spawn(move || worker(it))).collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).unzip()
    });
    *ends.iter().max().expect("a thread") - *starts.iter().min().expect("a thread")
}

fn print_medians(lookups: &[(&str, Lookup)], keys: &[Key]) {
    println!("ns a lookup, median of {ROUNDS} interleaved rounds (quartiles)");
    for (name, spread, threads) in SETTINGS {
        println!("{name}");
        let mut rounds = vec![Vec::with_capacity(ROUNDS); lookups.len()];
        for round in 0..ROUNDS {
            // The order rotates, so that no subject always goes first.
            for turn in 0..lookups.len() {
                let index = (round + turn) % lookups.len();
                let took = run(&lookups[index].1, keys, spread, threads, LOOKUPS);
                rounds[index].push(took.as_secs_f64() / LOOKUPS as f64 * 1e9);
            }
        }
        for ((lookup, _), mut took) in lookups.iter().zip(rounds) {
            took.sort_by(f64::total_cmp);
            let [low, mid, high] = [1, 2, 3].map(|quarter| took[took.len() * quarter / 4]);
            println!("  {lookup:<22}{mid:5.0}  ({low:.0} to {high:.0})");
        }
    }
}

fn main() {
    let keys = keys();
    let lookups = lookups(&keys);
    // `cargo test --benches` runs everything once only.
    if std::env::args().any(|arg| arg == "--bench") {
        print_memory(&keys);
        print_medians(&lookups, &keys);
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .sample_size(20)
        .without_plots()
        .configure_from_args();
    for (name, spread, threads) in SETTINGS {
        let mut group = criterion.benchmark_group(name);
        for (lookup, run_it) in &lookups {
            group.bench_function(*lookup, |bencher| {
                bencher.iter_custom(|count| {
                    let count = usize::try_from(count).expect("it fits");
                    run(run_it, &keys, spread, threads, count)
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
