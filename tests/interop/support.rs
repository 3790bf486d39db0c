//! The servers' addresses, and steps that all tests share.

use std::{
    env, fs,
    future::Future,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower::{Layer as _, Service, ServiceExt as _};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, Event, OAuthClientCredentials, OAuthClientCredentialsLayer,
    Origins, Token, TokenCache, TokenSource as _,
    endpoint::ClientCredentialsBuilder,
    event::AcquisitionReason,
    source::AcquireContext,
    transport::{TokenRequest, TokenRequestBody},
};

use crate::{canaries, tap::Tap};

/// Runs a test with a generous timeout, and searches for secrets at its end.
pub(crate) fn run(test: impl Future<Output = ()>) {
    canaries::listen();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), test).await.expect("the test hangs");
    });
    canaries::check();
}

/// The settings that `.ci/real-servers` exports.
pub(crate) fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run .ci/real-servers"))
}

/// A file with this run's credentials.
pub(crate) fn path(name: &str) -> PathBuf {
    PathBuf::from(variable("INTEROP_RUN")).join(name)
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A file that holds a secret.
pub(crate) fn secret(name: &str) -> String {
    let secret = read(name);
    canaries::secret(&secret);
    secret
}

/// Builds a source, and searches its `Debug` for secrets.
pub(crate) fn build(builder: ClientCredentialsBuilder) -> ClientCredentials {
    canaries::shown(&builder);
    let source = builder.build().expect("a source");
    canaries::shown(&source);
    source
}

/// One acquisition outside of any cache.
pub(crate) async fn acquire(builder: ClientCredentialsBuilder) -> Result<Token, Error> {
    again(&build(builder)).await
}

/// Another acquisition of the same source.
pub(crate) async fn again(source: &ClientCredentials) -> Result<Token, Error> {
    let acquired = source.acquire(AcquireContext::new(AcquisitionReason::Missing)).await;
    match &acquired {
        Ok(token) => canaries::shown(token),
        Err(error) => canaries::shown_error(error),
    }
    acquired
}

/// A cache, and the events that it reported.
pub(crate) fn cache(builder: ClientCredentialsBuilder) -> (TokenCache, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    let cache = TokenCache::builder(build(builder))
        .observer(move |event: &Event| {
            canaries::shown(event);
            seen.lock().unwrap().push(event.clone());
        })
        .build();
    canaries::shown(&cache);
    (cache, events)
}

/// The API's client: the layer around a transport.
pub(crate) fn client<S>(cache: &TokenCache, api: &str, transport: S) -> OAuthClientCredentials<S>
where
    S: Clone,
{
    let origins = Origins::parse([api]).expect("an origin");
    OAuthClientCredentialsLayer::new(cache.clone(), origins).layer(transport)
}

/// One GET of the API: its status and its response.
pub(crate) async fn get<S>(client: &S, url: &str) -> (StatusCode, Value)
where
    S: Service<TokenRequest, Response = Response<Full<Bytes>>, Error = BoxError> + Clone,
{
    let request = Request::get(url).body(TokenRequestBody::default()).expect("a request");
    let response = client.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body in memory").to_bytes();
    (parts.status, serde_json::from_slice(&body).unwrap_or_default())
}

/// A form POST with Basic, as a resource server or an operator would send it.
pub(crate) async fn post(url: &str, user: (&str, &str), form: &str) -> (StatusCode, Value) {
    let mut authorization: header::HeaderValue =
        format!("Basic {}", STANDARD.encode(format!("{}:{}", user.0, user.1))).parse().unwrap();
    authorization.set_sensitive(true);
    let request = Request::post(url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, authorization)
        .body(TokenRequestBody::from(Bytes::from(form.to_owned())))
        .expect("a request");
    let response = Tap::new().oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body in memory").to_bytes();
    (parts.status, serde_json::from_slice(&body).unwrap_or_default())
}
