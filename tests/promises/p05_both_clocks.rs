//! P5: a token expires by both clocks. The monotonic clock does not count a suspend, a paused VM or
//! a frozen function. The wall clock does, and may be wrong.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime},
};

use http::Request;
use tokio::time::{Instant, advance};
use tower::ServiceExt;
use tower_oauth2_client_credentials::{
    Error, ErrorKind, OAuthClientCredentialsLayer, Origins, TokenCache,
    cache::Readiness,
    clock::{SystemClock, WallClock},
    event::AcquisitionReason,
    replay::NoReplay,
};

use crate::support::{
    API, Answer, Api, Body, Idp, call, failure, layered, oauth, poll_once, request, secs, settle,
    since, token,
};

const HOUR: f64 = 3600.0;
const YEAR: i64 = 365 * 24 * 3600;

/// A wall clock that follows tokio's, unless a test sets it.
#[derive(Clone)]
struct Wall {
    start: Instant,
    /// In milliseconds.
    ahead: Arc<AtomicI64>,
}

impl Wall {
    fn new() -> Self {
        Self { start: Instant::now(), ahead: Arc::default() }
    }

    /// The wall clock steps, and tokio's does not.
    fn step(&self, seconds: i64) {
        self.ahead.fetch_add(seconds * 1000, SeqCst);
    }
}

impl WallClock for Wall {
    fn now(&self) -> SystemTime {
        let time = SystemTime::UNIX_EPOCH + secs(2e9) + self.start.elapsed();
        let ahead = self.ahead.load(SeqCst);
        let by = Duration::from_millis(ahead.unsigned_abs());
        if ahead < 0 { time - by } else { time + by }
    }
}

/// The API accepts only tokens that are valid in real time, suspends included.
fn strict_api(idp: &Idp, wall: &Wall, life: f64) -> Api {
    let (idp, wall, start) = (idp.clone(), wall.clone(), Instant::now());
    let issued_at: Arc<std::sync::Mutex<Vec<f64>>> = Arc::default();
    Api::accepting(move |token| {
        let nth: usize = token[1..].parse().unwrap();
        let real = since(start) + wall.ahead.load(SeqCst) as f64 / 1000.0;
        let mut issued = issued_at.lock().unwrap();
        while issued.len() < idp.count() {
            issued.push(real);
        }
        real < issued[nth - 1] + life
    })
}

async fn post(cache: &TokenCache, api: &Api) -> u16 {
    let layer = OAuthClientCredentialsLayer::new(cache.clone(), Origins::any()).replay(NoReplay);
    let client = tower::Layer::layer(&layer, api.clone());
    let request = Request::post(API).body(Body::from("one order")).unwrap();
    client.oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn p5_a_post_after_a_suspend_longer_than_the_life_is_not_answered_401() {
    let (wall, idp) = (Wall::new(), Idp::healthy(HOUR, 0.2));
    let api = strict_api(&idp, &wall, HOUR);
    let cache = idp.builder().wall_clock(wall.clone()).build();
    assert_eq!(post(&cache, &api).await, 200);
    for suspend in [2 * 3600, 3601, 30 * 24 * 3600] {
        wall.step(suspend);
        let before = Instant::now();
        assert_eq!(post(&cache, &api).await, 200);
        assert!(since(before) < 0.3, "it waited for one acquisition");
    }
    assert_eq!(api.tokens(), ["t1", "t2", "t3", "t4"]);
    assert!(idp.asked()[1..].iter().all(|asked| asked.reason == AcquisitionReason::Refresh));
}

/// A service that is held keeps the token that it used last.
#[tokio::test(start_paused = true)]
async fn p5_a_held_service_notices_a_suspend() {
    let (wall, idp, api) = (Wall::new(), Idp::healthy(HOUR, 0.2), Api::ok());
    let cache = idp.builder().wall_clock(wall.clone()).build();
    let mut client = layered(&cache, api.clone());
    for _ in 0..3 {
        client.ready().await.unwrap();
        tower::Service::call(&mut client, request()).await.unwrap();
    }
    wall.step(4000);
    client.ready().await.unwrap();
    tower::Service::call(&mut client, request()).await.unwrap();
    assert_eq!(api.tokens(), ["t1", "t1", "t1", "t2"]);
}

#[tokio::test(start_paused = true)]
async fn p5_a_suspend_within_the_life_moves_the_refresh_earlier() {
    let (wall, idp, api) = (Wall::new(), Idp::healthy(HOUR, 0.2), Api::ok());
    let cache = idp.builder().wall_clock(wall.clone()).first_refresh_lead(0.2..=0.2).build();
    let client = layered(&cache, api.clone());
    call(&client).await.unwrap();
    // Due after 2,850 s, of which 1,800 pass in a suspend.
    wall.step(1800);
    for (after, asked) in [(0.0, 1), (1040.0, 1), (20.0, 2)] {
        advance(secs(after)).await;
        let before = Instant::now();
        call(&client).await.unwrap();
        assert_eq!(since(before), 0.0, "the refresh runs in the background");
        settle().await;
        assert_eq!(idp.count(), asked, "after {after} s");
    }
}

#[tokio::test(start_paused = true)]
async fn p5_a_wall_clock_a_year_ahead_costs_one_second_once_and_no_request() {
    for down in [failure as fn(Error) -> Answer, |_| Answer::never()] {
        let (wall, api) = (Wall::new(), Api::ok());
        let idp = Idp::new(move |asked| match asked.nth {
            1 => token(1, HOUR),
            _ => down(oauth("server_error")),
        });
        let cache = idp.builder().wall_clock(wall.clone()).build();
        let client = layered(&cache, api.clone());
        call(&client).await.unwrap();
        wall.step(YEAR);
        let start = Instant::now();
        for nth in 0..1000 {
            let before = Instant::now();
            call(&client).await.unwrap();
            let waited = since(before);
            assert!(nth == 0 || waited == 0.0, "request {nth} waited {waited} s");
            advance(secs(0.5)).await;
        }
        assert!(since(start) <= 501.0, "{}", since(start));
        // The normal cooldown, independent of the traffic.
        assert!(idp.count() <= 16, "{}", idp.count());
    }
}

#[tokio::test(start_paused = true)]
async fn p5_many_requests_after_a_suspend_share_one_acquisition_and_one_second() {
    let (wall, api) = (Wall::new(), Api::ok());
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, HOUR),
        nth => token(nth, HOUR).after(5.0),
    });
    let cache = idp.builder().wall_clock(wall.clone()).build();
    let client = layered(&cache, api.clone());
    call(&client).await.unwrap();
    wall.step(2 * 3600);
    let start = Instant::now();
    let calls: Vec<_> = (0..100)
        .map(|nth| {
            let client = client.clone();
            tokio::spawn(async move {
                tokio::time::sleep(secs(nth as f64 * 0.02)).await;
                call(&client).await.unwrap();
                since(start)
            })
        })
        .collect();
    for (nth, call) in calls.into_iter().enumerate() {
        let ended = call.await.unwrap();
        let started = nth as f64 * 0.02;
        let expected = started.max(1.0);
        assert!((ended - expected).abs() < 0.005, "started at {started}, ended at {ended}");
    }
    assert_eq!((idp.count(), idp.most_at_once()), (2, 1));
    advance(secs(5.0)).await;
    settle().await;
    call(&client).await.unwrap();
    assert_eq!(api.tokens().last().unwrap(), "t2");
}

#[tokio::test(start_paused = true)]
async fn p5_in_a_cooldown_a_suspend_costs_no_wait_and_no_token_request() {
    let (wall, api) = (Wall::new(), Api::ok());
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, HOUR),
        2 => failure(oauth("invalid_client")),
        nth => token(nth, HOUR),
    });
    let cache = idp.builder().wall_clock(wall.clone()).build();
    let client = layered(&cache, api.clone());
    call(&client).await.unwrap();
    cache.force_refresh().await.unwrap();
    assert_eq!(idp.count(), 2);
    wall.step(2 * 3600);
    let before = Instant::now();
    call(&client).await.unwrap();
    assert_eq!((since(before), idp.count()), (0.0, 2));
    // It is replaced after the cooldown.
    advance(secs(40.0)).await;
    call(&client).await.unwrap();
    settle().await;
    assert_eq!(idp.count(), 3);
}

/// A correction of the wall clock, forward and back, while the authorization server is down.
#[tokio::test(start_paused = true)]
async fn p5_a_corrected_wall_clock_causes_no_outage() {
    let (wall, api) = (Wall::new(), Api::ok());
    let idp = Idp::new(|asked| match asked.nth {
        1 => token(1, HOUR),
        _ => failure(ErrorKind::Transport),
    });
    let cache = idp.builder().wall_clock(wall.clone()).build();
    let client = layered(&cache, api.clone());
    let start = Instant::now();
    call(&client).await.unwrap();
    // The usable lifetime is 3,570 s.
    for step in [1800, -YEAR, 600, YEAR, -1800, 3600, 7200, -7200] {
        wall.step(step);
        for _ in 0..40 {
            call(&client).await.unwrap();
            advance(secs(10.0)).await;
        }
    }
    assert!(since(start) < 3570.0);
    assert_eq!(cache.readiness(), Readiness::Degraded);
}

#[tokio::test(start_paused = true)]
async fn p5_a_wall_clock_that_stops_or_steps_back_changes_nothing() {
    for back in [0, YEAR, 50 * YEAR] {
        let (wall, idp, api) = (Wall::new(), Idp::healthy(HOUR, 0.2), Api::ok());
        let frozen = wall.now();
        let clock = wall.clone();
        let cache = idp.builder().first_refresh_lead(0.2..=0.2);
        let cache = if back == 0 {
            cache.wall_clock(move || frozen).build()
        } else {
            cache.wall_clock(clock).build()
        };
        let client = layered(&cache, api.clone());
        call(&client).await.unwrap();
        wall.step(-back);
        for (after, asked) in [(2840.0, 1), (20.0, 2)] {
            advance(secs(after)).await;
            let before = Instant::now();
            call(&client).await.unwrap();
            assert_eq!(since(before), 0.0);
            settle().await;
            assert_eq!(idp.count(), asked);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p5_a_suspend_during_an_acquisition_counts() {
    let (wall, api) = (Wall::new(), Api::ok());
    let idp = Idp::healthy(HOUR, 2.0);
    let cache = idp.builder().wall_clock(wall.clone()).build();
    let client = layered(&cache, api.clone());
    let mut first = Box::pin(call(&client));
    assert!(poll_once(&mut first).await.is_pending());
    advance(secs(1.0)).await;
    wall.step(2 * 3600);
    // The waiters of an acquisition get its token, once.
    first.await.unwrap();
    call(&client).await.unwrap();
    assert_eq!(api.tokens()[0], "t1");
    // The second one waited a second for a third, which takes two.
    advance(secs(2.0)).await;
    settle().await;
    call(&client).await.unwrap();
    assert_eq!(api.tokens()[2], "t2");
    assert_eq!(idp.count(), 2);
}

/// A function is frozen between the arrival of its token and its next poll.
#[tokio::test(start_paused = true)]
async fn p5_a_waiter_that_is_polled_after_a_suspend_does_not_send_the_old_token() {
    let (wall, idp, api) = (Wall::new(), Idp::healthy(HOUR, 0.2), Api::ok());
    let cache = idp.builder().wall_clock(wall.clone()).build();
    let client = layered(&cache, api.clone());
    let mut first = Box::pin(call(&client));
    assert!(poll_once(&mut first).await.is_pending());
    cache.get().await.unwrap();
    wall.step(2 * 3600);
    first.await.unwrap();
    assert_eq!(api.tokens(), ["t2"]);
}

/// A test that pauses tokio's clock is not a suspend, for any duration.
#[tokio::test(start_paused = true)]
async fn p5_a_paused_test_that_takes_six_real_seconds_sees_no_suspend() {
    let (idp, api) = (Idp::healthy(7.0, 0.0), Api::ok());
    let events: Arc<AtomicI64> = Arc::default();
    let seen = Arc::clone(&events);
    let observer = move |event: &tower_oauth2_client_credentials::Event| {
        if matches!(
            event.kind(),
            tower_oauth2_client_credentials::event::EventKind::SuspendDetected { .. }
        ) {
            seen.fetch_add(1, SeqCst);
        }
    };
    /// The system's clocks, six seconds later: both have moved, and tokio's has not.
    struct Later(Arc<AtomicI64>);
    impl WallClock for Later {
        fn now(&self) -> SystemTime {
            SystemClock.now() + Duration::from_secs(self.0.load(SeqCst).unsigned_abs())
        }
        fn monotonic(&self) -> std::time::Instant {
            SystemClock.monotonic() + Duration::from_secs(self.0.load(SeqCst).unsigned_abs())
        }
    }
    let later: Arc<AtomicI64> = Arc::default();
    let cache = idp.builder().observer(observer).wall_clock(Later(Arc::clone(&later))).build();
    let client = layered(&cache, api.clone());
    for _ in 0..4 {
        for _ in 0..3 {
            call(&client).await.unwrap();
        }
        later.fetch_add(6, SeqCst);
    }
    settle().await;
    assert_eq!((idp.count(), events.load(SeqCst)), (1, 0));
}

/// Setting the wall clock back hides no later suspend.
#[tokio::test(start_paused = true)]
async fn p5_a_suspend_after_the_wall_clock_was_set_back_is_noticed() {
    let (wall, idp) = (Wall::new(), Idp::healthy(HOUR, 0.2));
    let api = Api::ok();
    let cache = idp.builder().wall_clock(wall.clone()).build();
    let client = layered(&cache, api.clone());
    call(&client).await.unwrap();
    advance(secs(60.0)).await;
    wall.step(-3600);
    call(&client).await.unwrap();
    advance(secs(60.0)).await;
    wall.step(3600);
    call(&client).await.unwrap();
    assert_eq!(api.tokens(), ["t1", "t1", "t2"]);
}

/// A clock that panics fails no request, and no waiter.
#[tokio::test(start_paused = true)]
async fn p13_a_wall_clock_that_panics_is_replaced_by_the_systems() {
    let (idp, api) = (Idp::healthy(100.0, 0.2), Api::ok());
    let broken = move || -> SystemTime { crate::support::on_purpose() };
    let cache = idp.builder().wall_clock(broken).build();
    let client = layered(&cache, api.clone());
    let start = Instant::now();
    while since(start) < 300.0 {
        call(&client).await.unwrap();
        advance(secs(10.0)).await;
    }
    assert!(idp.count() >= 3);
}
