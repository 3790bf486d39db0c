//! P9: a token goes only where it belongs, and a request with an existing authorization field
//! passes untouched.

use http::{HeaderName, Request, Response, header};
use tower::{Layer, Service, ServiceExt};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, OAuthClientCredentialsLayer, Origins,
    layer::{ExistingAuthorization, SkipToken, WithoutToken},
};

use crate::support::{API, Api, Body, Idp, layered, poll_once, rejection, request, settle};

fn to(uri: &str) -> Request<Body> {
    Request::get(uri).body(Body::default()).unwrap()
}

fn kind(error: tower_oauth2_client_credentials::BoxError) -> ErrorKind {
    error.downcast::<Error>().expect("not an error of this crate").kind()
}

#[tokio::test(start_paused = true)]
async fn p9_a_token_goes_to_the_named_origins_only() {
    let idp = Idp::healthy(3600.0, 0.1);
    let cache = idp.cache();
    let origins = Origins::parse(["https://api.example.com", "http://localhost:3000"]).unwrap();
    let api = Api::ok();
    let client = OAuthClientCredentialsLayer::new(cache, origins).layer(api.clone());
    for (uri, goes) in [
        ("https://api.example.com/a", true),
        ("https://api.example.com:443/a", true),
        ("https://API.Example.COM/a", true),
        ("http://localhost:3000/", true),
        ("https://user@api.example.com/", true),
        ("http://api.example.com/", false),
        ("https://api.example.com:8443/", false),
        ("https://api.example.com./", false),
        ("https://api.example.com.evil.example/", false),
        ("https://api.example.com@evil.example/", false),
        ("https://evil.example/?https://api.example.com", false),
        ("https://sub.api.example.com/", false),
        ("http://localhost/", false),
        ("https://localhost:3000/", false),
        ("/relative", false),
    ] {
        client.clone().oneshot(to(uri)).await.unwrap();
        let came = api.seen().pop().unwrap().token.is_some();
        assert_eq!(came, goes, "{uri}");
    }
    // A `Host` field does not make the URI's origin an allowed one.
    let mut lying = to("https://evil.example/");
    lying.headers_mut().insert(header::HOST, "api.example.com".parse().unwrap());
    client.clone().oneshot(lying).await.unwrap();
    assert_eq!(api.seen().pop().unwrap().token, None);
}

#[tokio::test(start_paused = true)]
async fn p9_any_origin_still_means_https_or_loopback() {
    let cache = Idp::healthy(3600.0, 0.1).cache();
    for (origins, uri, goes) in [
        (Origins::any(), "https://anywhere.example/", true),
        (Origins::any(), "http://127.0.0.1:80/", true),
        (Origins::any(), "http://[::1]/", true),
        (Origins::any(), "http://anywhere.example/", false),
        (Origins::any(), "http://127.0.0.1.evil.example/", false),
        (Origins::any(), "/relative", false),
        (Origins::fixed_upstream(), "/relative", true),
        (Origins::fixed_upstream(), "https://api.example.com/", false),
    ] {
        let api = Api::ok();
        let client = OAuthClientCredentialsLayer::new(cache.clone(), origins).layer(api.clone());
        client.oneshot(to(uri)).await.unwrap();
        assert_eq!(api.seen()[0].token.is_some(), goes, "{uri}");
    }
}

/// Requests without a token cause no acquisition, don't wait for one, and get their own 401.
#[tokio::test(start_paused = true)]
async fn p9_a_request_without_a_token_passes_untouched_and_costs_none() {
    let idp = Idp::healthy(3600.0, 0.1);
    let api = Api::new(|_| rejection());
    let cache = idp.cache();
    let mut client =
        OAuthClientCredentialsLayer::new(cache, Origins::parse([API]).unwrap()).layer(api.clone());
    let mut skipping = request();
    skipping.extensions_mut().insert(SkipToken);
    let mut own = request();
    own.headers_mut().insert(header::AUTHORIZATION, "Basic YTpi".parse().unwrap());
    for request in [to("https://elsewhere.example/"), skipping, own] {
        let mut called = Box::pin(client.call(request));
        let std::task::Poll::Ready(response) = poll_once(&mut called).await else {
            panic!("it waits")
        };
        assert_eq!(response.unwrap().status(), 401);
    }
    settle().await;
    assert_eq!(idp.count(), 0);
    assert_eq!(api.tokens(), ["-", "-", "Basic YTpi"]);
}

/// The same with a cached token. A rejection of such a request does not affect the token.
#[tokio::test(start_paused = true)]
async fn p9_a_request_with_its_own_authorization_is_not_classified() {
    let idp = Idp::healthy(3600.0, 0.1);
    let api = Api::new(|_| rejection());
    let cache = idp.cache();
    cache.warm_up().await.unwrap();
    let client = layered(&cache, api.clone());
    for own in ["Bearer mine", "Basic YTpi", ""] {
        let mut request = request();
        request.headers_mut().insert(header::AUTHORIZATION, own.parse().unwrap());
        request.headers_mut().append(header::AUTHORIZATION, "second".parse().unwrap());
        assert_eq!(client.clone().oneshot(request).await.unwrap().status(), 401);
        let seen = api.seen().pop().unwrap();
        let fields: Vec<_> = seen.headers.get_all(header::AUTHORIZATION).iter().collect();
        assert_eq!(fields, [own, "second"]);
    }
    settle().await;
    assert_eq!((api.seen().len(), idp.count()), (3, 1), "not replayed, not invalidated");
}

#[tokio::test(start_paused = true)]
async fn p9_the_callers_authorization_can_be_replaced_or_refused() {
    for warm in [true, false] {
        let idp = Idp::healthy(3600.0, 0.1);
        let cache = idp.cache();
        if warm {
            cache.warm_up().await.unwrap();
        }
        let layer = OAuthClientCredentialsLayer::new(cache, Origins::any());
        let own = || {
            let mut request = request();
            request.headers_mut().append(header::AUTHORIZATION, "Bearer theirs".parse().unwrap());
            request.headers_mut().append(header::AUTHORIZATION, "Basic YTpi".parse().unwrap());
            request
        };
        let api = Api::ok();
        let refusing =
            layer.clone().existing_authorization(ExistingAuthorization::Refuse).layer(api.clone());
        let error = refusing.clone().oneshot(own()).await.unwrap_err();
        assert_eq!(kind(error), ErrorKind::Refused);
        assert_eq!((api.seen().len(), idp.count()), (0, usize::from(warm)));
        refusing.oneshot(request()).await.unwrap();

        let api = Api::accepting(|token| token != "t1");
        let replacing =
            layer.existing_authorization(ExistingAuthorization::Replace).layer(api.clone());
        assert_eq!(replacing.oneshot(own()).await.unwrap().status(), 200);
        assert_eq!(api.tokens(), ["t1", "t2"]);
        for seen in api.seen() {
            assert_eq!(seen.headers.get_all(header::AUTHORIZATION).iter().count(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p9_a_request_to_another_origin_can_be_refused() {
    let idp = Idp::healthy(3600.0, 0.1);
    let api = Api::ok();
    let cache = idp.cache();
    let client = OAuthClientCredentialsLayer::new(cache, Origins::parse([API]).unwrap())
        .withheld(WithoutToken::Refuse)
        .layer(api.clone());
    let error = client.clone().oneshot(to("https://elsewhere.example/")).await.unwrap_err();
    assert_eq!(kind(error), ErrorKind::Refused);
    assert_eq!((api.seen().len(), idp.count()), (0, 0));
    client.oneshot(request()).await.unwrap();
    assert_eq!(api.tokens(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn p9_the_token_may_go_in_another_field() {
    let name = HeaderName::from_static("x-serverless-authorization");
    let idp = Idp::healthy(3600.0, 0.1);
    let api = Api::new(|seen| match seen.headers["x-serverless-authorization"].as_bytes() {
        b"Bearer t1" => rejection(),
        _ => Response::default(),
    });
    let cache = idp.cache();
    let client = OAuthClientCredentialsLayer::new(cache, Origins::any())
        .header_name(name.clone())
        .layer(api.clone());
    let mut own = request();
    own.headers_mut().insert(header::AUTHORIZATION, "Bearer end-user".parse().unwrap());
    assert_eq!(client.oneshot(own).await.unwrap().status(), 200);
    let seen = api.seen();
    assert_eq!((seen.len(), idp.count()), (2, 2));
    for seen in seen {
        assert_eq!(seen.token.as_deref(), Some("end-user"), "the caller's own is another matter");
        assert!(seen.headers[&name].is_sensitive());
    }
}

/// A proxy uses 407 and `Proxy-Authenticate`. A 401 then comes from the origin, about another
/// token.
#[tokio::test(start_paused = true)]
async fn p9_with_proxy_authorization_a_407_is_the_rejection() {
    let answer = |status, field| {
        let response = Response::builder().status(status);
        response.header(field, "Bearer error=\"invalid_token\"").body(Body::default()).unwrap()
    };
    for (status, field, replays) in [
        (407, header::PROXY_AUTHENTICATE, true),
        (407, header::WWW_AUTHENTICATE, true),
        (401, header::WWW_AUTHENTICATE, false),
    ] {
        let idp = Idp::healthy(3600.0, 0.1);
        let api = Api::new(move |seen| match seen.headers["proxy-authorization"].as_bytes() {
            b"Bearer t1" => answer(status, field.clone()),
            _ => Response::default(),
        });
        let cache = idp.cache();
        let client = OAuthClientCredentialsLayer::new(cache, Origins::any())
            .header_name(header::PROXY_AUTHORIZATION)
            .layer(api.clone());
        let got = client.oneshot(request()).await.unwrap().status();
        settle().await;
        let expected = if replays { (200, 2, 2) } else { (status, 1, 1) };
        assert_eq!((got.as_u16(), api.seen().len(), idp.count()), expected, "{status}");
    }
}
