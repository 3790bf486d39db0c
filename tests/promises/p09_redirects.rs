//! P9 below a redirect follower: each hop is checked against the origins.

use http::{Response, StatusCode, header};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_http::follow_redirect::{FollowRedirectLayer, policy};
use tower_oauth2_client_credentials::{OAuthClientCredentialsLayer, Origins};

use crate::support::{API, Api, Body, Idp, Seen, rejection, request};

/// The API redirects to another host, also over plain http, and back.
fn redirecting() -> Api {
    Api::new(|seen: &Seen| {
        let to = match seen.uri.to_string().as_str() {
            API => "https://evil.example/",
            "https://evil.example/" => "http://api.example.com/plain",
            "http://api.example.com/plain" => "https://api.example.com:444/",
            "https://api.example.com:444/" => "https://api.example.com/back",
            _ => return Response::new(Body::from("here")),
        };
        let response = Response::builder().status(StatusCode::FOUND);
        response.header(header::LOCATION, to).body(Body::default()).unwrap()
    })
}

/// The safe order: follower, then this crate's layer, then the client.
#[tokio::test(start_paused = true)]
async fn p9_below_a_redirect_follower_the_token_does_not_reach_another_origin() {
    let idp = Idp::healthy(3600.0, 0.1);
    let api = redirecting();
    let origins = Origins::parse([API]).unwrap();
    let client = ServiceBuilder::new()
        // A follower that keeps credentials. The token is added below it in any case.
        .layer(FollowRedirectLayer::with_policy(policy::redirect_fn(|_| {
            Ok::<_, tower_oauth2_client_credentials::BoxError>(policy::Action::Follow)
        })))
        .layer(OAuthClientCredentialsLayer::new(idp.cache(), origins))
        .service(api.clone());
    let response = client.oneshot(request()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(api.tokens(), ["t1", "-", "-", "-", "t1"]);
}

/// A 401 on a hop without a token does not reject the token.
#[tokio::test(start_paused = true)]
async fn p9_another_origins_401_does_not_reject_the_token() {
    let idp = Idp::healthy(3600.0, 0.1);
    let api = Api::new(|seen| match seen.uri.host() {
        Some("api.example.com") => {
            let response = Response::builder().status(StatusCode::TEMPORARY_REDIRECT);
            let location = "https://evil.example/";
            response.header(header::LOCATION, location).body(Body::default()).unwrap()
        }
        _ => rejection(),
    });
    let origins = Origins::parse([API]).unwrap();
    let client = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(OAuthClientCredentialsLayer::new(idp.cache(), origins))
        .service(api.clone());
    assert_eq!(client.oneshot(request()).await.unwrap().status(), 401);
    assert_eq!((api.tokens(), idp.count()), (vec!["t1".to_owned(), "-".to_owned()], 1));
}

/// The unsafe order: the follower copies the request's fields, and only its policy removes the
/// token. The default of tower-http does.
#[tokio::test(start_paused = true)]
async fn p9_above_a_redirect_follower_its_policy_decides() {
    let idp = Idp::healthy(3600.0, 0.1);
    let api = redirecting();
    let following = FollowRedirectLayer::new().layer(api.clone());
    let origins = Origins::parse([API]).unwrap();
    let client = OAuthClientCredentialsLayer::new(idp.cache(), origins).layer(following);
    assert_eq!(client.oneshot(request()).await.unwrap().status(), 200);
    assert_eq!(api.tokens(), ["t1", "-", "-", "-", "-"]);
}
