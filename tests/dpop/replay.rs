//! The number of replays: one for a token, one for a nonce.

use http::{Request, StatusCode};
use tower_oauth2_client_credentials::replay::{CloneBodies, NoReplay};

use crate::support::{Body, Scripted, Stage, challenge, claims, get, some};

const USE_NONCE: &str = "DPoP error=\"use_dpop_nonce\"";
const INVALID_TOKEN: &str = "DPoP error=\"invalid_token\"";
const URL: &str = "https://api.test/things";

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_replaced_and_the_new_one_proved() {
    let stage = Stage::new();
    let client = stage.client();
    assert_eq!(client.get(URL).await, StatusCode::OK);
    stage.idp.revoke_all();
    assert_eq!(client.get(URL).await, StatusCode::OK);
    assert_eq!((stage.idp.token_requests(), stage.api.requests()), (2, 3));
    let ath = |at: usize| claims(stage.api.recorded()[at].header("dpop").unwrap())["ath"].clone();
    assert_eq!(ath(0), ath(1));
    assert_ne!(ath(1), ath(2));
}

#[tokio::test(start_paused = true)]
async fn a_token_and_a_nonce_in_either_order() {
    for first_nonce in [true, false] {
        let (nonce, token) =
            (challenge(401, USE_NONCE, &["n1"]), challenge(401, INVALID_TOKEN, &[]));
        let answers = if first_nonce { [nonce, token] } else { [token, nonce] };
        let stage = Stage::new();
        let scripted = Scripted::new(answers);
        let client = scripted.client(stage.tokens());
        let post = Request::post(URL).body(Body::from("hello")).unwrap();
        let response = client.send_with(CloneBodies, post).await.unwrap();
        assert_eq!((response.status(), scripted.sent()), (StatusCode::OK, 3));
        assert_eq!(stage.idp.token_requests(), 2);
        assert!(scripted.requests().iter().all(|request| request.body() == "hello"));
        let with_nonce = [None, first_nonce.then(|| "n1".to_owned()), some("n1")];
        assert_eq!(scripted.nonces(), with_nonce);
        let authorization = |at: usize| scripted.requests()[at].headers()["authorization"].clone();
        assert_eq!(authorization(0) == authorization(1), first_nonce);
        assert_ne!(authorization(0), authorization(2));
    }
}

#[tokio::test(start_paused = true)]
async fn each_replay_happens_once() {
    let nonces = || (0..5).map(|n| challenge(401, USE_NONCE, &[&format!("n{n}")]));
    let tokens = || (0..5).map(|_| challenge(401, INVALID_TOKEN, &["n"]));
    let mixed: Vec<_> = nonces().zip(tokens()).flat_map(|(nonce, token)| [nonce, token]).collect();
    for (answers, sent, acquisitions) in
        [(nonces().collect::<Vec<_>>(), 2, 1), (tokens().collect(), 2, 2), (mixed, 3, 2)]
    {
        let stage = Stage::new();
        let scripted = Scripted::new(answers);
        let client = scripted.client(stage.tokens());
        assert_eq!(client.get(URL).await, StatusCode::UNAUTHORIZED);
        assert_eq!((scripted.sent(), stage.idp.token_requests()), (sent, acquisitions));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_a_nonce_challenge_is_returned() {
    for answer in [
        challenge(401, USE_NONCE, &[]),
        challenge(401, USE_NONCE, &["n1", "n2"]),
        challenge(401, USE_NONCE, &["n 1"]),
        challenge(403, USE_NONCE, &["n1"]),
        challenge(401, "Bearer error=\"use_dpop_nonce\"", &["n1"]),
        challenge(401, "DPoP error=\"invalid_dpop_proof\"", &["n1"]),
        challenge(400, "DPoP error=\"invalid_request\"", &["n1"]),
        challenge(403, "DPoP error=\"insufficient_scope\"", &["n1"]),
    ] {
        let stage = Stage::new();
        let status = answer.status();
        let scripted = Scripted::new([answer]);
        let client = scripted.client(stage.tokens());
        assert_eq!(client.get(URL).await, status);
        assert_eq!((scripted.sent(), stage.idp.token_requests()), (1, 1), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_next_to_another_schemes_challenge_counts() {
    let answer = challenge(401, "Bearer, DPoP algs=\"ES256\", error=\"use_dpop_nonce\"", &["n2"]);
    let scripted = Scripted::new([answer]);
    assert_eq!(scripted.client(Stage::new().tokens()).get(URL).await, StatusCode::OK);
    assert_eq!(scripted.nonces(), [None, some("n2")]);
}

/// The callers get the response, and the next request has the nonce.
#[tokio::test(start_paused = true)]
async fn requests_that_cannot_be_replayed_are_not() {
    let stage = Stage::new();
    stage.at_api.require_nonce(true);
    let client = stage.client();
    let post = || Request::post(URL).body(Body::from("hello")).unwrap();
    assert_eq!(client.send(post()).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.send(post()).await.unwrap().status(), StatusCode::OK);
    stage.at_api.rotate_nonce();
    let status = client.send_with(NoReplay, get(URL)).await.unwrap().status();
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(client.send_with(NoReplay, get(URL)).await.unwrap().status(), StatusCode::OK);
    assert_eq!((stage.api.requests(), stage.idp.token_requests()), (4, 1));
}
