//! tower's `ConcurrencyLimit` and `LoadShed`.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{
    Service, ServiceBuilder, ServiceExt,
    limit::{ConcurrencyLimit, GlobalConcurrencyLimitLayer},
    load_shed::error::Overloaded,
};

use crate::composition::{
    bottom::{Api, answer, rejection},
    check::{Idle, composes, within},
    world::{Case, LATENCY, World, request, secs},
};

#[tokio::test(start_paused = true)]
async fn a_limit_below() {
    // All stacks have a limit. This one has nothing else.
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(ours).service(world.bottom())
    });
}

/// A limit above the layer and one below. The upper one counts the whole request.
#[tokio::test(start_paused = true)]
async fn a_limit_above() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().concurrency_limit(1).layer(ours).service(world.bottom())
    });
}

/// A request that waits for its token holds the permits above, and none below.
#[tokio::test(start_paused = true)]
async fn a_limit_above_counts_requests_that_wait() {
    let world = World::new(Case::Cold).await;
    let above = Arc::new(Semaphore::new(2));
    let mut client = ServiceBuilder::new()
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(&above)))
        .layer(world.ours())
        .service(world.bottom());
    let first = within(client.ready()).await.unwrap().call(request());
    assert_eq!((above.available_permits(), world.permits.available_permits()), (1, 1));
    let second = within(client.ready()).await.unwrap().call(request());
    assert_eq!((above.available_permits(), world.permits.available_permits()), (0, 1));
    drop(first);
    assert_eq!(above.available_permits(), 1);
    assert_eq!(within(second).await.unwrap().status(), 200);
    assert_eq!((above.available_permits(), world.permits.available_permits()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn load_shed_above() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().load_shed().layer(ours).service(world.prompt_bottom())
    });
}

/// The replay is not shed either, because the permit of the first attempt is free by then.
#[tokio::test(start_paused = true)]
async fn load_shed_below() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(ours).load_shed().service(world.prompt_bottom())
    });
}

/// One permit. A request that waits for a token holds none, so none is shed.
#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_a_token_shed_no_others() {
    let world = World::new(Case::Cold).await;
    let client =
        ServiceBuilder::new().load_shed().layer(world.ours()).service(world.prompt_bottom());
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        calls.spawn(client.clone().oneshot(request()));
    }
    for result in within(calls.join_all()).await {
        assert_eq!(result.unwrap().status(), 200);
    }
    assert_eq!(world.permits.available_permits(), 1);
    // With the permit taken, the next request is shed, and the layer is not called.
    let _taken = Arc::clone(&world.permits).acquire_owned().await.unwrap();
    let error = within(client.oneshot(request())).await.unwrap_err();
    assert!(error.is::<Overloaded>(), "{error}");
}

/// Hundreds of requests between two limits, many of them dropped at some time, while tokens expire
/// and every third is rejected.
#[tokio::test(start_paused = true)]
async fn no_permit_is_lost_under_load() {
    const EACH: usize = 3;
    let api = Api::new(|seen| match seen.token[1..].parse::<usize>().unwrap() % 3 {
        2 => Ok(rejection()),
        _ => Ok(answer(StatusCode::OK)),
    });
    let world = World::around(api, secs(2));
    let above = Arc::new(Semaphore::new(EACH));
    let below = Arc::new(Semaphore::new(EACH));
    let client = ServiceBuilder::new()
        .layer(GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(&above)))
        .layer(world.ours())
        .service(ConcurrencyLimit::with_semaphore(world.api.clone(), Arc::clone(&below)));
    let mut calls = JoinSet::new();
    for nth in 0..600_u32 {
        let client = client.clone();
        calls.spawn(async move {
            sleep(Duration::from_millis(15) * nth).await;
            // From far too short to long enough. The numbers are primes, so that all combinations
            // occur.
            let patience = LATENCY * (nth % 23) / 7;
            timeout(patience, client.oneshot(request())).await.is_ok_and(|result| result.is_ok())
        });
    }
    let outcomes = within(calls.join_all()).await;
    let served = outcomes.iter().filter(|served| **served).count();
    assert!((100..600).contains(&served), "{served} were served");
    assert!(world.token_requests() > 3, "tokens expired");
    assert_eq!((above.available_permits(), below.available_permits()), (EACH, EACH));
    assert_eq!(world.api.flying(), 0);
}
