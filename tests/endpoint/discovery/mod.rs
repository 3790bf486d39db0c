//! Discovers the token endpoint by the issuer, in virtual time against the mock's metadata.
#![cfg(feature = "testing")]

mod keeping;
mod listing;
mod methods;

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tower::service_fn;
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, ErrorKind, Token, TokenCache, TokenSource as _,
    endpoint::ClientCredentialsBuilder,
    event::{AcquisitionReason, EventKind, Observer},
    source::AcquireContext,
    testing::{AuthorizationServer, ClientCertificate, MockResponse, RegisteredClient, WellKnown},
    transport::TokenRequest,
};

const S: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

fn client(idp: &AuthorizationServer) -> ClientCredentialsBuilder {
    ClientCredentials::discover(idp.issuer())
        .client_secret_basic("id", "hunter2")
        .transport(idp.service())
}

async fn acquire(source: &ClientCredentials) -> Result<Token, Error> {
    source.acquire(AcquireContext::new(AcquisitionReason::Missing)).await
}

async fn failure(builder: ClientCredentialsBuilder) -> Error {
    acquire(&builder.attempts(1).build().unwrap()).await.expect_err("no token can be got")
}

fn asked(idp: &AuthorizationServer) -> Vec<String> {
    idp.metadata_requests().iter().map(|request| request.uri.to_string()).collect()
}

fn raw(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> MockResponse {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    MockResponse::Raw(response.body(body.into()).unwrap())
}

/// An acquisition that records its events.
fn observed() -> (AcquireContext, Arc<Mutex<Vec<EventKind>>>) {
    let events = Arc::<Mutex<Vec<EventKind>>>::default();
    let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
    let kept = Arc::clone(&events);
    acquire.observer = Observer::new(move |event| kept.lock().unwrap().push(event.kind().clone()));
    (acquire, events)
}

#[tokio::test(start_paused = true)]
async fn both_locations_are_asked_in_order_for_issuers_of_all_shapes() {
    for (path, oauth, openid) in [
        ("", OAUTH.to_owned(), OPENID.to_owned()),
        ("/", OAUTH.to_owned(), OPENID.to_owned()),
        ("/t", format!("{OAUTH}/t"), format!("/t{OPENID}")),
        ("/t/", format!("{OAUTH}/t"), format!("/t{OPENID}")),
        ("/a/b", format!("{OAUTH}/a/b"), format!("/a/b{OPENID}")),
    ] {
        let places = [oauth, openid].map(|path| format!("https://idp.test{path}"));
        for (served, requests) in
            [(WellKnown::Both, 1), (WellKnown::OAuth, 1), (WellKnown::OpenId, 2)]
        {
            let idp = AuthorizationServer::builder().issuer_path(path).build();
            idp.serve_metadata(served);
            let source = client(&idp).build().unwrap();
            acquire(&source).await.unwrap();
            assert_eq!(asked(&idp), places[..requests], "{path:?} {served:?}");
            assert_eq!(idp.token_requests(), 1);
        }
        let idp = AuthorizationServer::builder().issuer_path(path).build();
        idp.serve_metadata(WellKnown::None);
        let error = failure(client(&idp)).await;
        assert_eq!(asked(&idp), places, "{path:?}");
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Discovery, false));
        assert_eq!(error.status(), Some(StatusCode::NOT_FOUND));
        let [oauth, openid] = &places;
        assert_eq!(
            error.to_string(),
            format!(
                "discovery: the authorization server's metadata could not be read; check the \
                 issuer, or give the token URL instead of discovering it; {oauth}: there is no \
                 document; {openid}: there is no document (HTTP 404)"
            )
        );
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_is_asked_for_without_credentials() {
    let idp = AuthorizationServer::new();
    acquire(&client(&idp).build().unwrap()).await.unwrap();
    let request = &idp.metadata_requests()[0];
    assert_eq!((request.method.as_str(), request.body.len()), ("GET", 0));
    let names: Vec<_> = request.headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["accept", "accept-encoding", "user-agent"]);
    for asked in [request, &idp.requests()[0]] {
        assert_eq!(asked.header("accept-encoding"), Some("identity"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_of_another_issuer_is_not_used() {
    let idp = AuthorizationServer::builder().issuer_path("/t").build();
    for other in ["https://idp.test/T", "https://idp.test/t/", "https://evil.test/t"] {
        idp.set_metadata("issuer", json!(other));
        let error = failure(client(&idp)).await;
        assert_eq!(error.code(), "issuer_mismatch");
        assert!(error.is_permanent() && error.to_string().contains(other), "{error}");
    }
    assert_eq!(idp.token_requests(), 0);

    // A server that ignores the text after the well-known part: the other location is right.
    let root = json!({"issuer": "https://idp.test", "token_endpoint": "https://idp.test/root"});
    idp.set_metadata("issuer", json!("https://idp.test/t"));
    idp.script_metadata([raw(200, &[], root.to_string())]);
    acquire(&client(&idp).build().unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn plain_http_is_for_loopback_or_by_choice() {
    let idp = AuthorizationServer::new();
    let plain = || {
        ClientCredentials::discover("http://idp.test")
            .client_secret_basic("id", "hunter2")
            .transport(idp.service())
    };
    let error = plain().build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("issuer: plain http"), "{error}");
    acquire(&plain().allow_plain_http().build().unwrap()).await.unwrap();

    // The endpoint in a document follows the same rule. An https issuer cannot name a plain-http
    // endpoint, not even on loopback.
    let before = idp.token_requests();
    for plain in ["http://idp.test/token", "http://127.0.0.1/token", "http://localhost:1/token"] {
        idp.set_metadata("token_endpoint", json!(plain));
        let error = failure(client(&idp)).await;
        assert_eq!(error.kind(), ErrorKind::Discovery, "{plain}");
        assert!(error.to_string().contains("its token_endpoint: plain http"), "{error}");
        assert_eq!(idp.token_requests(), before, "{plain}");
    }
    for plain in ["http://idp.test/token", "http://127.0.0.1/token"] {
        idp.set_metadata("token_endpoint", json!(plain));
        acquire(&client(&idp).allow_plain_http().build().unwrap()).await.unwrap();
        assert_eq!(idp.requests().last().unwrap().uri, plain);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_a_document_is_an_error_that_says_so() {
    let redirect = raw(302, &[("location", "https://evil.test/")], "");
    let large = raw(200, &[], " ".repeat(2 * 1024 * 1024));
    let gzip = raw(200, &[("content-encoding", "gzip")], "{}");
    for (answer, status, retryable, what) in [
        (redirect, 302, false, "it redirects, which is not followed"),
        (large, 200, false, "it is above the body cap"),
        (gzip, 200, false, "it is compressed"),
        (raw(200, &[], "<html>login"), 200, false, "it is not a JSON object"),
        (raw(200, &[], ""), 200, true, "it is not a JSON object"),
        (raw(200, &[], "\u{0}\u{1}"), 200, false, "it is not a JSON object"),
        (raw(200, &[], "[".repeat(100_000)), 200, false, "it is not a JSON object"),
        (MockResponse::Status(403), 403, false, "it answers 403"),
        (MockResponse::Status(500), 500, true, "it answers 500"),
    ] {
        let idp = AuthorizationServer::new();
        idp.script_metadata([answer.clone(), answer]);
        let error = failure(client(&idp)).await;
        assert_eq!(error.kind(), ErrorKind::Discovery, "{what}");
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status), "{what}");
        assert_eq!(error.is_retryable(), retryable, "{what}");
        let text = error.to_string();
        assert!(text.contains(&format!("{OAUTH}: {what}")), "{text}");
        assert!(text.contains(&format!("{OPENID}: {what}")), "{text}");
        assert_eq!(idp.token_requests(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn the_more_specific_of_two_failures_is_reported() {
    for (answers, retryable, status) in [
        ([MockResponse::Status(404), MockResponse::Status(503)], true, 503),
        ([MockResponse::Status(503), MockResponse::Status(404)], true, 503),
        ([MockResponse::Status(403), MockResponse::Status(404)], false, 403),
        ([MockResponse::Status(404), raw(200, &[], "{}")], false, 200),
    ] {
        let idp = AuthorizationServer::new();
        idp.script_metadata(answers);
        let error = failure(client(&idp)).await;
        assert_eq!(error.is_retryable(), retryable);
        assert_eq!(error.status().map(|status| status.as_u16()), Some(status));
    }
    // A server that answers "later" is not asked again at once.
    let idp = AuthorizationServer::new();
    idp.script_metadata([MockResponse::StatusRetryAfter(429, 7)]);
    let error = failure(client(&idp)).await;
    assert_eq!(error.retry_after(), Some(7 * S));
    idp.script_metadata([(); 4].map(|()| MockResponse::CloseConnection));
    let error = failure(client(&idp)).await;
    assert!(error.is_retryable() && error.to_string().contains("no answer"), "{error}");
    assert_eq!(asked(&idp).len(), 1 + 4, "each of the two places is asked twice");
}

#[tokio::test(start_paused = true)]
async fn a_first_location_that_resets_does_not_hide_the_second() {
    let idp = AuthorizationServer::builder()
        .client(RegisteredClient::new("id").secret("hunter2"))
        .build();
    idp.script_metadata([MockResponse::CloseConnection, MockResponse::CloseConnection]);
    acquire(&client(&idp).attempts(1).build().unwrap()).await.unwrap();
    let asked = asked(&idp);
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[1].contains(OAUTH) && asked[2].contains(OPENID), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn json_is_read_with_any_content_type() {
    let idp = AuthorizationServer::new();
    let document = json!({"issuer": idp.issuer(), "token_endpoint": idp.token_url()});
    let mut body = "\u{feff}\n".to_owned();
    body.push_str(&document.to_string());
    idp.script_metadata([raw(203, &[("content-type", "text/plain; charset=utf-8")], body)]);
    acquire(&client(&idp).build().unwrap()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_transient_failure_is_retried_within_the_acquisition() {
    let idp = AuthorizationServer::new();
    idp.script_metadata([
        MockResponse::Status(502),
        MockResponse::Status(502),
        MockResponse::CloseConnection,
    ]);
    acquire(&client(&idp).build().unwrap()).await.unwrap();
    assert_eq!((asked(&idp).len(), idp.token_requests()), (4, 1));
}
