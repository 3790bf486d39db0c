//! `TokenCache::subscribe` as a readiness probe, in virtual time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Token, TokenCache, TokenSource,
    cache::{Readiness, TokenCacheBuilder},
    source::AcquireContext,
};

use Readiness::{Degraded, Failed, Idle, Ready};

const S: Duration = Duration::from_secs(1);

/// Tokens of 1,000 s, usable for 970 s. Each token request takes a second, failures too.
#[derive(Clone, Default)]
struct Idp {
    asked: Arc<AtomicU32>,
    down: Arc<AtomicBool>,
}

impl Idp {
    fn asked(&self) -> u32 {
        self.asked.load(SeqCst)
    }

    fn set_down(&self, down: bool) {
        self.down.store(down, SeqCst);
    }
}

impl TokenSource for Idp {
    async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
        let number = self.asked.fetch_add(1, SeqCst) + 1;
        sleep(S).await;
        if self.down.load(SeqCst) {
            return Err(Error::new(ErrorKind::OAuth).with_oauth_code("server_error", None));
        }
        Ok(Token::bearer(format!("token-{number}"))?.with_lifetime(1000 * S))
    }
}

/// Refreshed after 770 s.
fn builder(idp: &Idp) -> TokenCacheBuilder {
    TokenCache::builder(idp.clone()).first_refresh_lead(0.2..=0.2).refresh_lead(0.2..=0.2)
}

type Told = Vec<(u64, Readiness)>;

/// Records the watch's values, with the second of each.
struct Watching {
    told: Arc<Mutex<Told>>,
    task: JoinHandle<()>,
}

impl Watching {
    fn of(tokens: &TokenCache) -> Self {
        let (told, mut watch, start) =
            (Arc::<Mutex<Told>>::default(), tokens.subscribe(), Instant::now());
        let kept = Arc::clone(&told);
        let task = tokio::spawn(async move {
            while let Some(readiness) = watch.changed().await {
                assert_eq!(watch.current(), Some(readiness));
                kept.lock().unwrap().push((start.elapsed().as_secs(), readiness));
            }
            assert_eq!(watch.current(), None);
        });
        Self { told, task }
    }

    fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn an_expiry_without_traffic_is_reported_at_the_expiry() {
    let (idp, start) = (Idp::default(), Instant::now());
    let tokens = builder(&idp).build();
    let watching = Watching::of(&tokens);
    assert_eq!(tokens.readiness(), Idle);
    sleep(10 * S).await;
    assert_eq!(idp.asked(), 0, "a watch asks for nothing");

    tokens.warm_up().await.unwrap();
    assert_eq!(tokens.readiness(), Ready);
    // Issued at 10 s, so it is usable until 980 s.
    sleep_until(start + Duration::from_millis(979_999)).await;
    assert_eq!(tokens.readiness(), Ready);
    sleep_until(start + 980 * S).await;
    assert_eq!(tokens.readiness(), Idle, "without a watch it is worked out too");
    sleep(1000 * S).await;
    assert_eq!((idp.asked(), watching.told()), (1, vec![(11, Ready), (980, Idle)]));
}

#[tokio::test(start_paused = true)]
async fn refreshes_in_the_background_are_not_reported() {
    let idp = Idp::default();
    let tokens = builder(&idp).build();
    let watching = Watching::of(&tokens);
    for _ in 0..100 {
        tokens.get().await.unwrap();
        sleep(50 * S).await;
    }
    assert!(idp.asked() > 5, "{} tokens", idp.asked());
    assert_eq!(watching.told(), [(1, Ready)]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_degrades_then_fails_and_the_next_success_ends_it() {
    let (idp, start) = (Idp::default(), Instant::now());
    let tokens = builder(&idp).build();
    let watching = Watching::of(&tokens);
    tokens.warm_up().await.unwrap();
    idp.set_down(true);
    sleep_until(start + 800 * S).await;
    tokens.get().await.unwrap(); // starts the refresh, which fails a second later
    sleep_until(start + 1000 * S).await; // nobody asks when it expires at 970 s
    assert_eq!(tokens.readiness(), Failed);
    idp.set_down(false);
    sleep_until(start + 2000 * S).await;
    assert_eq!(tokens.readiness(), Failed, "nobody has asked since");
    assert_eq!(idp.asked(), 2);
    tokens.get().await.unwrap();
    assert_eq!(watching.told(), [(1, Ready), (801, Degraded), (970, Failed), (2001, Ready)]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_from_the_first_is_a_failure_and_keeping_warm_ends_it_without_requests() {
    let (idp, start) = (Idp::default(), Instant::now());
    let tokens = builder(&idp).keep_warm(true).build();
    let watching = Watching::of(&tokens);
    idp.set_down(true);
    tokens.warm_up().await.unwrap_err();
    sleep_until(start + 100 * S).await;
    assert_eq!(watching.told(), [(1, Failed)]);
    idp.set_down(false);
    sleep_until(start + 180 * S).await; // a cooldown is 75 s at most
    let told = watching.told();
    assert!(matches!(told[..], [(1, Failed), (101..=180, Ready)]), "{told:?}");
    sleep(10_000 * S).await;
    assert_eq!(watching.told(), told, "and it stays warm");
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_degrades_until_it_is_replaced() {
    let (idp, start) = (Idp::default(), Instant::now());
    let tokens = builder(&idp).build();
    let watching = Watching::of(&tokens);
    let rejected = tokens.get().await.unwrap();
    // This API rejects fresh tokens too. After three acquisitions the next is due a minute later.
    for seconds in [10, 12, 14, 16] {
        sleep_until(start + seconds * S).await;
        tokens.invalidate(&tokens.current().unwrap());
        assert_eq!(tokens.readiness(), Degraded);
        tokens.invalidate(&rejected); // an old one says nothing
    }
    sleep_until(start + 20 * S).await;
    let told = watching.told();
    assert_eq!(told[..3], [(1, Ready), (10, Degraded), (11, Ready)]);
    assert_eq!(
        told[3..],
        [(12, Degraded), (13, Ready), (14, Degraded), (15, Ready), (16, Degraded)]
    );
    assert!(tokens.readiness().has_token() && idp.asked() == 4);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_token_is_reported_at_once() {
    let (idp, start) = (Idp::default(), Instant::now());
    let tokens = builder(&idp).build();
    let watching = Watching::of(&tokens);
    tokens.warm_up().await.unwrap();
    sleep_until(start + 5 * S).await;
    tokens.clear();
    sleep_until(start + 7 * S).await;
    tokens.get().await.unwrap();
    // A change that is reverted between two reads is not reported.
    tokens.clear();
    tokens.get().await.unwrap();
    sleep(S).await;
    assert_eq!(watching.told()[..2], [(1, Ready), (5, Idle)]);
    assert_eq!(watching.told().last(), Some(&(9, Ready)));
}

#[tokio::test(start_paused = true)]
async fn a_watch_keeps_no_cache_and_ends_with_it() {
    let idp = Idp::default();
    let tokens = builder(&idp).keep_warm(true).build();
    let watching = Watching::of(&tokens);
    tokens.warm_up().await.unwrap();
    let (clone, mut watch) = (tokens.clone(), tokens.subscribe());
    drop(tokens);
    assert_eq!(watch.current(), Some(Ready));
    drop(clone);
    assert_eq!((watch.current(), watch.changed().await), (None, None));
    watching.task.await.unwrap();
    sleep(10_000 * S).await;
    assert_eq!(idp.asked(), 1, "nobody keeps it warm");
}
