//! tower's `Timeout`.

use std::time::Duration;

use tower::{ServiceBuilder, ServiceExt, timeout::error::Elapsed};

use crate::composition::{
    check::{Idle, composes, within},
    world::{Case, LATENCY, World, request, secs},
};

#[tokio::test(start_paused = true)]
async fn above() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().timeout(secs(30)).layer(ours).service(world.bottom())
    });
}

#[tokio::test(start_paused = true)]
async fn below() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(ours).timeout(secs(30)).service(world.bottom())
    });
}

/// Above the layer, the timeout covers the wait for the token. The token still arrives, for the
/// next request.
#[tokio::test(start_paused = true)]
async fn above_it_ends_the_wait_but_not_the_acquisition() {
    let world = World::new(Case::Cold).await;
    let client =
        ServiceBuilder::new().timeout(LATENCY * 2 / 3).layer(world.ours()).service(world.bottom());
    let error = within(client.clone().oneshot(request())).await.unwrap_err();
    assert!(error.is::<Elapsed>(), "{error}");
    assert_eq!(world.permits.available_permits(), 1);
    // A third of the latency remains: the request joins the acquisition that the first one started.
    assert_eq!(within(client.oneshot(request())).await.unwrap().status(), 200);
    assert_eq!((world.token_requests(), world.api.tokens()), (1, vec!["t1".to_owned()]));
}

/// Below the layer, the timeout covers the API only.
#[tokio::test(start_paused = true)]
async fn below_it_does_not_cover_the_wait() {
    for case in [Case::Cold, Case::Rejected] {
        let world = World::new(case).await;
        let client = ServiceBuilder::new()
            .layer(world.ours())
            .timeout(Duration::from_millis(1))
            .service(world.bottom());
        assert_eq!(within(client.oneshot(request())).await.unwrap().status(), 200, "{case:?}");
    }
}
