//! tower's `Buffer`.

use tokio::{task::JoinSet, time::timeout};
use tower::{ServiceBuilder, ServiceExt};

use crate::composition::{
    check::{Idle, composes, within},
    world::{Case, LATENCY, World, request},
};

#[tokio::test(start_paused = true)]
async fn above() {
    composes!(Idle::MayKeepReady, |world, ours| {
        ServiceBuilder::new().buffer(1).layer(ours).service(world.bottom())
    });
}

#[tokio::test(start_paused = true)]
async fn below() {
    composes!(Idle::MayKeepReady, |world, ours| {
        ServiceBuilder::new().layer(ours).buffer(1).service(world.bottom())
    });
}

/// Each request holds a slot of the buffer from its readiness on. A request that waits for a token
/// holds none. Otherwise the second would not become ready.
#[tokio::test(start_paused = true)]
async fn below_no_slot_is_held_while_a_request_waits() {
    let world = World::new(Case::Cold).await;
    let mut client = ServiceBuilder::new().layer(world.ours()).buffer(1).service(world.bottom());
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let ready = timeout(LATENCY / 2, client.ready()).await.expect("the place is held");
        calls.spawn(tower::Service::call(ready.unwrap(), request()));
    }
    for result in within(calls.join_all()).await {
        assert_eq!(result.unwrap().status(), 200);
    }
    assert_eq!((world.token_requests(), world.api.flying()), (1, 0));
    assert_eq!(world.permits.available_permits(), 1);
}

/// A worker that calls the layer does not wait for a token. Requests behind a waiting one are not
/// delayed, although there is one worker.
#[tokio::test(start_paused = true)]
async fn above_the_worker_does_not_wait_for_tokens() {
    let world = World::new(Case::Cold).await;
    let client = ServiceBuilder::new().buffer(1).layer(world.ours()).service(world.bottom());
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        calls.spawn(timeout(LATENCY * 2, client.clone().oneshot(request())));
    }
    for result in within(calls.join_all()).await {
        assert_eq!(result.expect("it waited in a row").unwrap().status(), 200);
    }
    assert_eq!(world.token_requests(), 1);
}
