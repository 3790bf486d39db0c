//! P6 over a whole outage: the number of token requests follows the backoff schedule and not the
//! traffic, and all requests are served soon afterwards.

use std::sync::{Arc, Mutex};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tower_oauth2_client_credentials::{Error, ErrorKind, TokenCache, source::AcquireContext};

use crate::support::{Answer, Idp, failure, oauth, secs, since, token};

/// The endpoint's behavior: attempts of 10 s each, three per acquisition or one.
fn retrying(idp: &Idp) -> TokenCache {
    let idp = idp.clone();
    TokenCache::new(move |acquire: AcquireContext| {
        let idp = idp.clone();
        async move {
            let attempts = if acquire.single_attempt { 1 } else { 3 };
            let mut last = Error::new(ErrorKind::AcquisitionTimeout);
            for attempt in 0..attempts {
                if attempt > 0 {
                    sleep(secs(0.1)).await;
                }
                match timeout(secs(10.0), idp.ask(&acquire)).await {
                    Ok(Ok(token)) => return Ok(token),
                    Ok(Err(error)) => last = error,
                    Err(_) => last = Error::new(ErrorKind::AcquisitionTimeout),
                }
            }
            Err(last)
        }
    })
}

/// The result of one request: when it started, how long it took, in seconds, and whether it was
/// served.
type Fare = (f64, f64, bool);

/// Requests from now until `until` (seconds after `start`), at this rate and in bursts.
async fn traffic(cache: &TokenCache, start: Instant, until: f64, a_second: u32) -> Vec<Fare> {
    let fares = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = JoinSet::new();
    while since(start) < until {
        for _ in 0..a_second.div_ceil(5) {
            let came = since(start);
            let mut get = Box::pin(cache.get());
            match crate::support::poll_once(&mut get).await {
                std::task::Poll::Ready(result) => {
                    fares.lock().unwrap().push((came, 0.0, result.is_ok()));
                }
                std::task::Poll::Pending => {
                    let fares = Arc::clone(&fares);
                    waiting.spawn(async move {
                        let served = get.await.is_ok();
                        fares.lock().unwrap().push((came, since(start) - came, served));
                    });
                }
            }
        }
        sleep(secs(0.2)).await;
    }
    waiting.join_all().await;
    std::mem::take(&mut fares.lock().unwrap())
}

/// Down from the start, or while a token is valid; refusing at once, or hanging.
#[tokio::test(start_paused = true)]
async fn p6_an_hour_of_outage_costs_at_most_seventy_token_requests() {
    for (hangs, token_first) in [(false, false), (false, true), (true, false), (true, true)] {
        let start = Instant::now();
        let down = if token_first { 30.0 } else { 0.0 };
        let idp = Idp::new(move |asked| match since(start) - down {
            past if !(0.0..3600.0).contains(&past) => token(asked.nth, 200.0).after(0.05),
            _ if hangs => Answer::never(),
            _ => failure(oauth("server_error")).after(0.05),
        });
        let cache = retrying(&idp);
        let fares = traffic(&cache, start, down + 3600.0 + 120.0, 25).await;
        let times = idp.times(start);
        let in_vain = times.iter().filter(|at| (down..down + 3600.0).contains(*at)).count();
        assert!(in_vain <= 70, "{in_vain} (hangs: {hangs}, token first: {token_first})");
        assert!(in_vain >= 40, "it is not given up: {in_vain}");

        // A hang is noticed 10 s later, after one attempt.
        let back = down + 3600.0 + if hangs { 85.0 } else { 75.0 };
        let unserved = fares.iter().find(|(came, _, served)| *came > back && !served);
        assert!(unserved.is_none(), "{unserved:?}");
        // 200 s less the leeway of 20 s.
        let lost = fares
            .iter()
            .find(|(came, took, served)| token_first && *came < 179.0 && (*took > 0.1 || !served));
        assert!(lost.is_none(), "while the token lived: {lost:?}");
        // The waiters of the first acquisition and the request that makes the trial request wait
        // for it. All others finish within 1 s.
        let probers = fares.iter().filter(|(_, took, _)| *took > 1.001).count();
        let in_first = if hangs && !token_first { 25 * 31 } else { 0 };
        assert!(probers <= in_first + times.len(), "{probers} waited for more than 1 s");
    }
}

/// Outages of many lengths: all requests are served from 75 s after the end on.
#[tokio::test(start_paused = true)]
async fn p6_every_request_is_served_75_s_after_an_outage() {
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let start = Instant::now();
        let ends = random.f64() * 400.0;
        let idp = Idp::new(move |asked| match since(start) < ends {
            true => failure(ErrorKind::Transport).after(0.01),
            false => token(asked.nth, 20.0).after(0.3),
        });
        let fares = traffic(&retrying(&idp), start, ends + 150.0, 10).await;
        let unserved = fares.iter().rfind(|(_, _, served)| !served).map_or(0.0, |fare| fare.0);
        assert!(unserved <= ends + 75.0, "seed {seed}: {unserved} s, ended at {ends} s");
    }
}

/// Also `Overloaded`, with which a keyed cache reports that it did not call the source.
#[tokio::test(start_paused = true)]
async fn p06_a_source_may_fail_with_any_kind_and_is_called_by_the_schedule() {
    for kind in [ErrorKind::Source, ErrorKind::Overloaded, ErrorKind::WaitTimeout] {
        let called = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&called);
        let cache = TokenCache::new(move |_: AcquireContext| {
            *counter.lock().unwrap() += 1;
            async move { Err(Error::new(kind)) }
        });
        for _ in 0..600 {
            assert_eq!(cache.get().await.unwrap_err().kind(), kind);
            sleep(secs(1.0)).await;
        }
        // 1, 2, 4, … 60 s, each up to a quarter longer.
        let called = *called.lock().unwrap();
        assert!((10..=16).contains(&called), "{kind:?}: {called}");
    }
}
