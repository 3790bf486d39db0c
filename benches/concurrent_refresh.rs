//! Many tasks wait for one token. The time is measured from the endpoint's response until the last
//! task has continued, and compared with the same number of tasks that wait for tokio's `Notify`
//! and do the same work.
//!
//! A table comes first, for which the subjects take turns. Then come criterion's measurements.

mod support;

use std::{
    fs,
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

use criterion::{Criterion, SamplingMode};
use support::{Build, Inner, Lean, floor};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Notify,
    time::timeout,
};
use tower::{Layer, ServiceExt};
use tower_oauth2_client_credentials::{
    OAuthClientCredentialsLayer, Origins, Token, TokenCache, replay::NoReplay,
    source::AcquireContext,
};

const WAITERS: [usize; 4] = [1, 100, 10_000, 100_000];
const SUBJECTS: [Subject; 5] =
    [Subject::Notify, Subject::Deadline, Subject::Get, Subject::Floor, Subject::Layer];

/// The deadline of [`TokenCache::get`].
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
enum Subject {
    /// tokio's own cost: `Notify::notified`, without a deadline.
    Notify,
    /// The same with tokio's `timeout`, because no task should wait forever.
    Deadline,
    /// `TokenCache::get`, with its deadline.
    Get,
    /// A request that waits for a `Notify`, then passes a layer with a static header.
    Floor,
    /// A request through the layer, with its deadline.
    Layer,
}

impl Subject {
    fn name(self) -> &'static str {
        match self {
            Self::Notify => "tokio's Notify",
            Self::Deadline => "Notify with a timeout",
            Self::Get => "TokenCache::get",
            Self::Floor => "Notify, then a static header",
            Self::Layer => "the layer",
        }
    }

    /// The subject that does the same work without this crate.
    fn reference(self) -> Option<Self> {
        match self {
            Self::Get => Some(Self::Deadline),
            Self::Layer => Some(Self::Floor),
            Self::Notify | Self::Deadline | Self::Floor => None,
        }
    }
}

/// State that all tasks of one run share.
struct Run {
    /// How many tasks have begun to wait, then how many have continued.
    waiting: AtomicUsize,
    done: AtomicUsize,
    waiters: usize,
    all_done: Notify,
}

impl Run {
    /// Waits, and reports when it begins and when it ends.
    async fn observe(self: Arc<Self>, future: impl Future) {
        let mut future = pin!(future);
        let mut told = false;
        poll_fn(|cx| {
            let poll = future.as_mut().poll(cx).map(drop);
            if !std::mem::replace(&mut told, true) {
                assert!(poll.is_pending(), "it had to wait");
                self.waiting.fetch_add(1, Ordering::Relaxed);
            }
            poll
        })
        .await;
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.waiters {
            self.all_done.notify_one();
        }
    }
}

/// A cold cache, and the trigger for its endpoint's response.
fn cold() -> (TokenCache, Arc<Notify>) {
    let endpoint = Arc::new(Notify::new());
    let answer = Arc::clone(&endpoint);
    let tokens = TokenCache::new(move |_: AcquireContext| {
        let answer = Arc::clone(&answer);
        async move {
            answer.notified().await;
            Ok(Token::bearer("2YotnFZFEjr1zCsicMWpAA")?.with_lifetime(Duration::from_secs(3600)))
        }
    });
    (tokens, endpoint)
}

fn layer(tokens: TokenCache) -> OAuthClientCredentialsLayer<NoReplay> {
    OAuthClientCredentialsLayer::new(tokens, Origins::any()).replay(NoReplay)
}

/// One run: from the endpoint's response until the last waiter has continued.
async fn herd(subject: Subject, waiters: usize) -> Duration {
    let run = Arc::new(Run {
        waiting: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
        waiters,
        all_done: Notify::new(),
    });
    let (tokens, endpoint) = cold();
    let (service, fixed) = (layer(tokens.clone()).layer(Inner), floor().layer(Inner));
    let (builder, notify) = (Lean::default(), Arc::new(Notify::new()));
    for _ in 0..waiters {
        let run = Arc::clone(&run);
        match subject {
            Subject::Notify => {
                let notify = Arc::clone(&notify);
                tokio::spawn(run.observe(async move { notify.notified().await }));
            }
            Subject::Deadline => {
                let notify = Arc::clone(&notify);
                tokio::spawn(run.observe(async move {
                    timeout(DEADLINE, notify.notified()).await.expect("it is woken in time");
                }));
            }
            Subject::Floor => {
                let notify = Arc::clone(&notify);
                let call = fixed.clone().oneshot(builder.request());
                tokio::spawn(run.observe(async move {
                    notify.notified().await;
                    call.await.expect("an answer")
                }));
            }
            Subject::Get => {
                let tokens = tokens.clone();
                tokio::spawn(run.observe(async move { tokens.get().await.expect("a token") }));
            }
            Subject::Layer => {
                let call = service.clone().oneshot(builder.request());
                tokio::spawn(run.observe(async move { call.await.expect("an answer") }));
            }
        }
    }
    while run.waiting.load(Ordering::Relaxed) < waiters {
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    match subject {
        Subject::Notify | Subject::Deadline | Subject::Floor => notify.notify_waiters(),
        Subject::Get | Subject::Layer => endpoint.notify_one(),
    }
    run.all_done.notified().await;
    start.elapsed()
}

fn runtimes() -> [(&'static str, Runtime); 2] {
    let threads = Builder::new_multi_thread().worker_threads(2).enable_time().build();
    let current = Builder::new_current_thread().enable_time().build();
    [("2 threads", threads.expect("a runtime")), ("1 thread", current.expect("a runtime"))]
}

/// In a separate task, so that only the runtime's threads take part.
fn measure(runtime: &Runtime, subject: Subject, waiters: usize) -> Duration {
    runtime.block_on(async { tokio::spawn(herd(subject, waiters)).await.expect("no panic") })
}

fn print_table(runtimes: &[(&str, Runtime)]) {
    println!(
        "from the answer to the last waiter: ns a waiter, and ratios within a round (quartiles)"
    );
    for (name, runtime) in runtimes {
        for waiters in WAITERS {
            let rounds = (600_000 / waiters).clamp(15, 201);
            println!("{name}, {waiters} waiters, {rounds} rounds");
            let mut took = [const { Vec::new() }; SUBJECTS.len()];
            // An uncounted run warms code and memory.
            for round in 0..=rounds {
                for place in 0..SUBJECTS.len() {
                    // The order rotates, so that no subject always follows the same one.
                    let index = (round + place) % SUBJECTS.len();
                    let elapsed = measure(runtime, SUBJECTS[index], waiters);
                    if round > 0 {
                        took[index].push(elapsed.as_secs_f64() * 1e9 / waiters as f64);
                    }
                }
            }
            let ratio = |it: Subject, to: Subject| {
                let pairs = took[it as usize].iter().zip(&took[to as usize]);
                let [lower, median, upper] = quartiles(pairs.map(|(it, to)| it / to));
                format!("{median:.2} ({lower:.2} to {upper:.2}) of {}", to.name())
            };
            for subject in SUBJECTS {
                let [lower, median, upper] = quartiles(took[subject as usize].iter().copied());
                let times = format!("{median:.0} ({lower:.0} to {upper:.0})");
                let bare = ratio(subject, Subject::Notify);
                print!("  {:<28} {times:<22} {bare}", subject.name());
                if let Some(same) = subject.reference() {
                    print!(", {}", ratio(subject, same));
                }
                println!();
            }
        }
    }
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

/// Memory of waiting futures without their tasks: the growth of the process.
fn print_sizes(runtime: &Runtime) {
    const MANY: usize = 100_000;
    let _guard = runtime.enter();
    let mut cx = Context::from_waker(Waker::noop());
    let (tokens, _endpoint) = cold();
    let mut service = layer(tokens.clone()).layer(Inner);
    let builder = Lean::default();
    println!("memory of a waiter, of {MANY}: the future itself, and all that came with it");

    let before = resident();
    let mut waiting: Vec<_> = (0..MANY).map(|_| Box::pin(tokens.get())).collect();
    assert!(waiting.iter_mut().all(|get| get.as_mut().poll(&mut cx).is_pending()));
    let each = (resident() - before) / MANY;
    println!("  TokenCache::get: {} bytes, {each} bytes", size_of_val(&*waiting[0]));
    drop(waiting);

    let (tokens, _endpoint) = cold();
    let mut other = layer(tokens).layer(Inner);
    std::mem::swap(&mut service, &mut other);
    let before = resident();
    let mut waiting: Vec<_> = (0..MANY)
        .map(|_| Box::pin(tower::Service::call(&mut service, builder.request())))
        .collect();
    assert!(waiting.iter_mut().all(|call| call.as_mut().poll(&mut cx).is_pending()));
    let each = resident().saturating_sub(before) / MANY;
    println!("  the layer: {} bytes, {each} bytes with its request", size_of_val(&*waiting[0]));
}

/// Resident memory in bytes; 0 where there is no `/proc`.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.unwrap_or(0_usize) * 1024
}

fn main() {
    let runtimes = runtimes();
    // `cargo test --benches` runs everything once only.
    if std::env::args().any(|arg| arg == "--bench") {
        print_sizes(&runtimes[0].1);
        print_table(&runtimes);
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .sample_size(10)
        .without_plots()
        .configure_from_args();
    for (name, runtime) in &runtimes {
        for waiters in WAITERS {
            let mut group = criterion.benchmark_group(format!("{waiters} waiters, {name}"));
            group.sampling_mode(SamplingMode::Flat);
            for subject in SUBJECTS {
                group.bench_function(subject.name(), |bencher| {
                    bencher.iter_custom(|herds| {
                        (0..herds).map(|_| measure(runtime, subject, waiters)).sum()
                    });
                });
            }
            group.finish();
        }
    }
    criterion.final_summary();
}
