//! A steady load over many expiries: do requests stall?

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tower_oauth2_client_credentials::BoxError;

use crate::{
    endpoint::{Behavior, Endpoint},
    peer::{Contestant, Inner, Setup, Tally},
    report::{Table, dash},
    runtime,
    stats::percentile,
};

/// The limit of a stall: far above a scheduler's delays, far below the endpoint's latency.
pub const STALL: Duration = Duration::from_millis(20);
pub const ENDPOINT: Duration = Duration::from_millis(300);

#[derive(Clone, Copy)]
pub struct Load {
    pub a_second: u32,
    pub seconds: u32,
    /// Lifetime of the tokens in seconds. With `None` they are renewed every 3 s, and the crates
    /// are configured for that.
    pub lifetime: Option<u64>,
}

pub struct Outcome {
    pub name: &'static str,
    /// The start of each request and its wait so far: some still wait.
    pub each: Vec<(Instant, Duration)>,
    pub unfinished: usize,
    pub start: Instant,
    pub failed: usize,
    pub dead: usize,
    pub token_requests: usize,
}

impl Outcome {
    pub fn stalled(&self) -> usize {
        self.each.iter().filter(|(_, took)| *took > STALL).count()
    }

    /// Microseconds, sorted.
    fn sorted(&self) -> Vec<f64> {
        let mut took: Vec<_> = self.each.iter().map(micros).collect();
        took.sort_by(f64::total_cmp);
        took
    }
}

/// The wait of one request.
pub fn micros((_, took): &(Instant, Duration)) -> f64 {
    took.as_secs_f64() * 1e6
}

/// All peers at the same time, each with its own load and its own endpoint.
pub fn side_by_side(
    contestants: &[&'static Contestant],
    load: Load,
) -> Vec<Result<Outcome, (&'static str, String)>> {
    side_by_side_from(Instant::now(), contestants, load)
}

/// The load begins at `from`, or later if a first token takes longer.
pub fn side_by_side_from(
    from: Instant,
    contestants: &[&'static Contestant],
    load: Load,
) -> Vec<Result<Outcome, (&'static str, String)>> {
    let runtime = runtime();
    let outcomes = runtime.block_on(async {
        let mut running = Vec::new();
        for (number, contestant) in contestants.iter().enumerate() {
            // The requests are staggered within a period, so that none always goes first.
            let offset =
                Duration::from_secs(1) / load.a_second * number as u32 / contestants.len() as u32;
            running.push(tokio::spawn(one(contestant, load, from, offset)));
        }
        let mut outcomes = Vec::new();
        for (contestant, running) in contestants.iter().zip(running) {
            let outcome = running.await.expect("no panic");
            outcomes.push(outcome.map_err(|error| (contestant.name, error.to_string())));
        }
        outcomes
    });
    runtime.shutdown_background();
    outcomes
}

async fn one(
    contestant: &'static Contestant,
    load: Load,
    from: Instant,
    offset: Duration,
) -> Result<Outcome, BoxError> {
    let lifetime = load.lifetime.unwrap_or(contestant.renewed_every_3s);
    let endpoint = Endpoint::start(Behavior::After(ENDPOINT), lifetime);
    let dead = Arc::new(AtomicUsize::new(0));
    let inner = Inner::counting(&dead);
    let setup = Setup { url: endpoint.url(), tuned: load.lifetime.is_none(), inner };
    let driven = (contestant.build)(setup).await?;
    // A first token, before the load begins.
    let first = Arc::new(Tally::new(1));
    driven.spawn(&first);
    first.ended(Duration::from_secs(5)).await.ok_or("no first token within 5 s")?;

    let before = (endpoint.requests(), dead.load(Relaxed));
    let sent = (load.a_second * load.seconds) as usize;
    let tally = Arc::new(Tally::of_each(sent));
    let start = from.max(Instant::now()) + offset;
    for number in 0..sent {
        let due = start + Duration::from_secs(1) * number as u32 / load.a_second;
        tokio::time::sleep_until(due.into()).await;
        driven.spawn(&tally);
    }
    tally.ended(Duration::from_millis(500)).await;
    let each = tally.each();
    Ok(Outcome {
        name: contestant.name,
        unfinished: each.iter().filter(|it| it.took.is_none()).count(),
        each: each
            .into_iter()
            .map(|it| (it.since, it.took.unwrap_or_else(|| it.since.elapsed())))
            .collect(),
        start,
        failed: tally.failed(),
        dead: dead.load(Relaxed) - before.1,
        token_requests: endpoint.requests() - before.0,
    })
}

pub fn table(
    title: &str,
    load: Load,
    outcomes: &[Result<Outcome, (&'static str, String)>],
) -> Table {
    let mut table = Table::new(
        title,
        &[
            "",
            "stalled",
            "of all",
            "longest wait (by the endpoint's time)",
            "p99.9 (ratio to the static header)",
            "failed",
            "sent with an expired token",
            "token requests",
        ],
    );
    let floor = outcomes.first().and_then(|it| it.as_ref().ok()).expect("the floor needs no token");
    let floor = percentile(&floor.sorted(), 0.999);
    for outcome in outcomes {
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err((name, reason)) => {
                table.row(dash(name, 7, reason));
                continue;
            }
        };
        let sorted = outcome.sorted();
        let longest = sorted[sorted.len() - 1];
        let tail = percentile(&sorted, 0.999);
        let more = if outcome.unfinished > 0 { "over " } else { "" };
        table.row(vec![
            outcome.name.into(),
            outcome.stalled().to_string(),
            format!("{:.1} %", outcome.stalled() as f64 / outcome.each.len() as f64 * 100.0),
            format!("{more}{} ({})", show(longest), digits(longest / ENDPOINT.as_secs_f64() / 1e6)),
            format!("{more}{} ({})", show(tail), digits(tail / floor)),
            outcome.failed.to_string(),
            outcome.dead.to_string(),
            outcome.token_requests.to_string(),
        ]);
    }
    table.note(format!(
        "{} s at {} requests a second for each at the same time; the endpoint takes {} ms. Stalled: \
         waited more than {} ms. The static header shows the \
         machine's share.",
        load.seconds,
        load.a_second,
        ENDPOINT.as_millis(),
        STALL.as_millis(),
    ));
    table
}

fn digits(value: f64) -> String {
    let digits = if value < 10.0 { 2 } else { 0 };
    format!("{value:.digits$}")
}

pub fn show(micros: f64) -> String {
    match micros {
        ..10_000.0 => format!("{micros:.0} µs"),
        _ => format!("{:.0} ms", micros / 1e3),
    }
}

/// Checks the measurement itself.
pub fn assert_authorizes(contestants: &'static [Contestant]) {
    let runtime = runtime();
    for contestant in contestants {
        let dead = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            let endpoint = Endpoint::start(Behavior::After(Duration::ZERO), 36_000);
            let inner = Inner::counting(&dead);
            let setup = Setup { url: endpoint.url(), tuned: false, inner };
            let tally = Arc::new(Tally::new(1));
            match (contestant.build)(setup).await {
                Ok(driven) => driven.spawn(&tally),
                Err(error) => return eprintln!("{} can't be built: {error}", contestant.name),
            }
            tally.ended(Duration::from_secs(5)).await;
            let (name, done, failed) = (contestant.name, tally.done(), tally.failed());
            if done != 1 || failed != 0 {
                eprintln!("{name} authorizes nothing: {done} done, {failed} failed");
            }
        });
        assert_eq!(dead.load(Relaxed), 0, "{} sends no live token", contestant.name);
    }
    runtime.shutdown_background();
}
