//! Answers token requests.

use std::{
    fmt,
    future::pending,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Response, Uri};
use http_body::Body;
use tower_service::Service;

use super::{authorization_server::AuthorizationServer, grant, respond};
use crate::{
    error::BoxError,
    testing::{
        ConnectionClosed, MockBody, MockResponse, MockResponseFuture, RecordedRequest,
        exchange::Endpoint,
    },
};

/// An [`AuthorizationServer`] as a tower service: always ready, over any request body.
///
/// # Examples
///
/// ```
/// use http_body_util::{BodyExt, Full};
/// use tower_oauth2_client_credentials::testing::AuthorizationServer;
/// use tower_service::Service;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
/// # runtime.block_on(async {
/// let idp = AuthorizationServer::new();
/// let request = http::Request::post(idp.token_url())
///     .header("content-type", "application/x-www-form-urlencoded")
///     .body(Full::<bytes::Bytes>::from("grant_type=client_credentials&client_id=a&client_secret=b"))
///     .unwrap();
/// let response = idp.service().call(request).await?;
/// let body = response.into_body().collect().await?.to_bytes();
/// assert!(body.starts_with(br#"{"access_token":"tok-1-"#));
/// # Ok::<(), tower_oauth2_client_credentials::BoxError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct AuthorizationServerService {
    server: AuthorizationServer,
}

impl AuthorizationServer {
    /// The server as a tower service over any body, for virtual time.
    pub fn service(&self) -> AuthorizationServerService {
        AuthorizationServerService { server: self.clone() }
    }
}

impl<B> Service<http::Request<B>> for AuthorizationServerService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<MockBody>;
    type Error = ConnectionClosed;
    type Future = MockResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        MockResponseFuture::start(self.server.clone(), request)
    }
}

impl fmt::Debug for AuthorizationServerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthorizationServerService").field(&self.server).finish()
    }
}

/// Counts a token request as in flight, until it is answered or dropped.
pub(in crate::testing) struct InFlight(AuthorizationServer);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.state().in_flight -= 1;
    }
}

impl Endpoint for AuthorizationServer {
    const BODY_LIMIT: usize = 1024 * 1024;

    /// `None` for a path other than the token endpoint's.
    type Arrival = Option<InFlight>;

    fn arrive(&self, uri: &Uri) -> Self::Arrival {
        (uri.path() == self.shared.config.path).then(|| {
            self.state().arrive();
            InFlight(self.clone())
        })
    }

    async fn answer(
        &self,
        request: RecordedRequest,
        arrival: &Self::Arrival,
    ) -> Result<Response<Bytes>, ConnectionClosed> {
        // Decided before the delay, so that the token's lifetime includes it.
        let (outcome, delay) = match arrival {
            Some(_) => {
                let (answer, mut delay) = self.decide(request);
                (self.perform(answer, &mut delay), delay)
            }
            None => self.describe(request),
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match outcome {
            Outcome::Respond(response) => Ok(response),
            Outcome::Hang => pending().await,
            Outcome::Close => Err(ConnectionClosed::on_purpose()),
        }
    }
}

/// RFC 8693 §2.1.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

pub(super) enum Outcome {
    Respond(Response<Bytes>),
    Hang,
    Close,
}

impl AuthorizationServer {
    /// Records the request and decides the response, with the server's delay.
    fn decide(&self, request: RecordedRequest) -> ((MockResponse, Arc<RecordedRequest>), Duration) {
        let request = Arc::new(request);
        let (planned, hook, delay) = {
            let mut state = self.state();
            state.log.push(Arc::clone(&request));
            let planned = state.script.pop_front().or_else(|| state.outage.clone());
            (planned, state.hook.clone(), state.delay)
        };
        let answer =
            planned.unwrap_or_else(|| hook.map_or(MockResponse::Issue, |hook| hook(&request)));
        ((answer, request), delay)
    }

    pub(super) fn perform(
        &self,
        (mut answer, request): (MockResponse, Arc<RecordedRequest>),
        delay: &mut Duration,
    ) -> Outcome {
        while let MockResponse::Delayed(more, inner) = answer {
            *delay = delay.saturating_add(more);
            answer = *inner;
        }
        Outcome::Respond(match answer {
            MockResponse::Issue => self.grant(&request, None, None),
            MockResponse::IssueFor(lifetime) => self.grant(&request, None, Some(lifetime)),
            MockResponse::Token(token) => self.grant(&request, Some(token), None),
            MockResponse::OAuthError { status, code } => respond::oauth_error(status, code),
            MockResponse::Status(status) => respond::status(status, None),
            MockResponse::StatusRetryAfter(status, secs) => respond::status(status, Some(secs)),
            MockResponse::Raw(response) => response,
            MockResponse::Hang => return Outcome::Hang,
            MockResponse::CloseConnection => return Outcome::Close,
            MockResponse::Delayed(..) => unreachable!("unwrapped above"),
        })
    }

    /// Checks the request, and issues a token: this one, or a new one.
    fn grant(
        &self,
        request: &RecordedRequest,
        token: Option<String>,
        lifetime: Option<Duration>,
    ) -> Response<Bytes> {
        let config = &self.shared.config;
        let verify = config.verify_assertion.as_ref();
        let (clients, grants) = (&config.clients, &config.extension_grants);
        let grant = match grant::check(request, clients, config.raw_basic, verify, grants) {
            Ok(grant) => grant,
            Err(refusal) => return respond::refusal(&refusal),
        };
        let key = match config.dpop.as_ref().map(|verifier| verifier.check(request, None)) {
            None => None,
            Some(Ok(key)) => Some(key),
            Some(Err(why)) => return self.with_nonce(respond::unproven(&why), why.wants_nonce()),
        };
        let key = key.as_deref();
        let state = &mut *self.state();
        let plain = token.is_none() && lifetime.is_none();
        let again =
            if plain && config.same_token { state.tokens.longest_lived(&grant) } else { None };
        let certificate = request.client_certificate.as_ref();
        let again = again.filter(|(token, _)| {
            state.tokens.certificate(token) == certificate && state.tokens.key(token) == key
        });
        let (token, lifetime) = match again {
            Some((token, left)) if state.lifetime.subsec_nanos() == 0 => {
                (token, Duration::from_secs(left.as_secs()))
            }
            Some(again) => again,
            None => {
                if config.single_token {
                    state.tokens.revoke_client(&grant.client);
                }
                let token = token.unwrap_or_else(|| state.tokens.generate());
                let lifetime = lifetime.unwrap_or(state.lifetime);
                state.tokens.activate(token.clone(), &grant, lifetime);
                state.tokens.bind(&token, certificate, key);
                (token, lifetime)
            }
        };
        let scope = config.granted_scope.as_deref().or(grant.scope.as_deref());
        let response = respond::token(
            &token,
            if key.is_some() { "DPoP" } else { "Bearer" },
            config.send_lifetime.then_some(lifetime),
            scope.filter(|_| config.send_scope),
            request.form_value("grant_type") == Some(TOKEN_EXCHANGE),
        );
        self.with_nonce(response, false)
    }

    /// Adds a nonce for the next proof, if proofs are verified.
    fn with_nonce(&self, mut response: Response<Bytes>, wants_nonce: bool) -> Response<Bytes> {
        if let Some(verifier) = &self.shared.config.dpop {
            verifier.stamp(response.headers_mut(), wants_nonce);
        }
        response
    }
}
