//! P2: the caller that started an acquisition may be dropped. The acquisition continues and no
//! other caller notices.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::time::{Instant, sleep};
use tower::{Service, ServiceExt};
use tower_oauth2_client_credentials::{Token, TokenCache, source::AcquireContext};

use crate::support::{
    Api, Idp, call, layered, poll_once, rejection, request, secs, settle, since, token,
};

/// A source with five awaits, and the number of its calls.
fn stepping(asked: &Arc<AtomicUsize>) -> TokenCache {
    let asked = Arc::clone(asked);
    TokenCache::new(move |_: AcquireContext| {
        asked.fetch_add(1, SeqCst);
        async {
            for _ in 0..5 {
                sleep(secs(0.1)).await;
            }
            Ok(Token::bearer("abc")?.with_lifetime(secs(3600.0)))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn p2_a_dropped_leader_is_not_noticed_at_any_await() {
    for step in 0..=5 {
        let (start, asked) = (Instant::now(), Arc::default());
        let cache = stepping(&asked);
        let mut leader = Box::pin(cache.get());
        assert!(poll_once(&mut leader).await.is_pending());
        let follower = tokio::spawn(cache.get());
        // Between two awaits of the source.
        sleep(secs(f64::from(step) * 0.1 - 0.05 * f64::from(step.min(1)))).await;
        drop(leader);
        follower.await.unwrap().unwrap();
        assert!((since(start) - 0.5).abs() < 0.01, "dropped at {step}: {}", since(start));
        assert_eq!(asked.load(SeqCst), 1, "dropped at {step}");
    }
}

#[tokio::test(start_paused = true)]
async fn p2_the_acquisition_continues_without_its_callers() {
    let asked = Arc::default();
    let cache = stepping(&asked);
    let mut leader = Box::pin(cache.get());
    assert!(poll_once(&mut leader).await.is_pending());
    drop(leader);
    sleep(secs(0.6)).await;
    assert_eq!(cache.current().unwrap().secret(), "abc");
    assert_eq!(asked.load(SeqCst), 1);
}

/// The task is aborted, as a server does when the client of a request disconnects.
#[tokio::test(start_paused = true)]
async fn p2_an_aborted_task_is_not_noticed() {
    let asked = Arc::default();
    let cache = stepping(&asked);
    let leader = tokio::spawn(cache.get());
    settle().await;
    let followers: Vec<_> = (0..100).map(|_| tokio::spawn(cache.get())).collect();
    settle().await;
    leader.abort();
    for (nth, follower) in followers.into_iter().enumerate() {
        if nth % 2 == 0 {
            follower.abort();
        } else {
            follower.await.unwrap().unwrap();
        }
    }
    assert_eq!(asked.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn p2_the_layers_future_may_be_dropped_while_it_waits() {
    let asked = Arc::default();
    let cache = stepping(&asked);
    let client = layered(&cache, Api::ok());
    let mut leader = Box::pin(client.clone().oneshot(request()));
    assert!(poll_once(&mut leader).await.is_pending());
    let follower = tokio::spawn({
        let client = client.clone();
        async move { call(&client).await.unwrap() }
    });
    settle().await;
    drop(leader);
    assert_eq!(follower.await.unwrap(), 200);
    assert_eq!(asked.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn p2_the_layers_future_may_be_dropped_while_it_waits_for_a_replacement() {
    let idp = Idp::new(|asked| token(asked.nth, 3600.0).after(0.5));
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let api = Api::accepting(|token| token != "t1");
    let client = layered(&cache, api.clone());
    let mut leader = Box::pin(client.clone().oneshot(request()));
    assert!(poll_once(&mut leader).await.is_pending());
    let mut follower = Box::pin(client.clone().oneshot(request()));
    assert!(poll_once(&mut follower).await.is_pending());
    drop(leader);
    assert_eq!(follower.await.unwrap().status(), 200);
    assert_eq!(idp.count(), 2);
    assert_eq!(api.tokens(), ["t1", "t2"], "one waited for the suspect token's replacement");
}

/// Dropped while the inner service is not ready, and while it works.
#[tokio::test(start_paused = true)]
async fn p2_the_layers_future_may_be_dropped_after_it_got_the_token() {
    let idp = Idp::healthy(3600.0, 0.5);
    let cache = idp.cache();
    let (mock, mut api) = tower_test::mock::pair::<_, http::Response<crate::support::Body>>();
    api.allow(1);
    let mut client = layered(&cache, mock);
    let mut leader: Pin<Box<_>> = Box::pin(client.ready().await.unwrap().call(request()));
    api.allow(0);
    assert!(poll_once(&mut leader).await.is_pending());
    sleep(secs(1.0)).await;
    assert!(poll_once(&mut leader).await.is_pending(), "it has a token, but the API is not ready");
    drop(leader);

    api.allow(1);
    let mut working = Box::pin(client.ready().await.unwrap().call(request()));
    assert!(poll_once(&mut working).await.is_pending());
    let (seen, _respond) = api.next_request().await.unwrap();
    assert_eq!(seen.headers()["authorization"], "Bearer t1");
    drop(working);

    api.allow(1);
    let calling = client.ready().await.unwrap().call(request());
    let (_, respond) = api.next_request().await.unwrap();
    respond.send_response(rejection());
    let mut replacing = Box::pin(calling);
    assert!(poll_once(&mut replacing).await.is_pending());
    drop(replacing);
    sleep(secs(1.0)).await;
    assert_eq!(cache.current().unwrap().secret(), "t2");
    assert_eq!(idp.count(), 2);
}
