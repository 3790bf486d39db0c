//! A request whose future is polled late, such as one in a stream with back-pressure.

use std::{
    convert::Infallible,
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, OAuthClientCredentialsLayer, Origins, Token, TokenCache,
    source::AcquireContext,
};

use crate::support::{Body, request};

/// Polls a request, first at once and then after each of the pauses, in seconds. Returns its result with
/// the time and the number of acquisitions.
async fn polled_after(
    pauses: &[f64],
    lifetime: u64,
) -> (Result<(), Option<ErrorKind>>, Duration, u32) {
    let acquisitions = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&acquisitions);
    let tokens = TokenCache::new(move |_: AcquireContext| {
        counter.fetch_add(1, SeqCst);
        async move {
            sleep(Duration::from_millis(100)).await;
            Ok::<_, Error>(Token::bearer("abc")?.with_lifetime(Duration::from_secs(lifetime)))
        }
    });
    let inner = service_fn(|_: Request<Body>| async {
        Ok::<_, Infallible>(Response::new(Body::default()))
    });
    let client = OAuthClientCredentialsLayer::new(tokens, Origins::any()).layer(inner);
    let start = Instant::now();
    let mut call = pin!(client.oneshot(request()));
    let mut pauses = pauses.iter();
    loop {
        if let Poll::Ready(result) = call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            let result = result.map(drop).map_err(|error| Error::find(&*error).map(Error::kind));
            return (result, start.elapsed(), acquisitions.load(SeqCst));
        }
        sleep(Duration::from_secs_f64(*pauses.next().expect("it is ready by now"))).await;
    }
}

/// The inner service was ready at each poll, so the request must not fail as if it had been slow.
#[tokio::test(start_paused = true)]
async fn tokens_that_expire_before_the_poll_are_replaced() {
    let (result, elapsed, acquisitions) = polled_after(&[5.0, 5.0, 5.0, 0.2], 2).await;
    assert_eq!((result, acquisitions), (Ok(()), 4), "{elapsed:?}");
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_does_not_restart_the_deadline() {
    let (result, elapsed, _) = polled_after(&[25.0; 4], 20).await;
    assert_eq!((result, elapsed.as_secs()), (Err(Some(ErrorKind::WaitTimeout)), 50));
}
