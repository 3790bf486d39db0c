//! An inner service whose `poll_ready` takes time.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use http::{Request, Response};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, Service, ServiceExt};
use tower_oauth2_client_credentials::{
    Error, OAuthClientCredentialsLayer, Origins, Token, TokenCache, source::AcquireContext,
};

use crate::support::{Body, request};

/// Blocks its thread in `poll_ready`, once.
#[derive(Clone)]
struct Blocking {
    blocks_for: Arc<Mutex<Option<Duration>>>,
    sent: Arc<Mutex<Vec<String>>>,
}

impl Service<Request<Body>> for Blocking {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if let Some(time) = self.blocks_for.lock().unwrap().take() {
            // Moves the paused clock at its first poll.
            let _ = pin!(advance(time)).poll(&mut Context::from_waker(Waker::noop()));
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let token = request.headers()["authorization"].to_str().unwrap().to_owned();
        self.sent.lock().unwrap().push(token);
        ready(Ok(Response::new(Body::default())))
    }
}

/// The token expires in the meantime.
#[tokio::test(start_paused = true)]
async fn a_token_that_expires_while_poll_ready_blocks_is_not_sent() {
    let issued = Arc::new(Mutex::new(0));
    let tokens = TokenCache::new({
        let issued = Arc::clone(&issued);
        move |_: AcquireContext| {
            let mut issued = issued.lock().unwrap();
            *issued += 1;
            let (number, age) = (*issued, if *issued == 1 { 8.6 } else { 0.0 });
            async move {
                sleep(Duration::from_millis(100)).await;
                let token = Token::bearer(format!("t{number}"))?;
                let issued_at = Instant::now() - Duration::from_secs_f64(age);
                // It is used for 9 s.
                Ok::<_, Error>(
                    token.with_lifetime(Duration::from_secs(10)).with_issued_at(issued_at),
                )
            }
        }
    });
    let service = Blocking { blocks_for: Arc::default(), sent: Arc::default() };
    let layer = OAuthClientCredentialsLayer::new(tokens, Origins::any());
    let mut client = layer.layer(service.clone());
    let response = client.ready().await.unwrap().call(request());
    *service.blocks_for.lock().unwrap() = Some(Duration::from_millis(500));
    response.await.unwrap();
    assert_eq!(*service.sent.lock().unwrap(), ["Bearer t2"]);
}
