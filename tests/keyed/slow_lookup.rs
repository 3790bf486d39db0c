//! A lookup that takes long, because it runs code of the user.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, advance, sleep_until};
use tower::{Layer, ServiceExt, service_fn};
use tower_oauth2_client_credentials::{
    Error, KeyedTokenCache, OAuthClientCredentialsLayer, Origins, Token, layer::RequestHead,
    replay::NoReplay, source::AcquireContext,
};

/// Advances the paused clock when it is dropped, as a slow destructor would.
struct Slow;

impl Drop for Slow {
    fn drop(&mut self) {
        // Moves the paused clock at its first poll.
        let _ = pin!(advance(secs(4.2))).poll(&mut Context::from_waker(Waker::noop()));
    }
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The request for key 2 evicts the idle key 1, and so runs its slow destructor.
#[tokio::test(start_paused = true)]
async fn a_token_that_expires_during_the_lookup_is_not_sent() {
    let start = Instant::now();
    let tokens = KeyedTokenCache::builder(move |key: &u32| {
        let slow = Arc::new((*key == 1).then(|| Slow));
        Ok(move |_: AcquireContext| {
            let _slow = &slow;
            let issued_at = start.elapsed().as_millis();
            async move {
                Ok::<_, Error>(Token::bearer(format!("at-{issued_at}"))?.with_lifetime(secs(4.0)))
            }
        })
    });
    let tokens = tokens.idle_time(secs(8.0)).build();
    drop(tokens.get(&1).await.unwrap());
    sleep_until(start + secs(8.8)).await;
    drop(tokens.get(&2).await.unwrap());
    sleep_until(start + secs(9.1)).await;
    let inner = service_fn(|request: Request<()>| async move {
        let token = request.headers()["authorization"].to_str().unwrap().to_owned();
        Ok::<_, Error>(Response::new(token))
    });
    let layer =
        OAuthClientCredentialsLayer::keyed(tokens, Origins::any(), |_: &RequestHead<'_>| Some(2));
    let layer = layer.replay(NoReplay);
    let request = Request::get("https://api.example.com/").body(()).unwrap();
    let sent = layer.layer(inner).oneshot(request).await.unwrap().into_body();
    assert!(start.elapsed() > secs(13.0), "the lookup should take 4.2 s");
    // 9.1 s + 4.2 s.
    assert_eq!(sent, "Bearer at-13300");
}
