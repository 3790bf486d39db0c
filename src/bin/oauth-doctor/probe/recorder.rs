//! A transport that records each exchange and enforces the limits.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::{Instant, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Response, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use percent_encoding::percent_decode_str;
use tower_oauth2_client_credentials::{
    BoxError,
    transport::{HyperTransport, TokenRequest, TokenRequestBody},
};
use tower_service::Service;

use super::{
    exchange::{Answer, Exchange, Kind, display},
    limits::Limits,
};
use crate::secrets::Secrets;

/// As the token endpoint's default limit.
const MAX_BODY: usize = 1024 * 1024;

/// A request extension: the request is for the API.
#[derive(Clone)]
pub(super) struct ForApi;

/// Clones share the record.
#[derive(Clone)]
pub(super) struct Recorder {
    inner: HyperTransport,
    secrets: Secrets,
    log: Arc<Mutex<Log>>,
}

struct Log {
    exchanges: Vec<Exchange>,
    limits: Limits,
    /// Whether the server answered with more than `MAX_BODY`.
    is_too_large: bool,
    /// Metadata that was read, so that further sources do not read it again.
    documents: HashMap<String, Response<Bytes>>,
}

impl Recorder {
    pub(super) fn new(inner: HyperTransport, secrets: Secrets, max_token_requests: usize) -> Self {
        let limits = Limits::new(max_token_requests);
        let log =
            Log { exchanges: Vec::new(), limits, is_too_large: false, documents: HashMap::new() };
        Self { inner, secrets, log: Arc::new(Mutex::new(log)) }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        self.log().exchanges.clone()
    }

    /// The last exchange of a kind.
    pub(super) fn last(&self, kind: Kind) -> Option<Exchange> {
        self.log().exchanges.iter().rev().find(|exchange| exchange.kind == kind).cloned()
    }

    pub(super) fn token_requests(&self) -> usize {
        self.log().limits.token_requests()
    }

    /// Whether no further token request is allowed.
    pub(super) fn is_used_up(&self) -> bool {
        self.log().limits.is_used_up()
    }

    /// Why no further request is sent.
    pub(super) fn stopped(&self) -> Option<String> {
        self.log().limits.stopped()
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.log().limits.is_blocked()
    }

    /// Whether an answer of the authorization server was larger than `MAX_BODY`.
    pub(super) fn is_too_large(&self) -> bool {
        self.log().is_too_large
    }

    async fn exchange(self, request: TokenRequest) -> Result<Response<Full<Bytes>>, BoxError> {
        let kind = match request.extensions().get::<ForApi>() {
            Some(ForApi) => Kind::Api,
            None if request.method() == Method::POST => Kind::Token,
            None => Kind::Metadata,
        };
        let (url, uri) = (display(request.uri()), request.uri().to_string());
        if kind == Kind::Metadata
            && let Some(known) = self.log().documents.get(&uri)
        {
            return Ok(known.clone().map(Full::new));
        }
        self.log().limits.permit(kind)?;
        let request = self.register(request).await;
        let (started, started_at) = (Instant::now(), SystemTime::now());
        // Recorded first, because a timeout drops this future.
        let index = self.start(Exchange { kind, url, latency: None, at: started_at, answer: None });
        let response = self.send(kind, request).await?;
        let latency = started.elapsed();
        let answer = Answer::read(kind, &response, &self.secrets);
        let mut log = self.log();
        if answer.document.is_some() && answer.status.is_success() {
            log.documents.insert(uri, response.clone());
        }
        log.limits.observe(kind, &answer);
        let exchange = &mut log.exchanges[index];
        exchange.latency = Some(latency);
        exchange.at = started_at + latency / 2;
        exchange.answer = Some(answer);
        Ok(response.map(Full::new))
    }

    fn start(&self, exchange: Exchange) -> usize {
        let mut log = self.log();
        log.exchanges.push(exchange);
        log.exchanges.len() - 1
    }

    async fn send(&self, kind: Kind, request: TokenRequest) -> Result<Response<Bytes>, BoxError> {
        let response = self.inner.clone().call(request).await?;
        let (parts, body) = response.into_parts();
        let body = match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                // An API may return much. Its status is enough.
                if kind != Kind::Api {
                    self.log().is_too_large = true;
                    return Err("the answer is larger than 1 MiB".into());
                }
                Bytes::new()
            }
            Err(error) => return Err(error),
        };
        Ok(Response::from_parts(parts, body))
    }

    /// Registers the secrets of a request, so that no answer can show them.
    async fn register(&self, request: TokenRequest) -> TokenRequest {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        for name in ["authorization", "dpop"] {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            let Some(value) = value else { continue };
            let credentials = value.split_once(' ').map_or(value, |(_, credentials)| credentials);
            self.secrets.add(credentials);
            let decoded =
                STANDARD.decode(credentials).ok().and_then(|it| String::from_utf8(it).ok());
            if name == header::AUTHORIZATION.as_str()
                && let Some((_, password)) = decoded.as_deref().and_then(|it| it.split_once(':'))
            {
                self.secrets.add(password);
            }
        }
        for field in std::str::from_utf8(&body).unwrap_or_default().split('&') {
            if let Some(("client_secret" | "client_assertion", value)) = field.split_once('=') {
                let value = value.replace('+', " ");
                self.secrets.add(&percent_decode_str(&value).decode_utf8_lossy());
            }
        }
        TokenRequest::from_parts(parts, TokenRequestBody::from(body))
    }
}

impl Service<TokenRequest> for Recorder {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: TokenRequest) -> Self::Future {
        Box::pin(self.clone().exchange(request))
    }
}
