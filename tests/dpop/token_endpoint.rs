//! Proofs and nonces of token requests (RFC 9449 §5, §8).

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use tower::{ServiceBuilder, ServiceExt as _};
use tower_oauth2_client_credentials::{
    ClientCredentials, ErrorKind, TokenCache, TokenSource as _,
    dpop::DpopKey,
    event::{AcquisitionReason, EventKind},
    jose::{SigningAlgorithm, SigningKey},
    source::AcquireContext,
    testing::{AuthorizationServer, DpopVerifier, MockResponse},
    token::TokenType,
};

use crate::{
    canaries,
    support::{Body, Stage, claims, client, nonce_of, probe, some, verified},
};

fn answer(status: u16, nonces: &[&str], body: &'static str) -> MockResponse {
    let mut response = Response::builder().status(status);
    for nonce in nonces {
        response = response.header("dpop-nonce", *nonce);
    }
    MockResponse::Raw(response.body(Bytes::from_static(body.as_bytes())).unwrap())
}

#[tokio::test(start_paused = true)]
async fn every_algorithm_is_verified_by_another_library() {
    for algorithm in [
        SigningAlgorithm::Es256,
        SigningAlgorithm::Es384,
        SigningAlgorithm::EdDsa,
        SigningAlgorithm::Ps256,
        SigningAlgorithm::Rs256,
    ] {
        let stage = Stage::new();
        let key = SigningKey::generate(algorithm).unwrap();
        let source = stage.builder().dpop(key.clone()).build().unwrap();
        let token = source.acquire(probe()).await.unwrap();
        assert_eq!(token.token_type(), TokenType::Dpop, "{algorithm}");
        assert!(token.proof().is_some());
        let request = stage.idp.requests().remove(0);
        let proof = request.header("dpop").unwrap();
        assert_eq!(verified(proof, None), Some(key.thumbprint()));
        let claims = claims(proof);
        assert_eq!(
            (&claims["htm"], &claims["htu"]),
            (&json!("POST"), &json!("https://idp.test/token"))
        );
        assert!(claims["ath"].is_null() && claims["nonce"].is_null());
    }
}

#[tokio::test(start_paused = true)]
async fn a_nonce_is_taken_from_the_challenge_and_kept() {
    let stage = Stage::new();
    stage.at_idp.require_nonce(true);
    let source = stage.builder().build().unwrap();
    // In a trial request too: the second request does not count as another attempt.
    source.acquire(probe()).await.unwrap();
    source.acquire(probe()).await.unwrap();
    assert_eq!(stage.token_nonces(), [None, some("nonce-0"), some("nonce-0")]);
    stage.at_idp.rotate_nonce();
    source.clone().acquire(probe()).await.unwrap();
    assert_eq!(stage.token_nonces()[3..], [some("nonce-0"), some("nonce-1")]);
    let requests = stage.idp.requests();
    let ids: HashSet<_> = requests
        .iter()
        .map(|request| claims(request.header("dpop").unwrap())["jti"].to_string())
        .collect();
    assert_eq!(ids.len(), requests.len(), "each has a new jti");
}

#[tokio::test(start_paused = true)]
async fn a_nonce_is_taken_from_a_success() {
    let stage = Stage::new();
    let source = stage.builder().build().unwrap();
    stage.at_idp.require_nonce(true);
    source.acquire(probe()).await.unwrap();
    // The server's nonce changes with the response to this request.
    let at_idp = stage.at_idp.clone();
    stage.idp.on_request(move |_| {
        at_idp.rotate_nonce();
        MockResponse::Issue
    });
    stage.at_idp.require_nonce(false);
    source.acquire(probe()).await.unwrap();
    stage.idp.recover();
    stage.at_idp.only_challenge(false);
    assert_eq!(stage.at_idp.challenges(), 1);
    assert_eq!(stage.token_nonces(), [None, some("nonce-0"), some("nonce-0")]);

    let idp = AuthorizationServer::new();
    idp.on_request(|request| {
        let next = match request.header("dpop").and_then(nonce_of).as_deref() {
            None => "n1",
            Some("n1") => "n2",
            _ => return answer(500, &[], ""),
        };
        answer(200, &[next], r#"{"access_token":"abc","token_type":"DPoP"}"#)
    });
    let source = ClientCredentials::builder(idp.token_url())
        .client_secret_basic("me", "s3cret")
        .transport(idp.service())
        .dpop(DpopKey::generate())
        .build()
        .unwrap();
    source.acquire(probe()).await.unwrap();
    source.acquire(probe()).await.unwrap();
    assert_eq!(source.acquire(probe()).await.unwrap_err().code(), "server_error");
    let sent: Vec<_> =
        idp.requests().iter().map(|request| nonce_of(request.header("dpop").unwrap())).collect();
    assert_eq!(sent, [None, some("n1"), some("n2")]);
}

/// The request that follows a scripted first response, or none.
async fn requests_after(
    answers: Vec<MockResponse>,
) -> (u64, Result<(), ErrorKind>, Vec<Option<String>>) {
    let stage = Stage::new();
    let source = stage.builder().build().unwrap();
    stage.idp.script(answers);
    let acquired = source.acquire(probe()).await;
    let nonces = stage.token_nonces();
    (stage.idp.token_requests(), acquired.map(drop).map_err(|error| error.kind()), nonces)
}

#[tokio::test(start_paused = true)]
async fn a_new_nonce_that_comes_with_a_vague_refusal_is_tried_once() {
    for (status, body) in [
        (400, r#"{"error":"use_dpop_nonce"}"#),
        (401, r#"{"error":"use_dpop_nonce"}"#),
        (403, r#"{"error":"use_dpop_nonce"}"#),
        (400, r#"{"error":{"code":"use_dpop_nonce"}}"#),
        (400, r#"{"error":17}"#),
        (401, r#"{"error":"nonce_required"}"#),
        (400, ""),
        (401, "<html>"),
    ] {
        let (requests, result, nonces) = requests_after(vec![answer(status, &["n1"], body)]).await;
        assert_eq!((requests, result), (2, Ok(())), "{status} {body}");
        assert_eq!(nonces, [None, some("n1")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_nonce_in_another_refusal_is_kept_and_not_tried_at_once() {
    for (status, nonces, body, code) in [
        (400, &["n1"][..], r#"{"error":"invalid_grant"}"#, "invalid_grant"),
        (401, &["n1"], r#"{"error":"invalid_client"}"#, "invalid_client"),
        (400, &["n1"], r#"{"error":"invalid_dpop_proof"}"#, "invalid_dpop_proof"),
        (403, &["n1"], r#"{"error":{}}"#, "http_status"),
        (500, &["n1"], "", "server_error"),
        (302, &["n1"], "", "redirect"),
        (400, &["n1", "n2"], r#"{"error":"use_dpop_nonce"}"#, "use_dpop_nonce"),
        (400, &["n 1"], r#"{"error":"use_dpop_nonce"}"#, "use_dpop_nonce"),
        (400, &[], r#"{"error":"use_dpop_nonce"}"#, "use_dpop_nonce"),
        (400, &["n1", "n2"], "", "http_status"),
    ] {
        let stage = Stage::new();
        let source = stage.builder().build().unwrap();
        stage.idp.script([answer(status, nonces, body)]);
        let error = source.acquire(probe()).await.unwrap_err();
        assert_eq!((error.code(), stage.idp.token_requests()), (code, 1), "{status} {body}");
        source.acquire(probe()).await.unwrap();
        let kept = (nonces == ["n1"]).then(|| "n1".to_owned());
        assert_eq!(stage.token_nonces(), [None, kept], "{status} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_attempt_is_two_requests_at_most() {
    let fresh = AtomicU64::new(0);
    let stage = Stage::new();
    stage.idp.on_request(move |_| {
        let nonce = format!("n{}", fresh.fetch_add(1, Ordering::Relaxed));
        answer(400, &[&nonce], r#"{"error":"use_dpop_nonce"}"#)
    });
    let source = stage.builder().attempts(2).build().unwrap();
    let error = source.acquire(probe()).await.unwrap_err();
    assert_eq!((error.code(), error.is_retryable()), ("use_dpop_nonce", true));
    assert_eq!(stage.idp.token_requests(), 2);
    source.acquire(AcquireContext::new(AcquisitionReason::Missing)).await.unwrap_err();
    assert_eq!(stage.idp.token_requests(), 6);

    // A nonce that did not help is not tried again.
    let same = Stage::new();
    same.idp.always(answer(400, &["n"], r#"{"error":"use_dpop_nonce"}"#));
    let source = same.builder().build().unwrap();
    source.acquire(probe()).await.unwrap_err();
    source.acquire(probe()).await.unwrap_err();
    assert_eq!(same.token_nonces(), [None, some("n"), some("n")]);
}

/// oidc-provider sends no new nonce while the used one is its newest.
#[tokio::test(start_paused = true)]
async fn an_answer_without_a_nonce_keeps_the_last_one() {
    let stage = Stage::new();
    stage.at_idp.require_nonce(true);
    stage.at_idp.only_challenge(true);
    let source = stage.builder().build().unwrap();
    for _ in 0..3 {
        source.acquire(probe()).await.unwrap();
    }
    stage.idp.script([answer(400, &[], r#"{"error":"invalid_grant"}"#)]);
    source.acquire(probe()).await.unwrap_err();
    source.acquire(probe()).await.unwrap();
    assert_eq!(stage.at_idp.challenges(), 1);
}

/// The server has consumed the first assertion with the challenge.
#[tokio::test(start_paused = true)]
async fn the_second_request_has_its_own_assertion() {
    canaries::listen();
    let (seen, at_idp) = (Mutex::new(HashSet::new()), DpopVerifier::new(verified));
    let idp = AuthorizationServer::builder()
        .verify_assertion(move |request| {
            let assertion = request.form_value("client_assertion").ok_or("invalid_client")?;
            let new = seen.lock().unwrap().insert(assertion.to_owned());
            if new { Ok(()) } else { Err("invalid_client") }
        })
        .dpop(at_idp.clone())
        .build();
    at_idp.require_nonce(true);
    let key = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let source = ClientCredentials::builder(idp.token_url())
        .private_key_jwt("me", key, "https://idp.test")
        .transport(idp.service())
        .dpop(DpopKey::generate())
        .build()
        .unwrap();
    source.acquire(probe()).await.unwrap();
    assert_eq!(idp.token_requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bearer_token_is_accepted_only_if_the_setting_says_so() {
    canaries::listen();
    let idp = AuthorizationServer::new();
    let builder = || {
        ClientCredentials::builder(idp.token_url())
            .client_secret_basic("me", "s3cret")
            .transport(idp.service())
    };
    let key = DpopKey::generate();
    let required = builder().dpop(key.clone()).build().unwrap();
    let error = required.acquire(probe()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedTokenType);
    let optional = builder().dpop(key).dpop_optional(true).build().unwrap();
    let token = optional.acquire(probe()).await.unwrap();
    assert_eq!(token.token_type(), TokenType::Bearer);
    assert!(token.proof().is_none());
    assert!(idp.requests().iter().all(|request| request.header("dpop").is_some()));
}

#[tokio::test(start_paused = true)]
async fn the_algorithm_is_one_that_the_server_lists() {
    let stage = Stage::new();
    stage.idp.set_metadata("dpop_signing_alg_values_supported", json!(["PS512", "EdDSA"]));
    let builder = || {
        ClientCredentials::discover(stage.idp.issuer())
            .client_secret_basic("me", "s3cret")
            .transport(stage.idp.service())
    };
    let generated = builder().dpop(DpopKey::generate()).build().unwrap();
    generated.acquire(probe()).await.unwrap();
    let proof = stage.idp.requests()[0].header("dpop").unwrap().to_owned();
    let header = jsonwebtoken::decode_header(&proof).unwrap();
    assert_eq!(header.alg, jsonwebtoken::Algorithm::EdDSA);

    let given = SigningKey::generate(SigningAlgorithm::Es256).unwrap();
    let error = builder().dpop(given).build().unwrap().acquire(probe()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("PS512, EdDSA"), "{error}");
    assert_eq!(stage.idp.token_requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_an_hour_off_costs_one_attempt() {
    let stage = Stage::new();
    let dated = ServiceBuilder::new()
        .map_response(|mut response: Response<_>| {
            let date = httpdate::fmt_http_date(SystemTime::now());
            response.headers_mut().insert("date", date.parse().unwrap());
            response
        })
        .service(stage.idp.service());
    let source = stage
        .builder()
        .transport(dated)
        .wall_clock(|| SystemTime::now() - Duration::from_secs(3600))
        .build()
        .unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let skews = Arc::clone(&events);
    let tokens = TokenCache::builder(source).name("bound").observer(move |event| {
        if let EventKind::ClockSkew { by, local_is_behind, api, .. } = event.kind() {
            assert!(*local_is_behind && by.as_secs().abs_diff(3600) < 5, "{event:?}");
            skews.lock().unwrap().push((event.client().to_owned(), api.clone()));
        }
    });
    let tokens = tokens.build();
    tokens.warm_up().await.unwrap();
    assert_eq!(stage.idp.token_requests(), 2);
    // An API's `Date` corrects the proofs for that API only.
    let api = stage.api.service();
    let client = client(tokens, move |request: Request<Body>| {
        let is_dated = request.uri().host() == Some("api.test");
        let answer = api.clone().oneshot(request);
        async move {
            let mut response = answer.await.unwrap();
            if is_dated {
                let date = httpdate::fmt_http_date(SystemTime::now());
                response.headers_mut().insert("date", date.parse().unwrap());
            }
            Ok(response)
        }
    });
    for (status, url) in [
        (401, "https://api.test/"),
        (200, "https://api.test/"),
        (401, "https://other.test/"),
        (401, "https://other.test/"),
        (200, "https://api.test/"),
    ] {
        assert_eq!(client.get(url).await, status, "{url}");
    }
    let expected = [None, Some("https://api.test".to_owned())];
    assert_eq!(*events.lock().unwrap(), expected.map(|api| ("bound".to_owned(), api)));
}

/// The clock of the authorization server's front end is wrong, and the local one is right.
#[tokio::test(start_paused = true)]
async fn the_date_of_the_authorization_server_does_not_date_proofs_for_apis() {
    let stage = Stage::new();
    let ahead = ServiceBuilder::new()
        .map_response(|mut response: Response<_>| {
            let date = SystemTime::now() + Duration::from_secs(47 * 3600);
            let date = httpdate::fmt_http_date(date).parse().unwrap();
            response.headers_mut().insert("date", date);
            response
        })
        .service(stage.idp.service());
    let tokens = stage.builder().transport(ahead).build().unwrap().into_cache();
    tokens.warm_up().await.unwrap();
    let client = stage.client_of(tokens);
    assert_eq!(client.get("https://api.test/").await, 200);
    assert_eq!(client.get("https://other.test/").await, 200);
}

/// Clones, and all caches over them, share the nonce.
#[tokio::test(start_paused = true)]
async fn concurrent_acquisitions_are_all_answered() {
    let stage = Arc::new(Stage::new());
    stage.at_idp.require_nonce(true);
    let source = stage.builder().build().unwrap();
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let source = source.clone();
            tokio::spawn(async move { source.acquire(probe()).await })
        })
        .collect();
    for asked in asked {
        asked.await.unwrap().unwrap();
    }
    assert!(stage.idp.token_requests() <= 16);
}
