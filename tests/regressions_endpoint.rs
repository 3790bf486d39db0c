//! Regressions: what broke a promise of the token endpoint once.
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use tokio::time::sleep;
use tower_oauth2_client_credentials::*;

fn source<F>(answer: F) -> ClientCredentialsBuilder
where
    F: Fn(http::request::Parts, String) -> Response<Full<Bytes>> + Clone + Send + 'static,
{
    let transport = tower::service_fn(move |request: TokenRequest| {
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Ok::<_, BoxError>(answer(parts, String::from_utf8(body.to_vec()).unwrap()))
        }
    });
    ClientCredentials::builder("https://idp.example/token").transport(transport)
}

async fn failure(builder: ClientCredentialsBuilder) -> Error {
    builder.build().unwrap().acquire(Acquire::new(Reason::Missing)).await.unwrap_err()
}

/// P8: a server that quotes the field that it could not accept.
#[tokio::test(start_paused = true)]
async fn an_echo_of_the_basic_field_is_not_shown() {
    let echo = |parts: http::request::Parts, _| {
        let sent = parts.headers["authorization"].to_str().unwrap().to_owned();
        let body = format!(
            r#"{{"error":"invalid_client","error_description":"bad header Authorization: {sent}"}}"#
        );
        Response::builder().status(401).body(Full::from(body)).unwrap()
    };
    let page = |parts: http::request::Parts, _| {
        let sent = parts.headers["authorization"].to_str().unwrap().to_owned();
        let body = format!("<pre>Authorization: {sent}</pre>");
        let r = Response::builder().status(400).header("content-type", "text/html");
        r.body(Full::from(body)).unwrap()
    };
    let base64 = "aWQ6aHVudGVyMmh1bnRlcjI";
    let json = failure(source(echo).client_secret_basic("id", "hunter2hunter2")).await;
    let raw = failure(source(echo).client_secret_basic_raw("id", "hunter2hunter2")).await;
    let html = failure(source(page).client_secret_basic("id", "hunter2hunter2")).await;
    for error in [json, raw, html] {
        let text = format!("{error} {error:?}");
        assert!(!text.contains(base64), "{text}");
    }
}

/// P8: further parameters may be secret.
#[tokio::test(start_paused = true)]
async fn an_echo_of_a_further_parameter_is_not_shown() {
    let echo = |_, body: String| {
        let body =
            format!(r#"{{"error":"invalid_request","error_description":"cannot read {body}"}}"#);
        Response::builder().status(400).body(Full::from(body)).unwrap()
    };
    let builder = source(echo).public_client("id").parameter("api_key", "hunter2hunter2");
    let text = failure(builder).await.to_string();
    assert!(!text.contains("hunter2"), "{text}");
}

/// Server text is bounded before it reaches an error message.
#[tokio::test(start_paused = true)]
async fn a_redirect_cannot_make_the_message_long() {
    let to = |_, _| {
        let location = format!("https://{}/", "a".repeat(60_000));
        let r = Response::builder().status(302).header("location", location);
        r.body(Full::default()).unwrap()
    };
    let text = failure(source(to).public_client("id")).await.to_string();
    assert!(text.len() < 1000, "{} bytes", text.len());
}

/// `Age` counts also where no lifetime is stated.
#[tokio::test(start_paused = true)]
async fn an_age_counts_without_expires_in() {
    let stored = |_, _| {
        let r = Response::builder().header("age", "200");
        r.body(Full::from(r#"{"access_token":"abc","token_type":"Bearer"}"#)).unwrap()
    };
    let cache = source(stored).public_client("id").build().unwrap().into_cache();
    cache.get().await.unwrap();
    // 300 - 200 = 100 s are left, less a leeway of 10 s.
    sleep(Duration::from_secs(95)).await;
    assert!(cache.current().is_none(), "used 95 s after it came, 295 s after it was issued");
}
