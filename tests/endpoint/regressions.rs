//! Regressions of the token endpoint: each test broke a promise once.
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt, Full};
use tokio::time::sleep;
use tower_oauth2_client_credentials::{
    endpoint::*, event::*, source::*, token::*, transport::*, *,
};

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
    builder
        .build()
        .unwrap()
        .acquire(AcquireContext::new(AcquisitionReason::Missing))
        .await
        .unwrap_err()
}

/// P8: a server that quotes the field that it refused.
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

/// `Age` counts even if no lifetime is given.
#[tokio::test(start_paused = true)]
async fn an_age_counts_without_expires_in() {
    let stored = |_, _| {
        let r = Response::builder().header("age", "200");
        r.body(Full::from(r#"{"access_token":"abc","token_type":"Bearer"}"#)).unwrap()
    };
    let cache = source(stored).public_client("id").build().unwrap().into_cache();
    cache.get().await.unwrap();
    // 300 - 200 = 100 s remain, minus a leeway of 10 s.
    sleep(Duration::from_secs(95)).await;
    assert!(cache.current().is_none(), "used 95 s after it came, 295 s after it was issued");
}

/// `docker --env-file` keeps quotes and trailing blanks.
#[tokio::test(start_paused = true)]
async fn refused_credentials_with_quotes_or_blanks_give_a_hint_without_the_value() {
    let answer = |status: u16, body: &'static str| {
        move |_, _| Response::builder().status(status).body(Full::from(body)).unwrap()
    };
    let refused = answer(401, r#"{"error":"invalid_client"}"#);
    for (builder, hint) in [
        (
            source(refused).client_secret_basic("id", "\"hunter2\""),
            "the client secret is in quotes",
        ),
        (
            source(refused).client_secret_post("id", "hunter2 "),
            "the client secret ends with a blank",
        ),
        (source(refused).client_secret_post("id\n", "hunter2"), "the client id ends with a line"),
        (source(refused).public_client("'id'"), "the client id is in quotes"),
        (
            source(answer(401, "")).client_secret_basic_raw("id", "'hunter2'"),
            "the client secret is in quotes",
        ),
    ] {
        let text = failure(builder).await.to_string();
        assert!(text.contains(hint) && !text.contains("hunter2"), "{text}");
    }
    for builder in [
        source(refused).client_secret_basic("id", "hunter2"),
        source(answer(503, "")).client_secret_basic("id", "'hunter2'"),
        source(answer(400, r#"{"error":"invalid_scope"}"#)).client_secret_basic("id", "'hunter2'"),
    ] {
        let text = failure(builder).await.to_string();
        assert!(!text.contains("the client secret is"), "{text}");
    }
}

/// Wrong credentials are not retried in a loop, because the server may lock the client out.
#[tokio::test(start_paused = true)]
async fn refused_credentials_without_a_code_cool_down_for_30_seconds_at_least() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = asked.clone();
    let refuse = move |_, _| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Response::builder().status(401).body(Full::from("Bad client credentials")).unwrap()
    };
    let cache = source(refuse).client_secret_basic("id", "hunter2").build().unwrap().into_cache();
    for _ in 0..60 {
        let error = cache.get().await.unwrap_err();
        assert!(error.is_permanent() && error.to_string().contains("Bad client credentials"));
        sleep(Duration::from_secs(1)).await;
    }
    let asked = asked.load(std::sync::atomic::Ordering::Relaxed);
    assert!((2..=3).contains(&asked), "{asked} token requests in a minute");
}

/// A status without a token is not retried.
#[tokio::test(start_paused = true)]
async fn a_204_is_asked_for_once() {
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = asked.clone();
    let nothing = move |_, _| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Response::builder().status(204).body(Full::default()).unwrap()
    };
    let error = failure(source(nothing).public_client("id")).await;
    assert_eq!((error.code(), error.is_retryable()), ("missing_access_token", false));
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 1);
}

/// The output of the README's `main`.
#[tokio::test(start_paused = true)]
async fn a_main_that_returns_an_error_prints_the_message() {
    let refuse = |_, _| {
        let body = r#"{"error":"invalid_client","error_description":"unknown \"client\""}"#;
        Response::builder().status(401).body(Full::from(body)).unwrap()
    };
    let error = failure(source(refuse).public_client("id")).await;
    let message = error.to_string();
    let boxed: BoxError = error.into();
    let printed = format!("Error: {boxed:?}");
    assert_eq!(printed, format!("Error: {message}"));
}

/// P12: a large response gives a bounded message, and a token keeps no large part of it.
#[tokio::test(start_paused = true)]
async fn a_scope_of_a_megabyte_is_not_kept_or_logged() {
    let large = |_, _| {
        let scope = "a".repeat(1_000_000);
        Response::new(Full::from(format!(r#"{{"access_token":"abc","scope":"{scope}"}}"#)))
    };
    let source = source(large).public_client("id").scope("b").build().unwrap();
    let token = source.acquire(AcquireContext::new(AcquisitionReason::Missing)).await.unwrap();
    assert_eq!(token.scope(), None);
    let own = Token::bearer("abc").unwrap().with_scope("a".repeat(1_000_000));
    assert!(format!("{own:?}").len() < 1000);
}

/// Without a cache nothing else bounds an attempt.
#[tokio::test(start_paused = true)]
async fn an_attempt_without_end_ends_after_a_year() {
    let hangs = |_: TokenRequest| std::future::pending::<Result<Response<Full<Bytes>>, BoxError>>();
    let source = ClientCredentials::builder("https://idp.example/token")
        .client_secret_basic("id", "hunter2")
        .transport(tower::service_fn(hangs))
        .attempt_timeout(Duration::MAX)
        .attempts(u32::MAX)
        .build()
        .unwrap();
    let start = tokio::time::Instant::now();
    let error = source.acquire(AcquireContext::new(AcquisitionReason::Missing)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!(start.elapsed().as_secs() / (24 * 3600), 365);
}
