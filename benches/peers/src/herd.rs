//! Many concurrent callers: no token is cached, or the endpoint is down.

use std::{
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use http::Request;
use tokio::sync::Notify;
use tower_oauth2_client_credentials::BoxError;

use crate::{
    endpoint::{Behavior, Endpoint},
    peer::{Body, Contestant, Driven, Inner, Peer, Setup, Tally},
    report::{Table, dash},
    runtime,
    stats::{Quartiles, quartiles, ratios},
};

/// Far more time than any caller that succeeds needs.
const MOST: Duration = Duration::from_secs(20);
const DOWN_ANSWERS: Duration = Duration::from_millis(10);
const DOWN_CALLERS: usize = 1_000;

pub const FLOOR: &str = "tokio's `Notify` (floor)";

/// Time to serve all waiters: a line of the plot.
pub struct Line {
    pub name: &'static str,
    /// Number of waiters, and nanoseconds per waiter.
    pub points: Vec<(usize, f64)>,
}

struct Released {
    nanos_a_waiter: f64,
    requests: usize,
    failed: usize,
}

/// tokio's own time to wake and poll as many tasks.
#[derive(Clone)]
struct Woken {
    notify: Arc<Notify>,
    inner: Inner,
}

impl Peer for Woken {
    async fn call(&mut self, request: Request<Body>) -> Result<(), BoxError> {
        self.notify.notified().await;
        self.inner.send(request);
        Ok(())
    }
}

async fn floor(waiters: usize) -> Released {
    let notify = Arc::new(Notify::new());
    let woken = Mutex::new(Woken { notify: Arc::clone(&notify), inner: Inner::default() });
    let tally = gather(&woken, waiters).await;
    let opened = Instant::now();
    notify.notify_waiters();
    let ended = tally.ended(MOST).await.expect("all are woken");
    let nanos_a_waiter = (ended - opened).as_secs_f64() * 1e9 / waiters as f64;
    Released { nanos_a_waiter, requests: 0, failed: 0 }
}

/// Starts the tasks, and returns when all of them wait.
async fn gather(driven: &dyn Driven, waiters: usize) -> Arc<Tally> {
    let tally = Arc::new(Tally::new(waiters));
    for _ in 0..waiters {
        driven.spawn(&tally);
    }
    while tally.arrived.load(Relaxed) < waiters {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tally
}

/// The endpoint answers when all tasks wait. Measures the time from then to the last task.
async fn herd(contestant: &Contestant, waiters: usize) -> Result<Released, BoxError> {
    let endpoint = Endpoint::start(Behavior::Gated, 36_000);
    let setup = Setup { url: endpoint.url(), tuned: false, inner: Inner::default() };
    let driven = (contestant.build)(setup).await?;
    let tally = gather(&*driven, waiters).await;
    let asked = Instant::now();
    while endpoint.requests() == 0 {
        if asked.elapsed() > MOST {
            return Err("asked for no token".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let opened = Instant::now();
    endpoint.open();
    let ended = tally.ended(MOST).await;
    let ended =
        ended.ok_or_else(|| format!("{} of {waiters} still wait", waiters - tally.done()))?;
    let nanos_a_waiter = (ended - opened).as_secs_f64() * 1e9 / waiters as f64;
    Ok(Released { nanos_a_waiter, requests: endpoint.requests(), failed: tally.failed() })
}

/// Uses a separate runtime. Only its threads take part, and it ends the tasks that a peer leaves
/// behind.
fn alone<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = runtime();
    let value = runtime.block_on(async { tokio::spawn(future).await.expect("no panic") });
    runtime.shutdown_background();
    value
}

pub fn cold(contestants: &'static [Contestant], quick: bool) -> (Vec<Table>, Vec<Line>) {
    let sizes: &[usize] =
        if quick { &[1, 100, 10_000] } else { &[1, 10, 100, 1_000, 10_000, 100_000] };
    let able: Vec<_> =
        contestants.iter().filter(|it| !it.hot_path_only && it.no_herd.is_none()).collect();
    let mut lines: Vec<_> = [FLOOR]
        .into_iter()
        .chain(able.iter().map(|it| it.name))
        .map(|name| Line { name, points: Vec::new() })
        .collect();
    let mut tables = Vec::new();
    for &waiters in sizes {
        let rounds = match waiters {
            _ if quick => 3,
            100_000.. => 5,
            10_000.. => 11,
            _ => 7,
        };
        let mut floors = Vec::new();
        let mut took: Vec<Result<Vec<Released>, String>> =
            able.iter().map(|_| Ok(Vec::new())).collect();
        // An uncounted run warms code and memory.
        for round in 0..=rounds {
            let released = alone(floor(waiters));
            if round > 0 {
                floors.push(released.nanos_a_waiter);
            }
            for (contestant, took) in able.iter().copied().zip(&mut took) {
                let Ok(rounds) = took else { continue };
                match alone(herd(contestant, waiters)) {
                    Ok(released) if round > 0 => rounds.push(released),
                    Ok(_) => {}
                    Err(error) => *took = Err(error.to_string()),
                }
            }
        }
        lines[0].points.push((waiters, quartiles(floors.iter().copied()).median));
        for (line, took) in lines[1..].iter_mut().zip(&took) {
            if let Ok(took) = took {
                let median = quartiles(took.iter().map(|it| it.nanos_a_waiter)).median;
                line.points.push((waiters, median));
            }
        }
        if waiters >= 10_000 {
            tables.push(cold_table(contestants, &able, waiters, &floors, &took));
        }
    }
    (tables, lines)
}

fn cold_table(
    contestants: &[Contestant],
    able: &[&Contestant],
    waiters: usize,
    floors: &[f64],
    took: &[Result<Vec<Released>, String>],
) -> Table {
    let mut table = Table::new(
        &format!("Cold start: {waiters} callers, no token"),
        &["", "token requests", "ratio to the floor (quartiles)", "ns a waiter", "failed"],
    );
    let median = |values: &[f64]| format!("{:.0}", quartiles(values.iter().copied()).median);
    table.row(vec![FLOOR.into(), "–".into(), "1".into(), median(floors), "0".into()]);
    for (contestant, took) in able.iter().zip(took) {
        match took {
            Ok(took) => {
                let nanos: Vec<_> = took.iter().map(|it| it.nanos_a_waiter).collect();
                let Quartiles { median: requests, .. } =
                    quartiles(took.iter().map(|it| it.requests as f64));
                table.row(vec![
                    contestant.name.into(),
                    format!("{requests:.0}"),
                    ratios(&nanos, floors).show(),
                    median(&nanos),
                    took.iter().map(|it| it.failed).max().unwrap_or_default().to_string(),
                ]);
            }
            Err(reason) => table.row(dash(contestant.name, 4, reason)),
        }
    }
    for contestant in contestants {
        if let (Some(reason), false) = (contestant.no_herd, contestant.name.contains("floor")) {
            table.row(dash(contestant.name, 4, reason));
        }
    }
    table.note(format!(
        "{} interleaved rounds on a runtime with 2 threads, all defaults. The endpoint answers when \
         all callers wait. The time is measured from then until the last request has its header, \
         so it includes the reading of the answer. The floor is the time that tokio takes to wake \
         and poll as many tasks.",
        floors.len(),
    ));
    table
}

#[derive(Default)]
struct Down {
    /// Token requests for the first callers, and for the second ones.
    requests: [usize; 2],
    /// Time of the first callers, if all finished.
    took: Option<Duration>,
    waiting: usize,
}

/// `Err` is the number of token requests if the peer can't be built.
async fn down(contestant: &Contestant, most: Duration) -> Result<Down, usize> {
    let endpoint = Endpoint::start(Behavior::Fails(DOWN_ANSWERS), 36_000);
    let setup = Setup { url: endpoint.url(), tuned: false, inner: Inner::default() };
    let built = tokio::time::timeout(most, (contestant.build)(setup)).await;
    let Ok(Ok(driven)) = built else { return Err(endpoint.requests()) };
    let mut down = Down::default();
    for wave in 0..2 {
        let tally = Arc::new(Tally::new(DOWN_CALLERS));
        let before = endpoint.requests();
        let started = Instant::now();
        for _ in 0..DOWN_CALLERS {
            driven.spawn(&tally);
        }
        let ended = tally.ended(most).await;
        down.requests[wave] = endpoint.requests() - before;
        if wave == 0 {
            down.took = ended.map(|ended| ended - started);
            down.waiting = DOWN_CALLERS - tally.done();
        }
        if ended.is_none() {
            break;
        }
    }
    Ok(down)
}

pub fn endpoint_down(contestants: &'static [Contestant], quick: bool) -> Table {
    let most = Duration::from_secs(if quick { 3 } else { 8 });
    let waiting = format!("still waiting after {} s", most.as_secs());
    let mut table = Table::new(
        "The endpoint answers 500",
        &[
            "",
            "token requests for 1,000 callers at once",
            "for 1,000 more after them",
            "time until the last error (in answers of the endpoint)",
            &waiting,
        ],
    );
    for contestant in
        contestants.iter().filter(|it| !it.hot_path_only && !it.name.contains("floor"))
    {
        let down = match alone(down(contestant, most)) {
            Ok(down) => down,
            Err(requests) => {
                let reason = format!("fails to build; token requests: {requests}");
                table.row(dash(contestant.name, 4, &reason));
                continue;
            }
        };
        let Down { requests: [first, second], took, waiting } = down;
        let mut row = vec![contestant.name.to_owned(), first.to_string()];
        match took {
            Some(took) => {
                let answers = took.as_secs_f64() / DOWN_ANSWERS.as_secs_f64();
                row.push(second.to_string());
                row.push(format!("{:.0} ms ({answers:.1})", took.as_secs_f64() * 1e3));
            }
            None => row.extend(["–".into(), "–".into()]),
        }
        row.push(waiting.to_string());
        table.row(row);
    }
    table.note(format!(
        "Each answer takes {} ms. All defaults, so retries take time. The number of requests should \
         not follow the number of callers, and callers should not queue behind each other's retries.",
        DOWN_ANSWERS.as_millis(),
    ));
    table
}
