//! An authorization server and an API that require DPoP, and proof verification by another library.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::{Layer as _, Service, ServiceExt as _};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, OAuthClientCredentialsLayer, Origins, TokenCache,
    dpop::DpopKey,
    endpoint::ClientCredentialsBuilder,
    event::AcquisitionReason,
    replay::ReplayPolicy,
    source::AcquireContext,
    testing::{AuthorizationServer, DpopVerifier, MockBody, ProtectedApi, RegisteredClient},
};

use crate::canaries;
pub(crate) use crate::proofs::verified;

pub(crate) type Body = MockBody;

/// The claims of a proof, unverified.
pub(crate) fn claims(proof: &str) -> Value {
    let payload = proof.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub(crate) struct Stage {
    pub(crate) idp: AuthorizationServer,
    pub(crate) at_idp: DpopVerifier,
    pub(crate) api: ProtectedApi,
    pub(crate) at_api: DpopVerifier,
}

impl Stage {
    pub(crate) fn new() -> Self {
        canaries::listen();
        let (at_idp, at_api) = (DpopVerifier::new(verified), DpopVerifier::new(verified));
        let idp = AuthorizationServer::builder()
            .client(RegisteredClient::new("me").secret("s3cret"))
            .dpop(at_idp.clone())
            .build();
        let api = ProtectedApi::builder(&idp).dpop(at_api.clone()).build();
        Self { idp, at_idp, api, at_api }
    }

    pub(crate) fn builder(&self) -> ClientCredentialsBuilder {
        ClientCredentials::builder(self.idp.token_url())
            .client_secret_basic("me", "s3cret")
            .transport(self.idp.service())
            .dpop(DpopKey::generate())
    }

    pub(crate) fn tokens(&self) -> TokenCache {
        self.builder().build().unwrap().into_cache()
    }

    /// The layer over the API, for all of `https://api.test`.
    pub(crate) fn client(&self) -> Client {
        self.client_of(self.tokens())
    }

    pub(crate) fn client_of(&self, tokens: TokenCache) -> Client {
        let api = self.api.service();
        client(tokens, move |request| {
            let answer = api.clone().oneshot(request);
            async move { Ok(answer.await.unwrap()) }
        })
    }

    /// The nonces in the proofs of token requests.
    pub(crate) fn token_nonces(&self) -> Vec<Option<String>> {
        self.idp
            .requests()
            .iter()
            .map(|request| nonce_of(request.header("dpop").unwrap()))
            .collect()
    }

    /// The nonces in the proofs of requests to the API.
    pub(crate) fn api_nonces(&self) -> Vec<Option<String>> {
        self.api
            .recorded()
            .iter()
            .map(|request| nonce_of(request.header("dpop").unwrap()))
            .collect()
    }
}

pub(crate) fn nonce_of(proof: &str) -> Option<String> {
    claims(proof)["nonce"].as_str().map(str::to_owned)
}

pub(crate) fn some(nonce: &str) -> Option<String> {
    Some(nonce.to_owned())
}

/// The context that a cache passes to its source for a single attempt: a trial request.
pub(crate) fn probe() -> AcquireContext {
    let mut acquire = AcquireContext::new(AcquisitionReason::Missing);
    acquire.single_attempt = true;
    acquire
}

type MockResponseFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The inner service.
#[derive(Clone)]
pub(crate) struct Below(Arc<dyn Fn(Request<Body>) -> MockResponseFuture + Send + Sync>);

impl Service<Request<Body>> for Below {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = MockResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> MockResponseFuture {
        self.0(request)
    }
}

/// The layer over a closure.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) layer: OAuthClientCredentialsLayer,
    pub(crate) below: Below,
}

pub(crate) fn client<F, Fut>(tokens: TokenCache, below: F) -> Client
where
    F: Fn(Request<Body>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
{
    let origins = Origins::parse(["https://api.test", "https://other.test"]).unwrap();
    Client {
        layer: OAuthClientCredentialsLayer::new(tokens, origins),
        below: Below(Arc::new(move |request| Box::pin(below(request)))),
    }
}

impl Client {
    pub(crate) async fn send(&self, request: Request<Body>) -> Result<Response<Body>, BoxError> {
        self.layer.layer(self.below.clone()).oneshot(request).await
    }

    pub(crate) async fn send_with<P>(
        &self,
        policy: P,
        request: Request<Body>,
    ) -> Result<Response<Body>, BoxError>
    where
        P: ReplayPolicy<Body>,
    {
        self.layer.clone().replay(policy).layer(self.below.clone()).oneshot(request).await
    }

    pub(crate) async fn get(&self, url: &str) -> StatusCode {
        self.send(get(url)).await.unwrap().status()
    }
}

pub(crate) fn get(url: &str) -> Request<Body> {
    Request::get(url).body(Body::default()).unwrap()
}

/// An API that follows a script and records its requests.
#[derive(Clone, Default)]
pub(crate) struct Scripted {
    answers: Arc<Mutex<VecDeque<Response<Body>>>>,
    sent: Arc<Mutex<Vec<Request<Bytes>>>>,
}

impl Scripted {
    pub(crate) fn new(answers: impl IntoIterator<Item = Response<Body>>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() }
    }

    pub(crate) fn client(&self, tokens: TokenCache) -> Client {
        let this = self.clone();
        client(tokens, move |request| {
            let this = this.clone();
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                this.sent.lock().unwrap().push(Request::from_parts(parts, body));
                Ok(this.answers.lock().unwrap().pop_front().unwrap_or_default())
            }
        })
    }

    pub(crate) fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    pub(crate) fn requests(&self) -> Vec<Request<Bytes>> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn nonces(&self) -> Vec<Option<String>> {
        let proof = |request: &Request<_>| nonce_of(request.headers()["dpop"].to_str().unwrap());
        self.sent.lock().unwrap().iter().map(proof).collect()
    }
}

/// A response with a challenge and these nonces.
pub(crate) fn challenge(status: u16, challenge: &str, nonces: &[&str]) -> Response<Body> {
    let mut response = Response::builder().status(status).header("www-authenticate", challenge);
    for nonce in nonces {
        response = response.header("dpop-nonce", *nonce);
    }
    response.body(Body::default()).unwrap()
}
