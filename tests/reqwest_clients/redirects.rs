//! Redirects: what reqwest follows below the middleware, and a follower above the layer.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use reqwest::redirect::Policy;
use tower::{ServiceBuilder, ServiceExt as _};
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_oauth2_client_credentials::{OAuthClientCredentialsLayer, same_origin_redirects};

use crate::support::{Stage, direct, redirect};

/// The first sends `/things` to another origin, which sends it on within itself.
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

/// Why a client that follows redirects is no place for a token. The second hop on another origin
/// carries it (reqwest 0.13.5, which compares each hop with the one before and starts each from the
/// first request's header fields). If this fails, reqwest has mended it: then soften the chapter.
#[tokio::test]
async fn reqwest_strips_the_token_at_the_first_hop_and_not_at_the_second() {
    let (stage, other) = redirecting().await;
    let client = stage.client_over(direct().redirect(Policy::limited(10)).build().unwrap());
    let response = client.get(stage.url()).send().await.unwrap();
    assert_eq!(response.url().path(), "/second");
    assert_eq!((carried(&stage), carried(&other)), (vec![true], vec![false, true]));
}

/// The other origin's 401 comes back as it is. No token is replaced and nothing sent again for it.
#[tokio::test]
async fn p9_another_origins_401_does_not_reject_the_token() {
    let (stage, other) = redirecting().await;
    let client = stage.client_over(direct().redirect(Policy::limited(10)).build().unwrap());
    let response = client.get(stage.url()).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key("www-authenticate"));
    assert_eq!((stage.api.requests(), other.api.requests()), (1, 2));
    assert_eq!(stage.idp.token_requests(), 1);
}

#[tokio::test]
async fn p9_same_origin_redirects_keep_the_token_at_home() {
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
