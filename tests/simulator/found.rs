//! Faults that the simulator found, as separate tests.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, advance, sleep};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Token, TokenCache, event::EventKind, source::AcquireContext,
};

/// The source's responses in order. The last one repeats.
#[derive(Clone, Copy)]
enum Step {
    Token(u64),
    Fails,
    Hangs,
}

type Asked = Arc<Mutex<Vec<Duration>>>;

fn cache(steps: &'static [Step]) -> (TokenCache, Asked, Arc<Mutex<Vec<EventKind>>>) {
    let (asked, events) = (Asked::default(), Arc::new(Mutex::new(Vec::new())));
    let (seen, heard, begun) = (asked.clone(), events.clone(), Instant::now());
    let cache =
        TokenCache::builder(move |_: AcquireContext| {
            let mut seen = seen.lock().unwrap();
            let number = seen.len();
            seen.push(begun.elapsed());
            async move {
                match steps[number.min(steps.len() - 1)] {
                    Step::Token(secs) => Ok(Token::bearer(format!("t{number}"))?
                        .with_lifetime(Duration::from_secs(secs))),
                    Step::Fails => Err(Error::new(ErrorKind::Transport)),
                    Step::Hangs => pending().await,
                }
            }
        })
        .acquisition_timeout(Duration::from_secs(40))
        .observer(move |event| heard.lock().unwrap().push(event.kind().clone()))
        .build();
    (cache, asked, events)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[tokio::test(start_paused = true)]
async fn p7_the_acquisition_for_a_rejection_outlives_every_failure() {
    use Step::{Fails, Token};
    let (cache, asked, _) = cache(&[Token(86_400), Fails, Fails, Fails, Token(86_400)]);
    let rejected = cache.get().await.unwrap();
    cache.invalidate(&rejected);
    // The server is back after the third failure, and no API rejects tokens any more.
    for _ in 0..20 {
        sleep(secs(1)).await;
        cache.get().await.unwrap();
    }
    assert_eq!(asked.lock().unwrap().len(), 5);
    assert_eq!(cache.current().unwrap().secret(), "t4");
}

#[tokio::test(start_paused = true)]
async fn p1_an_acquisition_that_was_not_driven_in_time_does_not_ask() {
    let (cache, asked, _) = cache(&[Step::Token(0), Step::Token(3600)]);
    cache.get().await.unwrap();
    // The next acquisition is due a second later, and its task runs much later.
    let mut waiting = pin!(cache.get());
    poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_ready())).await;
    let mut step = pin!(advance(secs(600)));
    poll_fn(|cx| Poll::Ready(step.as_mut().poll(cx).is_ready())).await;
    assert_eq!(cache.get().await.unwrap().secret(), "t1");
    sleep(secs(60)).await;
    assert_eq!(asked.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn p6_a_wait_for_a_suspect_token_and_one_for_a_probe_are_one() {
    use Step::{Fails, Hangs, Token};
    // The token expires at 9 s. The refresh fails, and the next trial request hangs.
    let (cache, asked, _) = cache(&[Token(10), Fails, Hangs]);
    let token = cache.get().await.unwrap();
    while asked.lock().unwrap().len() < 3 {
        sleep(Duration::from_millis(100)).await;
        assert!(cache.current().is_some(), "the probe starts while the token lives");
    }
    tokio::time::sleep_until(Instant::now() + remaining(&asked, 8_500)).await;
    cache.invalidate(&token);
    let start = Instant::now();
    cache.get().await.unwrap_err();
    assert!(start.elapsed() <= Duration::from_millis(1001), "{:?}", start.elapsed());
}

/// The time until this many milliseconds after the first acquisition.
fn remaining(asked: &Asked, millis: u64) -> Duration {
    let asked = asked.lock().unwrap();
    (asked[0] + Duration::from_millis(millis)).saturating_sub(*asked.last().unwrap())
}

#[tokio::test(start_paused = true)]
async fn p5_a_forced_refresh_that_takes_too_long_keeps_the_cached_token() {
    let (cache, ..) = cache(&[Step::Token(3600), Step::Hangs]);
    cache.get().await.unwrap();
    let start = Instant::now();
    assert_eq!(cache.force_refresh().await.unwrap().secret(), "t0");
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn p7_an_abandoned_acquisition_is_reported_also_by_a_rejection() {
    let (cache, _, events) = cache(&[Step::Token(86_400), Step::Hangs]);
    let token = cache.get().await.unwrap();
    let before = events.lock().unwrap().len();
    cache.invalidate(&token);
    sleep(secs(1)).await;
    // It hangs, the process is suspended, and the first call afterwards is a rejection.
    let mut step = pin!(advance(secs(600)));
    poll_fn(|cx| Poll::Ready(step.as_mut().poll(cx).is_ready())).await;
    cache.invalidate(&token);
    let events = events.lock().unwrap();
    let abandoned = events[before..].iter().filter(|it| matches!(it, EventKind::Abandoned { .. }));
    assert_eq!(abandoned.count(), 1, "{:?}", &events[before..]);
}
