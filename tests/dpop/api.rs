//! The proofs of requests to APIs, and the nonces of APIs (RFC 9449 §7, §9).

use std::sync::Arc;

use http::{Request, Response, StatusCode, header};
use tower::{Layer as _, Service as _, ServiceExt as _};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Origins, Token, TokenCache,
    layer::{ExistingAuthorization, SkipToken},
    replay::NoReplay,
    source::AcquireContext,
    testing::{DpopVerifier, ProtectedApi},
    token::TokenType,
};

use crate::support::{
    Body, Client, Scripted, Stage, challenge, claims, client, get, some, verified,
};

#[tokio::test(start_paused = true)]
async fn every_request_has_its_own_proof() {
    let stage = Stage::new();
    let client = stage.client();
    let url = "https://API.test:443/things?page=1";
    for _ in 0..3 {
        assert_eq!(client.get(url).await, StatusCode::OK);
    }
    let post = Request::post("https://api.test/things").body(Body::from("{}")).unwrap();
    assert_eq!(client.send(post).await.unwrap().status(), StatusCode::OK);
    assert_eq!((stage.api.accepted(), stage.idp.token_requests()), (4, 1));
    let requests = stage.api.recorded();
    assert!(requests[0].header("authorization").unwrap().starts_with("DPoP "));
    assert!(requests.iter().all(|request| request.headers["authorization"].is_sensitive()));
    assert!(requests.iter().all(|request| request.headers["dpop"].is_sensitive()));
    let claims = claims(requests[0].header("dpop").unwrap());
    assert_eq!(claims["htu"], "https://api.test/things");
}

#[tokio::test(start_paused = true)]
async fn a_challenge_is_answered_once_and_the_nonce_kept() {
    let stage = Stage::new();
    stage.at_api.require_nonce(true);
    let client = stage.client();
    for _ in 0..3 {
        assert_eq!(client.get("https://api.test/").await, StatusCode::OK);
    }
    let kept = some("nonce-0");
    assert_eq!(stage.api_nonces(), [None, kept.clone(), kept.clone(), kept]);
    assert_eq!(stage.idp.token_requests(), 1, "the token was good all along");
}

#[tokio::test(start_paused = true)]
async fn a_nonce_is_taken_from_successes_and_refusals_of_every_kind() {
    let with = |status: u16, nonce: &str| {
        Response::builder()
            .status(status)
            .header("dpop-nonce", nonce)
            .body(Body::default())
            .unwrap()
    };
    let answers = [with(200, "n1"), with(404, "n2"), with(503, "n3"), with(200, "n\"4")];
    let scripted = Scripted::new(answers);
    let client = scripted.client(Stage::new().tokens());
    for expected in [200, 404, 503, 200, 200] {
        assert_eq!(client.get("https://api.test/").await, expected);
    }
    // The last value was not a nonce, so the previous one is still valid.
    assert_eq!(scripted.nonces(), [None, some("n1"), some("n2"), some("n3"), some("n3")]);
    // Nonces are kept even without replays.
    let response = client.send_with(NoReplay, get("https://api.test/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(scripted.nonces()[5], some("n3"));
}

#[tokio::test(start_paused = true)]
async fn the_token_endpoint_and_two_apis_have_separate_nonces() {
    let stage = Stage::new();
    let at_other = DpopVerifier::new(verified);
    let other = ProtectedApi::builder(&stage.idp).dpop(at_other.clone()).build();
    stage.at_idp.require_nonce(true);
    for (verifier, rotations) in [(&stage.at_api, 1), (&at_other, 2)] {
        verifier.require_nonce(true);
        (0..rotations).for_each(|_| verifier.rotate_nonce());
    }
    let (one, two) = (stage.api.service(), other.service());
    let client = client(stage.tokens(), move |request| {
        let api =
            if request.uri().host() == Some("other.test") { two.clone() } else { one.clone() };
        async move { Ok(api.oneshot(request).await.unwrap()) }
    });
    for _ in 0..2 {
        assert_eq!(client.get("https://api.test/").await, StatusCode::OK);
        assert_eq!(client.get("https://other.test/").await, StatusCode::OK);
    }
    assert_eq!(stage.token_nonces(), [None, some("nonce-0")]);
    assert_eq!(stage.api_nonces(), [None, some("nonce-1"), some("nonce-1")]);
    assert_eq!(at_other.challenges(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_token_and_no_proof_go_to_another_origin() {
    let below = |request: Request<Body>| {
        let names: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        let mut response = Response::new(Body::from(names.join("\n")));
        response.headers_mut().insert("dpop-nonce", "foreign".parse().unwrap());
        async { Ok(response) }
    };
    let client = client(Stage::new().tokens(), below);
    let own =
        || Request::get("https://elsewhere.test/").header("dpop", "theirs").body(Body::default());
    let skipped = Request::get("https://api.test/").header("dpop", "theirs").extension(SkipToken);
    for request in [own().unwrap(), skipped.body(Body::default()).unwrap()] {
        let body = client.send(request).await.unwrap().into_body();
        let sent = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        assert_eq!(sent, "dpop: theirs");
    }
}

#[tokio::test(start_paused = true)]
async fn their_own_fields_stay_or_go_together() {
    let scripted = Scripted::default();
    let mut client = scripted.client(Stage::new().tokens());
    let own = || {
        Request::get("https://api.test/")
            .header("authorization", "DPoP theirs")
            .header("dpop", "their-proof")
            .body(Body::default())
            .unwrap()
    };
    client.send(own()).await.unwrap();
    client.layer = client.layer.existing_authorization(ExistingAuthorization::Replace);
    client.send(own()).await.unwrap();
    let proof_alone = Request::get("https://api.test/").header("dpop", "a").header("dpop", "b");
    client.send(proof_alone.body(Body::default()).unwrap()).await.unwrap();
    client.layer = client.layer.existing_authorization(ExistingAuthorization::Refuse);
    let error = client.send(own()).await.unwrap_err();
    assert_eq!(error.downcast_ref::<Error>().unwrap().kind(), ErrorKind::Refused);

    let requests = scripted.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].headers()["authorization"], "DPoP theirs");
    assert_eq!(requests[0].headers()["dpop"], "their-proof");
    for ours in &requests[1..] {
        let token = ours.headers()["authorization"].to_str().unwrap();
        let token = token.strip_prefix("DPoP tok-").map(|rest| format!("tok-{rest}")).unwrap();
        let proofs: Vec<_> = ours.headers().get_all("dpop").iter().collect();
        assert_eq!(proofs.len(), 1);
        assert!(verified(proofs[0].to_str().unwrap(), Some(&token)).is_some());
    }
}

/// RFC 9449 defines `Authorization` only. A gateway's field has the same value, and the proof stays
/// in its field.
#[tokio::test(start_paused = true)]
async fn another_header_field_carries_the_token_the_same_way() {
    let scripted = Scripted::default();
    let mut client = scripted.client(Stage::new().tokens());
    client.layer = client.layer.header_name(header::PROXY_AUTHORIZATION);
    client.get("https://api.test/").await;
    let request = &scripted.requests()[0];
    let value = request.headers()["proxy-authorization"].to_str().unwrap();
    assert!(value.starts_with("DPoP tok-") && request.headers().contains_key("dpop"));
    assert!(!request.headers().contains_key("authorization"));
}

#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_proved_are_refused_and_not_sent() {
    let by_hand = TokenCache::new(|_: AcquireContext| async { Token::new(TokenType::Dpop, "abc") });
    let scripted = Scripted::default();
    let client = scripted.client(by_hand);
    let error = client.send(get("https://api.test/")).await.unwrap_err();
    let error = error.downcast_ref::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("has no key to sign proofs"), "{error}");

    let mut client = scripted.client(Stage::new().tokens());
    client.layer = tower_oauth2_client_credentials::OAuthClientCredentialsLayer::new(
        Stage::new().tokens(),
        Origins::fixed_upstream(),
    );
    let error = client.send(get("/things")).await.unwrap_err();
    assert!(error.to_string().contains("no scheme and host"), "{error}");
    assert_eq!(scripted.sent(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_bound_token_is_refused_as_bearer_and_with_another_key() {
    let stage = Stage::new();
    let token = stage.tokens().get().await.unwrap();
    let other = stage.tokens().get().await.unwrap();
    let url = "https://api.test/";
    let as_bearer = Request::get(url).header("authorization", format!("Bearer {}", token.secret()));
    let as_bearer = as_bearer.body(Body::default()).unwrap();
    let stolen = Token::new(TokenType::Dpop, token.secret()).unwrap();
    let stolen = stolen.with_proof(Arc::clone(other.proof().unwrap()));
    let mut with_another_key = get(url);
    let (uri, headers) = (with_another_key.uri().clone(), with_another_key.headers_mut());
    stolen.authorize(&http::Method::GET, &uri, headers).unwrap();
    for request in [as_bearer, with_another_key] {
        let response = stage.api.service().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], "DPoP error=\"invalid_token\"");
    }
    // The layer does not fall back to Bearer if an API offers it. The next token is bound too.
    let scripted = Scripted::new([challenge(401, "Bearer error=\"invalid_token\"", &[])]);
    assert_eq!(scripted.client(stage.tokens()).get(url).await, StatusCode::OK);
    let schemes = scripted.requests().into_iter().map(|request| {
        let value = request.headers()["authorization"].to_str().unwrap().to_owned();
        value.split(' ').next().unwrap().to_owned()
    });
    assert_eq!(schemes.collect::<Vec<_>>(), ["DPoP", "DPoP"]);
}

/// For every way to use a service, and for a service without replays.
#[tokio::test(start_paused = true)]
async fn each_request_of_a_service_and_of_its_clones_has_a_proof() {
    let stage = Stage::new();
    let Client { layer, below } = stage.client();
    let mut held = layer.replay(NoReplay).layer(below);
    let mut clone = held.clone();
    for _ in 0..3 {
        let sent = [
            held.ready().await.unwrap().call(get("https://api.test/")).await,
            clone.ready().await.unwrap().call(get("https://api.test/")).await,
            held.clone().oneshot(get("https://api.test/")).await,
            clone.clone().oneshot(get("https://api.test/")).await,
        ];
        assert!(sent.into_iter().all(|answer| answer.unwrap().status() == StatusCode::OK));
    }
    assert_eq!((stage.api_nonces().len(), stage.idp.token_requests()), (12, 1));
}
