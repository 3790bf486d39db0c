//! Redirects that reqwest follows below the middleware, and a follower above the layer.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Empty;
use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_oauth2_client_credentials::{
    Event, OAuthClientCredentialsLayer, Origins, TokenCache, event::EventKind, layer::SkipToken,
    middleware::OAuthClientCredentialsMiddleware, testing::MockResponse,
    transport::same_origin_redirects,
};

use crate::support::{Stage, direct, redirect};

/// The first server redirects `/things` to another origin, which redirects within itself.
async fn redirecting() -> (Stage, Stage) {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    let there = format!("{}/first", other.api_server.url());
    stage.api.respond_with(move |request| match request.uri.path() {
        "/moved" => Some(redirect(302, "/there".into())),
        "/things" => Some(redirect(302, there.clone())),
        _ => None,
    });
    other.api.respond_with(|request| {
        (request.uri.path() == "/first").then(|| redirect(302, "/second".into()))
    });
    (stage, other)
}

fn carried(stage: &Stage) -> Vec<bool> {
    stage.authorizations().iter().map(Option::is_some).collect()
}

/// Shows why a client that follows redirects must not carry a token. The second hop on another
/// origin carries it (reqwest 0.13.5 compares each hop with the previous one and starts each from
/// the first request's header fields). If this test fails, reqwest has changed: then update the
/// chapter.
#[tokio::test]
async fn reqwest_strips_the_token_at_the_first_hop_and_not_at_the_second() {
    let (stage, other) = redirecting().await;
    let client = stage.client_over(direct().redirect(Policy::limited(10)).build().unwrap());
    let response = client.get(stage.url()).send().await.unwrap();
    assert_eq!(response.url().path(), "/second");
    assert_eq!((carried(&stage), carried(&other)), (vec![true], vec![false, true]));
}

type Log = Arc<Mutex<Vec<[String; 2]>>>;

/// A client that follows redirects, and the target of the redirect.
fn following(stage: &Stage, origins: Origins) -> (ClientWithMiddleware, Log) {
    let log = Log::default();
    let events = Arc::clone(&log);
    let observer = move |event: &Event| {
        if let EventKind::RedirectedToOtherOrigin { from, to, .. } = event.kind() {
            events.lock().unwrap().push([from.clone(), to.clone()]);
        }
    };
    let tokens = TokenCache::builder(stage.source()).observer(observer).build();
    let http = direct().redirect(Policy::limited(10)).build().unwrap();
    let middleware = OAuthClientCredentialsMiddleware::new(tokens, origins);
    (ClientBuilder::new(http).with(middleware).build(), log)
}

/// The caller gets the response, and the request is not replayed. The token may have leaked and is
/// replaced. One event per origin and minute.
#[tokio::test]
async fn p9_a_redirect_to_another_origin_is_reported_and_the_token_replaced() {
    let (stage, other) = redirecting().await;
    let (client, log) = following(&stage, stage.origins());
    let response = client.get(stage.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key("www-authenticate"));
    assert_eq!((stage.api.requests(), other.api.requests()), (1, 2));
    let servers = [stage.api_server.url(), other.api_server.url()];
    assert_eq!(*log.lock().unwrap(), [servers]);

    let response = client.get(stage.api_server.url()).send().await.unwrap();
    assert_eq!((response.status(), stage.idp.token_requests()), (StatusCode::OK, 2));
    let [first, second] = &stage.authorizations()[..] else { panic!("two requests came") };
    assert!(first.is_some() && second.is_some() && first != second);

    client.get(stage.url()).send().await.unwrap();
    assert_eq!(log.lock().unwrap().len(), 1, "within the same minute");
}

/// A presigned download: the response is a success. If no other token is available the old one
/// stays in use.
#[tokio::test]
async fn p9_a_redirected_download_does_not_stop_other_requests() {
    let (stage, other) = redirecting().await;
    other.api.respond_with(|_| Some(Response::new(Bytes::from_static(b"a file"))));
    let (client, log) = following(&stage, stage.origins());
    client.get(stage.api_server.url()).send().await.unwrap();
    stage.idp.always(MockResponse::Status(503));
    let response = client.get(stage.url()).send().await.unwrap();
    assert_eq!(
        (response.status(), &*response.bytes().await.unwrap()),
        (StatusCode::OK, &b"a file"[..])
    );
    assert_eq!(log.lock().unwrap().len(), 1);
    let response = client.get(stage.api_server.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let authorizations = stage.authorizations();
    assert!(authorizations.len() == 3 && authorizations.iter().all(|it| *it == authorizations[0]));
}

#[tokio::test]
async fn p9_an_endless_redirect_within_another_origin_is_reported_too() {
    let (stage, other) = redirecting().await;
    other.api.respond_with(|_| Some(redirect(302, "/again".into())));
    let (client, log) = following(&stage, stage.origins());
    assert!(client.get(stage.url()).send().await.unwrap_err().is_redirect());
    assert_eq!(log.lock().unwrap().len(), 1);
    assert_eq!(carried(&other)[..3], [false, true, true]);
    client.get(stage.api_server.url()).send().await.unwrap();
    assert_eq!(stage.idp.token_requests(), 2);
}

/// A redirect between named origins, or of a request with an existing authorization field, does not
/// affect our token.
#[tokio::test]
async fn p9_redirects_without_the_token_are_not_reported() {
    let (stage, other) = redirecting().await;
    let both = Origins::parse([stage.api_server.url(), other.api_server.url()]).unwrap();
    let (client, log) = following(&stage, both);
    client.get(stage.url()).send().await.unwrap();
    client.get(stage.api_server.url()).send().await.unwrap();
    assert_eq!(stage.idp.token_requests(), 1);

    let (client, own) = following(&stage, stage.origins());
    client.get(stage.api_server.url()).send().await.unwrap();
    client.get(stage.url()).bearer_auth("own").send().await.unwrap();
    client.get(stage.url()).with_extension(SkipToken).send().await.unwrap();
    client.get(stage.api_server.url()).send().await.unwrap();
    assert_eq!(stage.idp.token_requests(), 2, "one for each client");
    assert!(log.lock().unwrap().is_empty() && own.lock().unwrap().is_empty());

    // `Origins::any` names no origin.
    let (client, any) = following(&stage, Origins::any());
    client.get(stage.url()).send().await.unwrap();
    assert_eq!(any.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn p9_same_origin_redirects_keep_the_token_within_the_origin() {
    let (stage, other) = redirecting().await;
    let client = stage.client_over(direct().redirect(same_origin_redirects()).build().unwrap());
    let moved = format!("{}/moved", stage.api_server.url());
    let response = client.get(moved).send().await.unwrap();
    assert_eq!((response.status(), response.url().path()), (StatusCode::OK, "/there"));
    let response = client.get(stage.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert!(response.headers()["location"].to_str().unwrap().ends_with("/first"));
    assert_eq!((carried(&stage), other.api.requests()), (vec![true; 3], 0));
}

#[tokio::test]
async fn same_origin_redirects_have_an_end() {
    let stage = Stage::new().await;
    stage.api.respond_with(|_| Some(redirect(302, "/again".into())));
    let client = stage.client_over(direct().redirect(same_origin_redirects()).build().unwrap());
    let error = client.get(stage.url()).send().await.unwrap_err();
    assert!(error.is_redirect());
    assert_eq!(stage.api.requests(), 11);
}

/// The order that the chapter recommends: each hop is compared with the origins.
#[tokio::test]
async fn p9_a_follower_above_the_layer_takes_no_token_along() {
    let (stage, other) = redirecting().await;
    let client = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(OAuthClientCredentialsLayer::new(stage.tokens(), stage.origins()))
        .service(stage.http.clone());
    let get = Request::get(stage.url()).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(client.oneshot(get).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!((carried(&stage), carried(&other)), (vec![true], vec![false, false]));
    assert_eq!((stage.idp.token_requests(), stage.api.requests()), (1, 1));
}
