//! The hot path: a call with a cached token, on one thread and on two.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;
use tower_oauth2_client_credentials::BoxError;

use crate::{
    endpoint::{Behavior, Endpoint},
    peer::{Contestant, Driven, Inner, Setup, Start},
    report::{Table, dash},
    runtime,
    stats::{quartiles, ratios},
};

const CALLS: usize = 5_000;
/// Attempts to have two threads run at the same time.
const TRIES: usize = 10;

type Able = (&'static str, Box<dyn Driven>);

pub fn measure(contestants: &[Contestant], quick: bool) -> Table {
    let runtime = runtime();
    let endpoint = Endpoint::start(Behavior::After(Duration::ZERO), 36_000);
    let mut able: Vec<Able> = Vec::new();
    let mut unable = Vec::new();
    for contestant in contestants {
        let setup = Setup { url: endpoint.url(), tuned: false, inner: Inner::default() };
        let built = runtime.block_on(async { (contestant.build)(setup).await });
        match built.and_then(|driven| row(&runtime, &*driven, 1, 1).map(|_| driven)) {
            Ok(driven) => able.push((contestant.name, driven)),
            Err(error) => unable.push((contestant.name, error.to_string())),
        }
    }

    // Rounds, and the time limit in seconds for one number of threads.
    let (rounds, most) = if quick { (21, 12) } else { (151, 60) };
    let took = [1, 2].map(|threads| {
        let mut took = vec![Vec::with_capacity(rounds); able.len()];
        let until = Instant::now() + Duration::from_secs(most);
        for number in 0.. {
            if took[0].len() == rounds || Instant::now() > until {
                break;
            }
            // A round counts only if all peers completed it.
            if let Some(round) = round(&runtime, &able, number, threads) {
                took.iter_mut().zip(round).for_each(|(took, nanos)| took.push(nanos));
            }
        }
        took
    });
    let allocations: Vec<_> =
        able.iter().map(|(_, driven)| allocations(&runtime, &**driven)).collect();

    let mut table = Table::new(
        "Hot path: a cached token",
        &[
            "",
            "1 thread: ratio to the static header (quartiles)",
            "to the environment token",
            "ns",
            "2 threads: ratio to the static header (quartiles)",
            "to the environment token",
            "ns",
            "allocations above the floor",
            "bytes",
        ],
    );
    let counted = took.each_ref().map(|took| took[0].len());
    for (index, (name, _)) in able.iter().enumerate() {
        let mut row = vec![(*name).to_owned()];
        for took in &took {
            let [static_header, environment_token, ..] = &took[..] else {
                unreachable!("the floors are always there")
            };
            if static_header.is_empty() {
                // The machine never ran that many threads at the same time.
                row.extend(["–".into(), "–".into(), "–".into()]);
                continue;
            }
            row.push(ratios(&took[index], static_header).show());
            row.push(format!("{:.2}", ratios(&took[index], environment_token).median));
            row.push(format!("{:.0}", quartiles(took[index].iter().copied()).median));
        }
        let [count, bytes] = [0, 1].map(|of| allocations[index][of] - allocations[0][of]);
        row.extend([show_count(count), show_count(bytes)]);
        table.row(row);
    }
    for (name, reason) in unable {
        table.row(dash(name, 8, &reason));
    }
    table.note(format!(
        "Medians of {} (1 thread) and {} (2 threads) interleaved rounds of {CALLS} calls on each thread, from the \
         creation of a request to its arrival at the inner service. The floors are the first two \
         rows. A real token is read at run time, so the second one is the fair comparison.",
        counted[0], counted[1],
    ));
    table
}

fn show_count(value: f64) -> String {
    let text = format!("{:.1}", value.max(0.0));
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// Nanoseconds per call of each peer. The order rotates, so that none always goes first.
fn round(runtime: &Runtime, able: &[Able], number: usize, threads: usize) -> Option<Vec<f64>> {
    let mut nanos = vec![0.0; able.len()];
    for turn in 0..able.len() {
        let index = (number + turn) % able.len();
        let mut tries = (0..TRIES).map(|_| row(runtime, &*able[index].1, threads, CALLS));
        let took = tries.find_map(|took| took.expect("it could before"))?;
        nanos[index] = took.as_secs_f64() / CALLS as f64 * 1e9;
    }
    Some(nanos)
}

/// Time of the slower thread. Each thread holds its own clone. `None` if the threads did not run at
/// the same time, as on a busy machine: such a round says nothing about shared state.
fn row(
    runtime: &Runtime,
    driven: &dyn Driven,
    threads: usize,
    calls: usize,
) -> Result<Option<Duration>, BoxError> {
    let start = Start::new(threads);
    let rows: Vec<_> = (0..threads).map(|_| driven.row(calls, Arc::clone(&start))).collect();
    let handle = runtime.handle();
    let times: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            rows.into_iter().map(|row| scope.spawn(|| handle.block_on(row))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let times: Vec<_> = times.into_iter().collect::<Result<_, _>>()?;
    let slowest = times.iter().map(|(start, end)| *end - *start).max().expect("a thread");
    let started = times.iter().map(|(start, _)| *start).max().expect("a thread");
    let ended = times.iter().map(|(_, end)| *end).min().expect("a thread");
    let together = ended.saturating_duration_since(started);
    Ok((together > slowest.mul_f64(0.8)).then_some(slowest))
}

/// Count and bytes of a call, including the request's own.
fn allocations(runtime: &Runtime, driven: &dyn Driven) -> [f64; 2] {
    const MANY: usize = 1_000;
    let counted = |calls| {
        let info = allocation_counter::measure(|| {
            let row = driven.row(calls, Start::new(1));
            runtime.handle().block_on(row).map(drop).expect("it could before");
        });
        [info.count_total as f64, info.bytes_total as f64]
    };
    // The cost around the calls cancels out.
    let (few, many) = (counted(1), counted(MANY + 1));
    [0, 1].map(|of| (many[of] - few[of]) / MANY as f64)
}
