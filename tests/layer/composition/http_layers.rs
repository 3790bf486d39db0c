//! tower-http's `Trace`, `Decompression` and `FollowRedirect`.

use http::{Response, StatusCode, header};
use http_body_util::BodyExt;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_http::{
    compression::CompressionLayer, decompression::DecompressionLayer,
    follow_redirect::FollowRedirectLayer, trace::TraceLayer,
};
use tower_oauth2_client_credentials::{Error, ErrorKind, layer::WithoutToken};

use crate::composition::{
    bottom::{Api, Body, answer, rejection},
    check::{Idle, composes, within},
    world::{Case, World, request, secs},
};

#[tokio::test(start_paused = true)]
async fn trace_above() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(TraceLayer::new_for_http()).layer(ours).service(world.bottom())
    });
}

#[tokio::test(start_paused = true)]
async fn trace_below() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(ours).layer(TraceLayer::new_for_http()).service(world.bottom())
    });
}

#[tokio::test(start_paused = true)]
async fn decompression_above() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(DecompressionLayer::new()).layer(ours).service(world.bottom())
    });
}

#[tokio::test(start_paused = true)]
async fn decompression_below() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(ours).layer(DecompressionLayer::new()).service(world.bottom())
    });
}

#[tokio::test(start_paused = true)]
async fn follow_redirect_above() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(FollowRedirectLayer::new()).layer(ours).service(world.bottom())
    });
}

#[tokio::test(start_paused = true)]
async fn follow_redirect_below() {
    composes!(Idle::ReleasesAll, |world, ours| {
        ServiceBuilder::new().layer(ours).layer(FollowRedirectLayer::new()).service(world.bottom())
    });
}

/// An API that compresses. The replay asks for compression like the first request, and its response
/// is readable.
#[tokio::test(start_paused = true)]
async fn compressed_answers_are_read_above_and_below() {
    for case in [Case::Fresh, Case::Rejected] {
        let world = World::new(case).await;
        let compressing = || {
            let all = tower_http::compression::predicate::SizeAbove::new(0);
            let compression = CompressionLayer::new().compress_when(all);
            ServiceBuilder::new().layer(compression).service(world.bottom())
        };
        let above = ServiceBuilder::new()
            .layer(DecompressionLayer::new())
            .layer(world.ours())
            .service(compressing());
        let response = within(above.oneshot(request())).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
        let below = ServiceBuilder::new()
            .layer(world.ours())
            .layer(DecompressionLayer::new())
            .service(compressing());
        let response = within(below.oneshot(request())).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
        assert_eq!(world.permits.available_permits(), 1, "{case:?}");
    }
    // Proves that the response was compressed.
    let world = World::new(Case::Fresh).await;
    let all = tower_http::compression::predicate::SizeAbove::new(0);
    let mut raw = ServiceBuilder::new()
        .layer(CompressionLayer::new().compress_when(all))
        .service(world.bottom());
    let mut asking = request();
    asking.headers_mut().insert(header::AUTHORIZATION, "Bearer t".parse().unwrap());
    asking.headers_mut().insert(header::ACCEPT_ENCODING, "gzip".parse().unwrap());
    let response = raw.ready().await.unwrap().call(asking).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "gzip");
}

fn moved(to: &'static str) -> Response<Body> {
    let mut response = answer(StatusCode::TEMPORARY_REDIRECT);
    response.headers_mut().insert(header::LOCATION, to.parse().unwrap());
    response
}

/// Redirects the first request to another origin, or to itself. Returns 401 to `t1` at any place.
fn redirecting(to: &'static str) -> World {
    let api = Api::new(move |seen| match seen.token.as_str() {
        _ if seen.nth == 1 => Ok(moved(to)),
        "t1" => Ok(rejection()),
        _ => Ok(answer(StatusCode::OK)),
    });
    World::around(api, secs(3600))
}

fn hosts_and_tokens(world: &World) -> Vec<String> {
    world.api.seen().iter().map(|seen| format!("{} {}", seen.host, seen.token)).collect()
}

/// Above the layer, each hop is checked: authorized if it is an allowed origin, and its 401
/// replaced.
#[tokio::test(start_paused = true)]
async fn above_each_redirect_is_checked() {
    let client_of = |world: &World, elsewhere| {
        ServiceBuilder::new()
            .layer(FollowRedirectLayer::new())
            .layer(world.ours().withheld(elsewhere))
            .service(world.bottom())
    };
    let world = redirecting("/there");
    let client = client_of(&world, WithoutToken::Pass);
    assert_eq!(within(client.oneshot(request())).await.unwrap().status(), 200);
    let [api, other] = ["api.example.com", "other.example.com"];
    let seen = [format!("{api} t1"), format!("{api} t1"), format!("{api} t2")];
    assert_eq!(hosts_and_tokens(&world), seen);

    let world = redirecting("https://other.example.com/");
    let client = client_of(&world, WithoutToken::Pass);
    assert_eq!(within(client.oneshot(request())).await.unwrap().status(), 200);
    assert_eq!(hosts_and_tokens(&world), [format!("{api} t1"), format!("{other} -")]);

    let world = redirecting("https://other.example.com/");
    let client = client_of(&world, WithoutToken::Refuse);
    let error = within(client.oneshot(request())).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Error>().unwrap().kind(), ErrorKind::Refused);
    assert_eq!(hosts_and_tokens(&world), [format!("{api} t1")]);
    assert_eq!(world.permits.available_permits(), 1);
}

/// Below the layer, the hops are invisible. Within the origin they carry the same token, and the
/// 401 at the end is replaced. From another origin tower-http itself removes the field.
#[tokio::test(start_paused = true)]
async fn below_a_redirect_keeps_its_token_within_the_origin_only() {
    let [api, other] = ["api.example.com", "other.example.com"];
    for (to, second) in
        [("/there", format!("{api} t1")), ("https://other.example.com/", format!("{other} -"))]
    {
        let world = redirecting(to);
        let client = ServiceBuilder::new()
            .layer(world.ours())
            .layer(FollowRedirectLayer::new())
            .service(world.bottom());
        assert_eq!(within(client.oneshot(request())).await.unwrap().status(), 200);
        let seen = hosts_and_tokens(&world);
        assert_eq!(seen[..2], [format!("{api} t1"), second]);
        assert_eq!(world.permits.available_permits(), 1);
    }
}
