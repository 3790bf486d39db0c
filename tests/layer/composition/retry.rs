//! tower's `Retry`.

use std::future::{Future, Ready};

use http::{Request, Response, StatusCode};
use tokio::time::sleep;
use tower::{ServiceBuilder, ServiceExt, retry::Policy};
use tower_oauth2_client_credentials::BoxError;

use crate::composition::{
    bottom::{Api, Body, answer, rejection},
    check::{Idle, composes, within},
    world::{World, request, secs},
};

/// Retries after a 503 up to a limit, at once or after a delay.
#[derive(Clone)]
pub(crate) struct Unavailable<F> {
    left: usize,
    pause: F,
}

impl<F, Fut> Policy<Request<Body>, Response<Body>, BoxError> for Unavailable<F>
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()>,
{
    type Future = Fut;

    fn retry(
        &mut self,
        _: &mut Request<Body>,
        result: &mut Result<Response<Body>, BoxError>,
    ) -> Option<Fut> {
        let unavailable =
            matches!(result, Ok(it) if it.status() == StatusCode::SERVICE_UNAVAILABLE);
        self.left = self.left.checked_sub(usize::from(unavailable))?;
        unavailable.then(|| (self.pause)())
    }

    fn clone_request(&mut self, request: &Request<Body>) -> Option<Request<Body>> {
        Some(request.clone())
    }
}

pub(crate) fn at_once() -> Unavailable<impl Fn() -> Ready<()> + Clone> {
    Unavailable { left: 3, pause: || std::future::ready(()) }
}

/// Unavailable until this many requests arrived.
fn unavailable_until(count: usize) -> Api {
    Api::new(move |seen| match seen.token.as_str() {
        _ if seen.nth < count => Ok(answer(StatusCode::SERVICE_UNAVAILABLE)),
        "t1" if seen.nth == count => Ok(rejection()),
        _ => Ok(answer(StatusCode::OK)),
    })
}

#[tokio::test(start_paused = true)]
async fn above() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().retry(at_once()).layer(ours).service(world.bottom())
    });
}

#[tokio::test(start_paused = true)]
async fn below() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(ours).retry(at_once()).service(world.bottom())
    });
}

/// Above the layer, each attempt gets the cached token, and none carries an old one.
#[tokio::test(start_paused = true)]
async fn above_each_attempt_gets_the_current_token() {
    let world = World::around(unavailable_until(3), secs(10));
    let policy = Unavailable { left: 3, pause: || sleep(secs(20)) };
    let client = ServiceBuilder::new().retry(policy).layer(world.ours()).service(world.bottom());
    assert_eq!(within(client.oneshot(request())).await.unwrap().status(), 200);
    assert_eq!(world.api.tokens(), ["t1", "t2", "t3"]);
    assert_eq!(world.permits.available_permits(), 1);
}

/// Below the layer, all attempts carry the same token, and the final 401 is replaced.
#[tokio::test(start_paused = true)]
async fn below_all_attempts_carry_the_same_token() {
    let world = World::around(unavailable_until(3), secs(3600));
    let client = ServiceBuilder::new().layer(world.ours()).retry(at_once()).service(world.bottom());
    assert_eq!(within(client.oneshot(request())).await.unwrap().status(), 200);
    assert_eq!(world.api.tokens(), ["t1", "t1", "t1", "t2"]);
    assert_eq!(world.token_requests(), 2);
    assert_eq!(world.permits.available_permits(), 1);
}
