//! The life of a client, with everything shown that it can show.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tower::{Layer as _, ServiceExt as _};
use tower_oauth2_client_credentials::{
    BoxError, OAuthClientCredentialsLayer, Origins, TokenCache, TokenSource as _,
    endpoint::ClientCredentialsBuilder,
    event::{AcquisitionReason, Observer},
    replay::CloneBodies,
    source::AcquireContext,
    testing::{AuthorizationServer, MockResponse, ProtectedApi, RecordedRequest},
    transport::TokenRequest,
};

use crate::{capture::Shown, encodings::encodings};

pub(crate) const ID: &str = "my-service";

/// A new builder of the client, for each time that one is built.
pub(crate) type Build<'a> = &'a dyn Fn() -> ClientCredentialsBuilder;

/// Everything that the request had in it, and the secret in this encoding.
fn echo(request: &RecordedRequest, encoded: &str) -> Vec<String> {
    let fields = ["authorization", "dpop"].iter().filter_map(|name| request.header(name));
    let values = request.form.iter().map(|(_, value)| value.as_str());
    let body = String::from_utf8_lossy(&request.body);
    fields.chain(values).chain([&*body, encoded]).map(str::to_owned).collect()
}

fn response(status: u16, content_type: &str, body: String) -> MockResponse {
    let response = Response::builder().status(status).header("content-type", content_type);
    MockResponse::Raw(response.body(Bytes::from(body)).unwrap())
}

/// Responses that repeat a text in each place that can appear in an error.
fn echoes(text: &str) -> Vec<MockResponse> {
    let json =
        |status, body: serde_json::Value| response(status, "application/json", body.to_string());
    vec![
        json(400, json!({"error": "invalid_request", "error_description": text})),
        json(401, json!({"error": text, "error_uri": text})),
        json(200, json!({"access_token": "abc", "token_type": text, "scope": text})),
        response(503, "text/html", format!("<p>{text}</p>")),
        response(401, "text/plain", text.to_owned()),
    ]
}

fn context(shown: &Arc<Shown>) -> AcquireContext {
    let mut context = AcquireContext::new(AcquisitionReason::Missing);
    let events = Arc::clone(shown);
    context.observer = Observer::new(move |event| events.debug(event));
    context.single_attempt = true;
    shown.debug(&context);
    context
}

/// Acquisitions that succeed, and requests with their tokens.
pub(crate) async fn success(shown: &Arc<Shown>, idp: &AuthorizationServer, build: Build<'_>) {
    let builder = build();
    shown.debug(&builder);
    let source = builder.transport(idp.service()).build().unwrap();
    shown.debug(&source);
    shown.debug(&source.sharing());
    let events = Arc::clone(shown);
    let builder = TokenCache::builder(source.clone()).observer(move |event| events.debug(event));
    shown.debug(&builder);
    let tokens = builder.build();
    let token = tokens.get().await.unwrap();
    shown.secret("access token", ID, token.secret());
    shown.debug(&token);
    shown.debug(&token.header_value());
    shown.debug(&(tokens.readiness(), tokens.subscribe()));
    let api = ProtectedApi::new(idp);
    let layer = OAuthClientCredentialsLayer::new(tokens.clone(), Origins::any());
    shown.debug(&layer);
    let service = layer.replay(CloneBodies).layer(api.service());
    shown.debug(&service);
    for round in 0..3 {
        // The API repeats the token in its challenge.
        let last = token.secret().to_owned();
        api.respond_with(move |request| {
            let token = request.header("authorization").unwrap_or_default().to_owned();
            let challenge = format!("Bearer error=\"{token}\", error_description=\"{last}\"");
            let response = Response::builder().status(401).header("www-authenticate", challenge);
            (round == 1).then(|| response.body(Bytes::from(token)).unwrap())
        });
        let request = Request::post("https://api.test/?q=1").body(Full::<Bytes>::from("a body"));
        let request = request.unwrap();
        shown.debug(&request);
        let pending = service.clone().oneshot(request);
        shown.debug(&pending);
        let status = pending.await.map(|response| response.status());
        shown.debug(&status.unwrap_or(StatusCode::BAD_GATEWAY));
    }
    tokens.force_refresh().await.unwrap();
    tokens.invalidate(&token);
    shown.debug(&(&source, &tokens, &service, idp, &api, idp.requests(), api.recorded()));
    shown.sent(&[idp.requests(), api.recorded()].concat());
    assert!(idp.token_requests() >= 2);
    shown.contains("access token acquired");
}

/// Acquisitions that fail, with a server that repeats the request, and with broken connections.
pub(crate) async fn failures(
    shown: &Arc<Shown>,
    idp: &AuthorizationServer,
    secret: &str,
    build: Build<'_>,
) {
    for encoded in encodings(ID, secret) {
        let encoded: Arc<str> = encoded.into();
        let count = echoes("").len();
        for nth in 0..count {
            let encoded = Arc::clone(&encoded);
            idp.on_request(move |request| {
                let said = echo(request, &encoded).join(" and ");
                echoes(&said).swap_remove(nth)
            });
            let source = build().transport(idp.service()).build().unwrap();
            shown.result(source.acquire(context(shown)).await);
        }
    }
    idp.on_request(|_| MockResponse::Issue);
    shown.sent(&idp.requests());
    // What a transport reports, and what one of them prints.
    let printed = Arc::clone(shown);
    let failing = tower::service_fn(move |request: TokenRequest| {
        printed.debug(&request);
        let (parts, body) = request.into_parts();
        printed.debug(&(&parts, &body));
        let field = parts.headers.get("authorization").cloned();
        async move {
            let form = http_body_util::BodyExt::collect(body).await?.to_bytes();
            let text = format!("reset after {field:?} {}", String::from_utf8_lossy(&form));
            Err::<Response<Full<Bytes>>, BoxError>(text.into())
        }
    });
    let tokens = build().transport(failing).build().unwrap().into_cache();
    shown.error(&tokens.get().await.unwrap_err());
    shown.debug(&tokens);
    // The remembered error.
    shown.error(&tokens.get().await.unwrap_err());
}
