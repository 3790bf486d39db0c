//! A wrong wall clock, and the `Date` of the server's responses.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::Response;
use tower::ServiceBuilder;
use tower_oauth2_client_credentials::{
    TokenSource as _,
    event::EventKind,
    jose::{SigningAlgorithm, SigningKey},
    testing::MockResponse,
};

use super::support::{ISSUER, Known, Stage};

const HOUR: Duration = Duration::from_secs(3600);

fn skews(stage: &Stage) -> Vec<(u64, bool)> {
    let events = stage.events.lock().unwrap();
    let skews = events.iter().filter_map(|event| match event {
        EventKind::ClockSkew { by, local_is_behind, .. } => {
            Some((by.as_secs_f64().round() as u64, *local_is_behind))
        }
        _ => None,
    });
    skews.collect()
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_an_hour_off_costs_one_attempt() {
    type Local = fn(SystemTime) -> SystemTime;
    let cases: [(Local, bool); 2] = [(|now| now - HOUR, true), (|now| now + HOUR, false)];
    for (local, behind) in cases {
        let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
        let stage = Stage::new(vec![Known::of(&key)]);
        let clock = stage.clock;
        let source = stage
            .client()
            .private_key_jwt("me", key, ISSUER)
            .wall_clock(move || local(clock.now()))
            .build()
            .unwrap();
        // The first assertion is refused: expired long ago, or not issued yet. The response
        // contains the time.
        source.acquire(stage.acquire()).await.unwrap();
        assert_eq!(stage.idp.token_requests(), 2);
        assert_eq!(skews(&stage), [(3600, behind)]);
        let issued_at = stage.accepted.lock().unwrap()[0].1["iat"].as_u64().unwrap();
        assert!(issued_at.abs_diff(clock.seconds()) <= 1);

        // Later assertions are correct at once, also through a clone.
        tokio::time::advance(Duration::from_secs(1000)).await;
        source.clone().acquire(stage.acquire()).await.unwrap();
        assert_eq!((stage.idp.token_requests(), skews(&stage).len()), (3, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_corrected_is_used_again() {
    let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let stage = Stage::new(vec![Known::of(&key)]);
    let (clock, start) = (stage.clock, stage.clock.now());
    let source = stage
        .client()
        .private_key_jwt("me", key, ISSUER)
        // The clock is corrected after ten minutes.
        .wall_clock(move || match clock.now() {
            now if now < start + Duration::from_secs(600) => now - HOUR,
            now => now,
        })
        .build()
        .unwrap();
    source.acquire(stage.acquire()).await.unwrap();
    tokio::time::advance(Duration::from_secs(700)).await;
    source.acquire(stage.acquire()).await.unwrap();
    assert_eq!(skews(&stage), [(3600, true), (0, false)]);
    assert_eq!(stage.idp.token_requests(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_correct_clock_is_not_changed_and_its_refusals_are_final() {
    let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let stage = Stage::new(vec![]);
    let clock = stage.clock;
    let source = stage
        .client()
        .private_key_jwt("me", key, ISSUER)
        .wall_clock(move || clock.now() - Duration::from_secs(4))
        .build()
        .unwrap();
    let error = source.acquire(stage.acquire()).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("invalid_client", false));
    assert_eq!((stage.idp.token_requests(), skews(&stage)), (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_refused_secret_is_not_retried_because_of_the_clock() {
    let stage = Stage::new(vec![]);
    let clock = stage.clock;
    let source = stage
        .client()
        .client_secret_post("me", "wrong")
        .wall_clock(move || clock.now() - HOUR)
        .build()
        .unwrap();
    source.acquire(stage.acquire()).await.unwrap_err();
    assert_eq!((stage.idp.token_requests(), skews(&stage)), (1, vec![(3600, true)]));
}

#[tokio::test(start_paused = true)]
async fn a_stored_answers_date_says_nothing() {
    let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let stage = Stage::new(vec![Known::of(&key)]);
    let clock = stage.clock;
    let stored = ServiceBuilder::new()
        .map_response(move |mut response: Response<_>| {
            let date = httpdate::fmt_http_date(clock.now() - HOUR).parse().unwrap();
            response.headers_mut().insert("date", date);
            response.headers_mut().insert("age", 3600.into());
            response
        })
        .service(stage.idp.service());
    let source = stage.client().private_key_jwt("me", key, ISSUER).transport(stored);
    source.build().unwrap().acquire(stage.acquire()).await.unwrap();
    assert_eq!(skews(&stage), []);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_date_is_read_by_the_servers_clock() {
    let key = SigningKey::generate(SigningAlgorithm::EdDsa).unwrap();
    let stage = Stage::new(vec![Known::of(&key)]);
    let clock = stage.clock;
    let date = httpdate::fmt_http_date(clock.now() + Duration::from_secs(8));
    let busy = Response::builder().status(503).header("retry-after", date).body(Bytes::new());
    stage.idp.script([MockResponse::Raw(busy.unwrap())]);
    let source = stage
        .client()
        .private_key_jwt("me", key, ISSUER)
        .wall_clock(move || clock.now() + HOUR)
        .build()
        .unwrap();
    let before = tokio::time::Instant::now();
    source.acquire(stage.acquire()).await.unwrap();
    assert!((7..=9).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
}
