//! Calls of the API, and answers that prevent them.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tower_oauth2_client_credentials::testing::{MockResponse, ProtectedApi};

use crate::support::{SECRET, doctor, server, with_secret};

fn token(token_type: Value) -> MockResponse {
    let body = json!({"access_token": "a-token", "token_type": token_type, "expires_in": 3600});
    MockResponse::Raw(Response::new(Bytes::from(body.to_string())))
}

#[tokio::test]
async fn a_token_that_is_not_a_bearer_token_is_a_problem_without_an_override() {
    for name in [json!("mac"), json!("N_A"), json!(7)] {
        let (idp, listening) = server(SECRET).await;
        idp.always(token(name.clone()));
        let api = ProtectedApi::new(&idp);
        let api_server = api.listen().await.unwrap();
        let (url, api_url) = (listening.token_url(), api_server.url());
        let run = doctor(&with_secret(&["--token-url", &url, "--api", &api_url])).await;
        let problem = run.problem(1);
        assert!(!run.stdout.contains("token_type_override"), "{name}: {problem}");
        assert_eq!(api.requests(), 0);
    }
}

#[tokio::test]
async fn an_html_page_is_not_an_api_that_accepts() {
    let (idp, listening) = server(SECRET).await;
    let api = ProtectedApi::new(&idp);
    api.respond_with(|_| {
        let response = Response::builder().header("content-type", "text/html");
        response.body(Bytes::from_static(b"<!DOCTYPE html><title>Sign in</title>")).ok()
    });
    let api = api.listen().await.unwrap();
    let (url, api_url) = (listening.token_url(), api.url());
    let run = doctor(&with_secret(&["--token-url", &url, "--api", &api_url])).await;
    assert!(!run.stdout.contains("the API accepts the token"), "{}", run.stdout);
    let warnings = run.findings("warning");
    assert!(warnings[0].contains("answers 200 with an HTML page"), "{warnings:?}");
}

#[tokio::test]
async fn a_token_answer_with_a_pause_stops_the_run_before_the_api() {
    let (idp, listening) = server(SECRET).await;
    let body = json!({"access_token": "a-token", "token_type": "Bearer", "expires_in": 3600});
    let response = Response::builder().header("retry-after", "30");
    idp.always(MockResponse::Raw(response.body(Bytes::from(body.to_string())).unwrap()));
    let api = ProtectedApi::new(&idp);
    let api_server = api.listen().await.unwrap();
    let (url, api_url) = (listening.token_url(), api_server.url());
    for more in [&[][..], &["--api", &api_url], &["--api", &api_url, "--thorough"]] {
        let run = doctor(&with_secret(&[&["--token-url", &url], more].concat())).await;
        let problem = run.problem(6);
        assert!(problem.contains("asks for a pause (Retry-After); run again in 30 s"), "{problem}");
        assert_eq!(api.requests(), 0);
    }
}

#[tokio::test]
async fn an_api_that_throttles_stops_the_run() {
    let (idp, listening) = server(SECRET).await;
    let api = ProtectedApi::new(&idp);
    let api_server = api.listen().await.unwrap();
    let (url, api_url) = (listening.token_url(), api_server.url());
    for status in [200, 429, 503] {
        api.respond_with(move |_| {
            let response = Response::builder().status(status).header("retry-after", "30");
            response.body(Bytes::new()).ok()
        });
        for more in [&[][..], &["--thorough"]] {
            let arguments = ["--token-url", &url, "--api", &api_url];
            let run = doctor(&with_secret(&[&arguments[..], more].concat())).await;
            let problem = run.problem(6);
            assert!(problem.contains("run again in 30 s"), "{status}: {problem}");
        }
    }
}
