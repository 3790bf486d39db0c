//! The cost of a call with a cached token, compared with two floors: a layer that sets a static header,
//! and the same layer with a value that was read at run time, as each real token is.
//!
//! The ratios to the floors come first. Compare these: slow phases of the machine affect all
//! variants alike, because they take turns in short rounds and each ratio is that of one round. The
//! median of the ratios is printed. Criterion's measurements follow, to track changes.

mod support;

use std::{
    hint::black_box,
    sync::atomic::AtomicUsize,
    thread,
    time::{Duration, Instant},
};

use criterion::Criterion;
use http::{Request, Response};
use support::{
    Body, Build, Check, Inner, Lean, Typical, any, assert_authorizes, call, call_cloned,
    environment_floor, floor, meet, never, one, ours,
};
use tower::{Layer, Service};
use tower_oauth2_client_credentials::clock::{SystemClock, WallClock};

const ROUNDS: usize = 400;
/// Long compared with the start of two threads, short compared with a time slice.
const CALLS_A_ROUND: u64 = 2_000;

#[derive(Clone, Copy)]
enum Way {
    /// One service per thread, held across calls.
    Held,
    /// A clone of the thread's service for each call.
    Cloned,
    /// A clone for each call, from one service that all threads share.
    ClonedOfOne,
}

/// A variant: how requests are built, how the service is used, on how many threads.
const SETTINGS: [(&str, bool, Way, usize); 9] = [
    ("lean request, held, 1 thread", false, Way::Held, 1),
    ("lean request, held, 2 threads", false, Way::Held, 2),
    ("lean request, cloned, 1 thread", false, Way::Cloned, 1),
    ("lean request, cloned, 2 threads", false, Way::Cloned, 2),
    ("lean request, cloned of one, 2 threads", false, Way::ClonedOfOne, 2),
    ("typical request, held, 1 thread", true, Way::Held, 1),
    ("typical request, cloned, 1 thread", true, Way::Cloned, 1),
    ("typical request, held, 2 threads", true, Way::Held, 2),
    ("typical request, cloned of one, 2 threads", true, Way::ClonedOfOne, 2),
];

/// Duration of the calls on each thread, all started together.
type Run = Box<dyn Fn(bool, Way, usize, u64) -> Duration>;

fn run<S>(service: S) -> Run
where
    S: Service<Request<Body>, Response = Response<()>> + Clone + Send + Sync + 'static,
{
    Box::new(move |typical, way, threads, calls| {
        let worker = || match typical {
            true => one_thread::<Typical, _>(&service, way, calls),
            false => one_thread::<Lean, _>(&service, way, calls),
        };
        if threads == 1 {
            let (start, end) = worker();
            return end - start;
        }
        let meetings = AtomicUsize::new(0);
        let worker = || {
            meet(&meetings, threads);
            worker()
        };
        let (starts, ends): (Vec<_>, Vec<_>) = thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).unzip()
        });
        *ends.iter().max().expect("a thread") - *starts.iter().min().expect("a thread")
    })
}

fn one_thread<B, S>(shared: &S, way: Way, calls: u64) -> (Instant, Instant)
where
    B: Build,
    S: Service<Request<Body>, Response = Response<()>> + Clone,
{
    let builder = B::default();
    let mut own = shared.clone();
    let start = Instant::now();
    match way {
        Way::Held => (0..calls).for_each(|_| call(&mut own, &builder)),
        Way::Cloned => (0..calls).for_each(|_| call_cloned(&own, &builder)),
        Way::ClonedOfOne => (0..calls).for_each(|_| call_cloned(shared, &builder)),
    }
    (start, Instant::now())
}

fn through<L>(layer: &L) -> Run
where
    L: Layer<Inner> + Layer<Check>,
    <L as Layer<Inner>>::Service:
        Service<Request<Body>, Response = Response<()>> + Clone + Send + Sync + 'static,
    <L as Layer<Check>>::Service: Service<Request<Body>, Response = Response<()>>,
{
    assert_authorizes(layer, &Lean::default());
    run(Layer::<Inner>::layer(layer, Inner))
}

/// The two floors come first.
fn variants() -> [(&'static str, Run); 6] {
    [
        ("static header", through(&floor())),
        ("environment token", through(&environment_floor())),
        ("bare", run(Inner)),
        ("never, any origin", through(&never(any()))),
        ("never, one origin", through(&never(one()))),
        ("empty bodies, one origin", through(&ours(one()))),
    ]
}

fn print_ratios(variants: &[(&str, Run)]) {
    println!(
        "ratios to the static header and to the environment token, medians of {ROUNDS} interleaved \
         rounds (quartiles); ns a call"
    );
    for (name, typical, way, threads) in SETTINGS {
        println!("{name}");
        let mut rounds = vec![Vec::with_capacity(ROUNDS); variants.len()];
        for round in 0..ROUNDS {
            // The order rotates, so that no variant always goes first.
            for turn in 0..variants.len() {
                let index = (round + turn) % variants.len();
                let took = black_box(&variants[index].1)(typical, way, threads, CALLS_A_ROUND);
                rounds[index].push(took.as_secs_f64());
            }
        }
        for (index, (variant, _)) in variants.iter().enumerate() {
            let [of_static, of_environment] = [0, 1].map(|floor| {
                let ratios =
                    rounds[index].iter().zip(&rounds[floor]).map(|(took, floor)| took / floor);
                let [low, mid, high] = quartiles(ratios.collect());
                format!("{mid:6.3} ({low:.3} to {high:.3})")
            });
            let [_, took, _] = quartiles(rounds[index].clone());
            let took = took / CALLS_A_ROUND as f64 * 1e9;
            println!("  {variant:<26}{of_static}  {of_environment} {took:6.0} ns");
        }
    }
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}

fn measure(variants: &[(&str, Run)]) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(300))
        .sample_size(20)
        .without_plots()
        .configure_from_args();
    for (name, typical, way, threads) in SETTINGS {
        let mut group = criterion.benchmark_group(name);
        for (variant, run) in variants {
            group.bench_function(*variant, |bencher| {
                bencher.iter_custom(|calls| run(typical, way, threads, calls));
            });
        }
        group.finish();
    }
    criterion.final_summary();
}

/// A call reads tokio's clock and the coarse wall clock. The second must stay cheap in comparison.
fn print_clock_ratio() {
    fn nanos(mut read: impl FnMut()) -> f64 {
        let start = Instant::now();
        (0..CALLS_A_ROUND).for_each(|_| read());
        start.elapsed().as_nanos() as f64 / CALLS_A_ROUND as f64
    }
    let rounds = (0..ROUNDS).map(|_| {
        let monotonic = nanos(|| {
            black_box(tokio::time::Instant::now());
        });
        nanos(|| {
            black_box(SystemClock.now_coarse());
        }) / monotonic
    });
    let mut ratios: Vec<_> = rounds.collect();
    ratios.sort_by(f64::total_cmp);
    println!("coarse wall clock: {:.2} of tokio's Instant::now()", ratios[ROUNDS / 2]);
}

fn main() {
    let variants = variants();
    // `cargo test --benches` runs everything once only.
    if std::env::args().any(|arg| arg == "--bench") {
        print_clock_ratio();
        print_ratios(&variants);
    }
    measure(&variants);
}
