//! The requirements for every stack.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use http::{Request, Response};
use tokio::time::{sleep, timeout};
use tower::{Service, ServiceExt};
use tower_oauth2_client_credentials::{BoxError, Error};

use crate::composition::{
    bottom::Body,
    world::{Case, Tokens, World, request, secs},
};

/// Resources that a stack may keep while no request is in flight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Idle {
    /// None of the inner service.
    ReleasesAll,
    /// A ready service of a dropped request, for the next one: tower's `Buffer` and `Balance` keep
    /// it.
    MayKeepReady,
}

/// Checks a stack with the layer of one cache, and with the layer of a keyed cache.
macro_rules! composes {
    ($idle:expr, |$world:ident, $ours:ident| $stack:expr) => {{
        use $crate::composition::{check::composes_with, world::Tokens};
        let stack = |$world: &$crate::composition::world::World| {
            let $ours = $world.ours();
            $stack
        };
        composes_with($idle, Tokens::One, stack).await;
        let stack = |$world: &$crate::composition::world::World| {
            let $ours = $world.keyed();
            $stack
        };
        composes_with($idle, Tokens::Keyed, stack).await;
    }};
}

pub(crate) use composes;

/// A request is authorized, a rejected token replaced, and an error passed on. Wherever a request
/// is dropped, its permit is returned and the next one succeeds.
pub(crate) async fn composes_with<S, R>(idle: Idle, tokens: Tokens, stack: impl Fn(&World) -> S)
where
    S: Service<Request<Body>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    for case in Case::ALL {
        let world = World::of(case, tokens).await;
        let stack_of = &stack(&world);
        completes(case, &world, stack_of.clone()).await;
        for drops in [Drops::All, Drops::Call] {
            let polls = dropped_at_each_await(case, tokens, idle, drops, &stack).await;
            assert!(polls >= 2, "{case:?}: it never waited");
        }
    }
}

async fn completes<S, R>(case: Case, world: &World, mut service: S)
where
    S: Service<Request<Body>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    let called = async { service.ready().await?.call(request()).await };
    let result = within(called).await.map_err(Into::into);
    let outcome = result.map(|response| response.status().as_u16());
    let (tokens, token_requests) = (world.api.tokens(), world.token_requests());
    match case {
        Case::Fresh | Case::Cold => {
            assert_eq!((outcome.unwrap(), token_requests), (200, 1), "{case:?}");
            assert_eq!(tokens, ["t1"], "{case:?}");
        }
        Case::Rejected => {
            assert_eq!((outcome.unwrap(), token_requests), (200, 2));
            assert_eq!(tokens, ["t1", "t2"]);
        }
        Case::Broken => {
            assert_eq!(outcome.unwrap_err().to_string(), "broken pipe");
            assert_eq!(tokens, ["t1"]);
        }
        Case::NoToken => {
            let error = outcome.unwrap_err();
            let error = error.downcast_ref::<Error>().expect("an error of this crate");
            assert_eq!(error.code(), "server_error");
            assert!(tokens.is_empty(), "it was not sent");
        }
    }
    assert_eq!(world.api.flying(), 0);
    assert_eq!(world.permits.available_permits(), 1, "{case:?}");
}

/// The part that a caller drops.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Drops {
    /// The service with the call, at any time after the wait for readiness began.
    All,
    /// The call. The service is kept and called again.
    Call,
}

/// Drops a request before its first poll, another one after one poll, one after two, and so on
/// until one completes. Returns the number of polls.
async fn dropped_at_each_await<S, R>(
    case: Case,
    tokens: Tokens,
    idle: Idle,
    drops: Drops,
    stack: impl Fn(&World) -> S,
) -> usize
where
    S: Service<Request<Body>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    for polls in 0.. {
        assert!(polls < 100, "{case:?}: no end");
        let mut all_completed = true;
        // At once when it is pending, or later, when it was woken and not polled.
        for woken in [false, true] {
            let world = World::of(case, tokens).await;
            let mut service = stack(&world);
            let completed = match drops {
                Drops::All => {
                    let mut owned = service.clone();
                    let whole = async move { owned.ready().await?.call(request()).await };
                    cut(Box::pin(whole), polls, woken).await
                }
                Drops::Call => match service.ready().await.map(|ready| ready.call(request())) {
                    Ok(call) => cut(Box::pin(call), polls, woken).await,
                    Err(_) => panic!("it was not ready"),
                },
            };
            all_completed &= completed;
            let place = format!("{case:?}, {drops:?}, {polls} polls, woken: {woken}");
            recovers(&place, idle, &world, service).await;
        }
        if all_completed {
            return polls;
        }
    }
    unreachable!("the loop has no end")
}

/// Polls a future up to `polls` times, each time after it is woken, then drops it. Returns whether
/// it completed.
pub(crate) async fn cut<F: Future>(mut future: Pin<Box<F>>, polls: usize, woken: bool) -> bool {
    let mut left = polls;
    let cutting = poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(false);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(_) => Poll::Ready(true),
            Poll::Pending if left == 0 && !woken => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    });
    within(cutting).await
}

/// Far longer than any step of these tests.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    timeout(secs(600), future).await.expect("a deadlock")
}

/// A dropped request leaves nothing behind, and the next one succeeds.
async fn recovers<S, R>(place: &str, idle: Idle, world: &World, mut service: S)
where
    S: Service<Request<Body>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    world.heal();
    if idle == Idle::ReleasesAll {
        assert_eq!(world.permits.available_permits(), 1, "{place}: at once");
    }
    // Longer than any cooldown.
    sleep(secs(120)).await;
    assert_eq!(world.api.flying(), 0, "{place}");
    let next = async { service.ready().await?.call(request()).await };
    let response = match timeout(secs(60), next).await {
        Ok(result) => result.map_err(Into::into).unwrap_or_else(|error| panic!("{place}: {error}")),
        Err(_) => panic!("{place}: a deadlock"),
    };
    assert_eq!(response.status(), 200, "{place}");
    assert_eq!(world.permits.available_permits(), 1, "{place}: after the next");
    assert!(world.token_requests() <= 2, "{place}: {} token requests", world.token_requests());
}
