//! `OAuthClientCredentialsMiddleware` keeps the layer's promises under reqwest-middleware.

use std::{
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Extensions, StatusCode};
use reqwest::{Body, Request, Response};
use reqwest_middleware::{ClientBuilder, Middleware, Next, Result};
use reqwest_retry::{
    RetryTransientMiddleware, Retryable, RetryableStrategy, policies::ExponentialBackoff,
};
use tokio::task::JoinSet;
use tower_oauth2_client_credentials::{
    BoxError, ErrorKind, OAuthClientCredentialsLayer,
    layer::{ExistingAuthorization, SkipToken, WithoutToken},
    middleware::OAuthClientCredentialsMiddleware,
    replay::{BufferBodies, NoReplay},
    testing::MockResponse,
};

use crate::support::{Stage, ours, stream};

#[tokio::test]
async fn p1_a_cold_start_of_a_hundred_is_one_token_request() {
    let stage = Stage::new().await;
    stage.idp.set_delay(Duration::from_millis(50));
    let client = stage.client();
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        calls.spawn(client.get(stage.url()).send());
    }
    for answer in calls.join_all().await {
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
    assert_eq!((stage.idp.token_requests(), stage.api.accepted()), (1, 100));
}

#[tokio::test]
async fn p7_after_a_401_the_token_is_replaced_and_the_request_replayed() {
    let stage = Stage::new().await;
    let client = stage.client();
    assert_eq!(client.get(stage.url()).send().await.unwrap().status(), StatusCode::OK);
    stage.idp.revoke_all();
    let url = stage.url() + "?a=b";
    let post = client.post(&url).header("x-kept", "yes").body("hello");
    let response = post.send().await.unwrap();
    assert_eq!((response.status(), response.url().as_str()), (StatusCode::OK, &*url));
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.text().await.unwrap(), r#"{"status":"ok"}"#);

    assert_eq!((stage.idp.token_requests(), stage.api.requests()), (2, 3));
    let [_, first, second] = &stage.api.recorded()[..] else { panic!("three were recorded") };
    assert_eq!((&first.body, &first.uri), (&second.body, &second.uri));
    assert_eq!((first.header("x-kept"), second.header("x-kept")), (Some("yes"), Some("yes")));
    assert_ne!(first.header("authorization"), second.header("authorization"));
}

/// An API that rejects everything. A request is sent at most twice, and gets its own response.
#[tokio::test]
async fn p7_a_request_is_replayed_once() {
    let stage = Stage::new().await;
    stage.api.always_reject(true);
    let client = stage.client();
    let response = client.get(stage.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key("www-authenticate"));
    assert_eq!(stage.api.requests(), 2);
    // With the rejection budget used up, a request gets its 401 at once.
    for _ in 0..3 {
        client.get(stage.url()).send().await.unwrap();
    }
    let requests = stage.api.requests();
    assert!(requests <= 8, "{requests} requests");
    let response = client.get(stage.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!((stage.api.requests(), stage.idp.token_requests()), (requests + 1, 4));
}

#[tokio::test]
async fn p7_a_stream_gets_its_401_back_and_the_token_is_replaced() {
    let stage = Stage::new().await;
    let client = stage.client();
    client.get(stage.url()).send().await.unwrap();
    stage.idp.revoke_all();
    let post = client.post(stage.url()).body(stream("hello"));
    assert_eq!(post.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.api.requests(), 2);
    assert_eq!(client.get(stage.url()).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!((stage.idp.token_requests(), stage.api.accepted()), (2, 2));
}

#[tokio::test]
async fn the_layers_replay_policies_are_the_middlewares() {
    let stage = Stage::new().await;
    let tokens = stage.tokens();
    let layer = OAuthClientCredentialsLayer::new(tokens, stage.origins());
    let buffering = layer.clone().replay(BufferBodies::<Body>::new(1024, Body::wrap));
    for (again, middleware) in [
        (true, Arc::new(OAuthClientCredentialsMiddleware::from(buffering)) as Arc<dyn Middleware>),
        (false, Arc::new(OAuthClientCredentialsMiddleware::from(layer.replay(NoReplay)))),
    ] {
        let http = stage.http.client().clone();
        let client = ClientBuilder::new(http).with_arc(middleware).build();
        client.get(stage.url()).send().await.unwrap();
        stage.idp.revoke_all();
        let answer = client.post(stage.url()).body(stream("hello")).send().await.unwrap();
        assert_eq!(answer.status().is_success(), again);
    }
    let bodies: Vec<_> = stage.api.recorded().iter().map(|it| it.body.clone()).collect();
    assert_eq!(bodies, ["", "hello", "hello", "", "hello"]);
}

#[tokio::test]
async fn p9_another_origin_gets_no_token() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    let response = stage.client().get(other.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!((other.authorizations(), stage.idp.token_requests()), (vec![None], 0));

    let layer = OAuthClientCredentialsLayer::new(stage.tokens(), stage.origins());
    let middleware = OAuthClientCredentialsMiddleware::from(layer.withheld(WithoutToken::Refuse));
    let client = ClientBuilder::new(stage.http.client().clone()).with(middleware).build();
    let error = client.get(other.url()).send().await.unwrap_err();
    assert_eq!(ours(&error).unwrap().kind(), ErrorKind::Refused);
    assert_eq!(other.api.requests(), 1);
}

#[tokio::test]
async fn p9_a_request_with_its_own_authorization_passes() {
    let stage = Stage::new().await;
    let get = || stage.client().get(stage.url()).bearer_auth("own");
    assert_eq!(get().send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.authorizations(), [Some("Bearer own".to_owned())]);
    assert_eq!((stage.api.requests(), stage.idp.token_requests()), (1, 0));

    let layer = OAuthClientCredentialsLayer::new(stage.tokens(), stage.origins());
    let layer = layer.existing_authorization(ExistingAuthorization::Replace);
    let middleware = OAuthClientCredentialsMiddleware::from(layer);
    let client = ClientBuilder::new(stage.http.client().clone()).with(middleware).build();
    let response = client.get(stage.url()).bearer_auth("own").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_request_with_skip_token_is_sent_unchanged() {
    let stage = Stage::new().await;
    let request = stage.client().get(stage.url()).with_extension(SkipToken);
    assert_eq!(request.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!((stage.authorizations(), stage.idp.token_requests()), (vec![None], 0));
}

#[tokio::test]
async fn errors_are_this_crates_or_the_inner_clients() {
    let stage = Stage::new().await;
    stage.idp.always(MockResponse::OAuthError { status: 401, code: "invalid_client" });
    let client = stage.client();
    let error = client.get(stage.url()).send().await.unwrap_err();
    let error = ours(&error).unwrap();
    assert_eq!((error.code(), error.is_permanent()), ("invalid_client", true));
    assert_eq!(stage.api.requests(), 0);

    stage.idp.recover();
    let client = stage.client();
    client.get(stage.url()).send().await.unwrap();
    let url = stage.url();
    let Stage { api_server, .. } = stage;
    api_server.shutdown().await;
    let error = client.get(url).send().await.unwrap_err();
    assert!(error.is_connect() && !error.is_middleware(), "{error:?}");
}

/// reqwest-retry wraps an error once if it retried, and otherwise differently.
#[tokio::test]
async fn an_error_is_found_below_reqwest_retry() {
    struct Always(fn() -> Option<Retryable>);
    impl RetryableStrategy for Always {
        fn handle(&self, _: &Result<Response>) -> Option<Retryable> {
            (self.0)()
        }
    }
    let stage = Stage::new().await;
    stage.idp.always(MockResponse::OAuthError { status: 401, code: "invalid_client" });
    let policy = ExponentialBackoff::builder()
        .retry_bounds(Duration::ZERO, Duration::ZERO)
        .build_with_max_retries(2);
    let strategies: [fn() -> Option<Retryable>; 3] =
        [|| Some(Retryable::Transient), || Some(Retryable::Fatal), || None];
    for strategy in strategies {
        let retries =
            RetryTransientMiddleware::new_with_policy_and_strategy(policy, Always(strategy));
        let client = ClientBuilder::new(stage.http.client().clone())
            .with(retries)
            .with(OAuthClientCredentialsMiddleware::new(stage.tokens(), stage.origins()))
            .build();
        let error = client.get(stage.url()).send().await.unwrap_err();
        let found =
            tower_oauth2_client_credentials::Error::find(&error).expect("an error of this crate");
        assert_eq!((found.code(), found.is_permanent()), ("invalid_client", true));
        let boxed: BoxError = error.into();
        let found = tower_oauth2_client_credentials::Error::find(&*boxed);
        assert_eq!(found.map(|it| it.code()), Some("invalid_client"));
    }
}

/// A downcast works too if no retry is above.
#[tokio::test]
async fn an_error_is_found_by_downcast_where_no_retry_is_above() {
    let stage = Stage::new().await;
    stage.idp.always(MockResponse::OAuthError { status: 401, code: "invalid_client" });
    let error = stage.client().get(stage.url()).send().await.unwrap_err();
    let reqwest_middleware::Error::Middleware(error) = error else { panic!("{error:?}") };
    let ours = error.downcast_ref::<tower_oauth2_client_credentials::Error>().unwrap();
    assert_eq!(ours.code(), "invalid_client");
    assert!(error.to_string().starts_with("client '"), "{error}");
    assert!(error.to_string().contains("': invalid_client: "), "{error}");
}

/// reqwest keeps the extension in a place that only reqwest can read.
#[tokio::test]
async fn a_requests_own_timeout_is_kept() {
    let stage = Stage::new().await;
    let client = stage.client();
    client.get(stage.url()).send().await.unwrap();
    stage.api.set_delay(Duration::from_secs(3600));
    let get = client.get(stage.url()).timeout(Duration::from_millis(20));
    assert!(get.send().await.unwrap_err().is_timeout());
}

/// Records each sent request: its token, its body, and its number.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<(bool, bool, usize)>>>);

/// The number of times that a request passed.
#[derive(Clone)]
struct Sendings(usize);

#[async_trait::async_trait]
impl Middleware for Noting {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let sendings = extensions.get_or_insert_with(|| Sendings(0));
        sendings.0 += 1;
        let token = request.headers().contains_key("authorization");
        assert_eq!(request.url().fragment(), Some("kept"));
        self.0.lock().unwrap().push((token, request.body().is_some(), sendings.0));
        next.run(request, extensions).await
    }
}

/// A middleware above sees a request once and without a token. One below sees each sent request.
/// The extensions are the same everywhere.
#[tokio::test]
async fn the_order_of_middlewares_is_that_of_a_stack() {
    let stage = Stage::new().await;
    let (above, below) = (Noting::default(), Noting::default());
    let ours = OAuthClientCredentialsMiddleware::new(stage.tokens(), stage.origins());
    let client = ClientBuilder::new(stage.http.client().clone())
        .with(above.clone())
        .with(ours)
        .with(below.clone())
        .build();
    let url = stage.url() + "#kept";
    client.get(&url).send().await.unwrap();
    stage.idp.revoke_all();
    let answer = client.post(&url).body("hello").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let noted = |noting: &Noting| mem::take(&mut *noting.0.lock().unwrap());
    assert_eq!(noted(&above), [(false, false, 1), (false, true, 1)]);
    assert_eq!(noted(&below), [(true, false, 2), (true, true, 2), (true, true, 3)]);
}

/// Builds responses itself, as a cache does, and thereby loses their URL.
struct Remaking;

#[async_trait::async_trait]
impl Middleware for Remaking {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let answer: http::Response<Body> = next.run(request, extensions).await?.into();
        Ok(answer.into())
    }
}

#[tokio::test]
async fn p7_an_answer_that_lost_its_url_is_still_classified() {
    let stage = Stage::new().await;
    let ours = OAuthClientCredentialsMiddleware::new(stage.tokens(), stage.origins());
    let http = stage.http.client().clone();
    let client = ClientBuilder::new(http).with(ours).with(Remaking).build();
    client.get(stage.url()).send().await.unwrap();
    stage.idp.revoke_all();
    let answer = client.get(stage.url()).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!((stage.idp.token_requests(), stage.api.requests()), (2, 3));
}
