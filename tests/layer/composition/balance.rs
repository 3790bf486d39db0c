//! tower's `Balance`. It is not `Clone`, so a `Buffer` is put above it, as in tower.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http::{Request, StatusCode};
use tokio::sync::Semaphore;
use tower::{
    Service, ServiceBuilder, ServiceExt,
    balance::p2c::Balance,
    discover::ServiceList,
    limit::ConcurrencyLimit,
    load::{CompleteOnResponse, Constant, PeakEwma},
};

use crate::composition::{
    bottom::{Api, Body, answer},
    check::{Idle, composes, cut, within},
    world::{Case, World, request, secs},
};

fn peak_ewma<S>(service: S) -> PeakEwma<S> {
    let completion = CompleteOnResponse::default();
    PeakEwma::new(service, Duration::from_millis(10), 1e9, completion)
}

/// A ready endpoint keeps its reserved capacity until the next call, for any caller.
#[tokio::test(start_paused = true)]
async fn above() {
    composes!(Idle::MayKeepReady, |world, ours| {
        let endpoint = ServiceBuilder::new().layer(ours).service(world.bottom());
        let endpoints = ServiceList::new::<Request<Body>>([peak_ewma(endpoint)]);
        ServiceBuilder::new().buffer(1).service(Balance::new(endpoints))
    });
}

#[tokio::test(start_paused = true)]
async fn below() {
    composes!(Idle::MayKeepReady, |world, ours| {
        let endpoints = ServiceList::new::<Request<Body>>([Constant::new(world.bottom(), 1)]);
        ServiceBuilder::new().layer(ours).buffer(1).service(Balance::new(endpoints))
    });
}

/// Without a `Buffer`: owned, and called by `&mut`. Each endpoint has the layer, and all share one
/// cache. Every third request is dropped, most of them halfway.
#[tokio::test(start_paused = true)]
async fn several_endpoints_share_a_cache_and_lose_no_permit() {
    let world = World::new(Case::Cold).await;
    let apis = [0; 3].map(|_| Api::new(|_| Ok(answer(StatusCode::OK))));
    let permits = [0; 3].map(|_| Arc::new(Semaphore::new(1)));
    let endpoints = [0, 1, 2].map(|nth| {
        let limited = ConcurrencyLimit::with_semaphore(apis[nth].clone(), permits[nth].clone());
        Constant::new(ServiceBuilder::new().layer(world.ours()).service(limited), 1)
    });
    let mut client = Balance::new(ServiceList::new::<Request<Body>>(endpoints));
    for nth in 0..90 {
        let called = within(client.ready()).await.unwrap().call(request());
        if nth % 3 == 0 {
            cut(Box::pin(called), nth / 3 % 3, false).await;
        } else {
            assert_eq!(within(called).await.unwrap().status(), 200);
        }
        tokio::time::advance(secs(1)).await;
    }
    drop(client);
    for (api, permits) in apis.iter().zip(&permits) {
        assert_eq!((permits.available_permits(), api.flying()), (1, 0));
        assert!(!api.seen().is_empty(), "balanced");
    }
    let tokens: BTreeSet<_> = apis.iter().flat_map(Api::tokens).collect();
    assert_eq!((tokens.len(), world.token_requests()), (1, 1));
}
