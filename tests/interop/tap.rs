//! Records the traffic.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Response, StatusCode, Uri, Version, header};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tower::{Service, ServiceExt as _};
use tower_oauth2_client_credentials::{
    BoxError,
    transport::{HyperTransport, HyperTransportBuilder, TokenRequest, TokenRequestBody},
};

use crate::{canaries, support::read};

/// One exchange, for tests that count or inspect them.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) uri: Uri,
    /// Of a token request.
    pub(crate) assertion: Option<String>,
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
}

/// A transport's settings, with the platform's roots and this run's authority.
pub(crate) fn trusting() -> HyperTransportBuilder {
    HyperTransport::builder().extra_root_certificates_pem(read("ca.pem"))
}

/// A transport that records its traffic, and registers each secret in it.
#[derive(Clone)]
pub(crate) struct Tap<S = HyperTransport> {
    inner: S,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Tap {
    pub(crate) fn new() -> Self {
        let transport = trusting().build().expect("a transport");
        canaries::shown(&transport);
        Self::around(transport)
    }
}

impl<S> Tap<S> {
    pub(crate) fn around(inner: S) -> Self {
        Self { inner, exchanges: Arc::default() }
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap().clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.exchanges.lock().unwrap().len()
    }

    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.exchanges().iter().map(|exchange| exchange.status.as_u16()).collect()
    }
}

impl<S, B> Service<TokenRequest> for Tap<S>
where
    S: Service<TokenRequest, Response = Response<B>, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        let exchanges = Arc::clone(&self.exchanges);
        Box::pin(async move {
            let uri = request.uri().clone();
            let (request, assertion) = look(request).await;
            let response = inner.oneshot(request).await?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(Into::into)?.to_bytes();
            if let Ok(answer) = serde_json::from_slice::<Value>(&body)
                && let Some(token) = answer["access_token"].as_str()
            {
                canaries::secret(token);
            }
            let (status, version) = (parts.status, parts.version);
            exchanges.lock().unwrap().push(Exchange { uri, assertion, status, version });
            Ok(Response::from_parts(parts, Full::new(body)))
        })
    }
}

/// Registers the secrets of a request, and returns its client assertion.
async fn look(request: TokenRequest) -> (TokenRequest, Option<String>) {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a body in memory").to_bytes();
    if let Some(value) = parts.headers.get(header::AUTHORIZATION) {
        assert!(value.is_sensitive(), "credentials go into no log of the layers below");
        let value = value.to_str().expect("visible ASCII");
        let (scheme, credentials) = value.split_once(' ').expect("a scheme and credentials");
        canaries::secret(credentials);
        if scheme == "Basic" {
            canaries::secret(STANDARD.decode(credentials).expect("base64"));
        }
    }
    if let Some(proof) = parts.headers.get("dpop") {
        canaries::secret(proof);
    }
    let form = std::str::from_utf8(&body).expect("a form");
    let field = |name| form.split('&').find_map(|field| field.strip_prefix(name));
    let (secret, assertion) = (field("client_secret="), field("client_assertion="));
    secret.into_iter().chain(assertion).for_each(canaries::secret);
    let assertion = assertion.map(str::to_owned);
    (TokenRequest::from_parts(parts, TokenRequestBody::from(body)), assertion)
}
