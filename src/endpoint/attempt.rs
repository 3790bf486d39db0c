//! One attempt to get a token.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderMap;
use tokio::time::Instant;
use tracing::Instrument;

#[cfg(feature = "hyper-transport")]
use super::certificate_binding::CertificateBinding;
#[cfg(feature = "dpop")]
use super::dpop::{DpopAttempt, DpopConfig};
use super::{
    attempt_context::AttemptContext,
    body, discovery, error_response,
    parameters::Parameters,
    request::{self, PreparedRequest},
    request_span::RequestSpan,
    response::{self, RawResponse, ReadPolicy},
    retry::RetryPolicy,
    token_endpoint::{Endpoint, ResolvedEndpoint},
    transport_error::transport_error,
};
use crate::{
    client_auth::ClientAuth,
    clock::WallClock,
    error::{Error, Problem, sanitise},
    event::{AcquisitionReason, EventKind, Observer},
    secret_file::{READ_TIMEOUT, ReadContext},
    skew::Skew,
    source::AcquireContext,
    sync::{Mutex, lock},
    token::Token,
    transport::Transport,
};

/// A client of one token endpoint.
pub(super) struct EndpointClient {
    pub(super) endpoint: Endpoint,
    #[cfg(feature = "hyper-transport")]
    pub(super) binding: Option<CertificateBinding>,
    #[cfg(feature = "dpop")]
    pub(super) dpop: DpopConfig,
    pub(super) auth: Box<dyn ClientAuth>,
    /// A part of the name of the OAuth client.
    pub(super) client_id: Option<String>,
    pub(super) parameters: Parameters,
    pub(super) transport: Arc<dyn Transport>,
    /// Whether a client certificate is configured.
    pub(super) has_client_certificate: bool,
    pub(super) retry: RetryPolicy,
    pub(super) read_policy: ReadPolicy,
    /// Maximum size of a body in bytes.
    pub(super) body_cap: usize,
    pub(super) clock: Arc<dyn WallClock>,
    pub(super) skew: Skew,
    /// The granted scope that was last reported as narrowed.
    pub(super) narrowed_scope: Mutex<Option<String>>,
}

/// What one attempt is made with.
pub(super) struct Attempt {
    /// For files, and the observer.
    pub(super) read: ReadContext,
    #[cfg_attr(not(feature = "dpop"), expect(dead_code))]
    reason: AcquisitionReason,
    /// From 1.
    number: u32,
}

/// The response to a token request.
struct Exchanged {
    /// The header fields, which may have a nonce.
    #[cfg_attr(not(feature = "dpop"), expect(dead_code))]
    headers: HeaderMap,
    token: Result<Token, Error>,
}

impl EndpointClient {
    pub(super) fn context<'a>(&'a self, observer: &'a Observer) -> AttemptContext<'a> {
        AttemptContext {
            transport: &*self.transport,
            auth: &*self.auth,
            grant_type: self.parameters.grant_type(),
            observer,
            body_cap: self.body_cap,
            now: self.now(),
            attempt_timeout: self.retry.attempt_timeout,
            has_client_certificate: self.has_client_certificate,
        }
    }

    /// Reads of files may take half of an attempt that starts now. If a read does not finish, the
    /// error then names the file and not the authorization server.
    pub(super) fn new_attempt(&self, acquire: &AcquireContext, number: u32) -> Attempt {
        let left = acquire.deadline.map(|end| end.saturating_duration_since(Instant::now()));
        let attempt = self.retry.attempt_timeout.min(left.unwrap_or(Duration::MAX));
        let timeout = READ_TIMEOUT.min(attempt / 2);
        let read = ReadContext { timeout, observer: acquire.observer.clone() };
        Attempt { read, reason: acquire.reason, number }
    }

    /// The authorization server's time, as far as it is known.
    fn now(&self) -> SystemTime {
        self.skew.correct(self.clock.now())
    }

    pub(super) async fn attempt(&self, context: &Attempt) -> Result<Token, Error> {
        #[cfg(feature = "hyper-transport")]
        if let Some(binding) = &self.binding {
            binding.refresh(&context.read).await?;
        }
        let endpoint = self.endpoint.resolve(&self.context(&context.read.observer)).await?;
        let token = self.request_token(&endpoint, context).await;
        token.map_err(|error| match &endpoint.metadata {
            Some(metadata) => {
                use Problem as K;
                let may_have_moved = matches!(
                    error.problem(),
                    K::Transport
                        | K::HttpStatus
                        | K::CredentialsRefused
                        | K::Redirect
                        | K::MalformedBody
                );
                if may_have_moved || error.status().is_some_and(error_response::has_no_endpoint) {
                    self.endpoint.mark_stale();
                }
                discovery::explain(error, metadata, &self.context(&context.read.observer))
            }
            None => error,
        })
    }

    async fn request_token(
        &self,
        endpoint: &ResolvedEndpoint,
        context: &Attempt,
    ) -> Result<Token, Error> {
        #[cfg(feature = "dpop")]
        if let Some(attempt) = self.dpop.attempt(endpoint, &self.clock, &self.skew).await? {
            return self.request_with_proof(endpoint, &attempt, context).await;
        }
        let request = self.prepare(endpoint, context).await?;
        let has_times = self.auth.has_times() || self.parameters.have_times();
        self.exchange(request, has_times, context).await?.token
    }

    #[cfg(feature = "dpop")]
    async fn request_with_proof(
        &self,
        endpoint: &ResolvedEndpoint,
        attempt: &DpopAttempt,
        context: &Attempt,
    ) -> Result<Token, Error> {
        let mut is_second = false;
        loop {
            let mut request = self.prepare(endpoint, context).await?;
            let sent = attempt.add_proof(&mut request)?;
            let exchanged = self.exchange(request, true, context).await?;
            let Exchanged { headers, token } = exchanged;
            let received = attempt.observe(&headers, sent.as_deref());
            let error = match token {
                Ok(token) => return Ok(attempt.bind(token, &context.read.observer)),
                Err(error) => received.adjust(error),
            };
            // The server requires a nonce (RFC 9449 §8). The second request belongs to the same
            // attempt, since nothing failed.
            if is_second || !received.allows_second_request(&error) {
                return Err(error);
            }
            let server = endpoint.url.host().unwrap_or_default().to_owned();
            context.read.observer.emit(EventKind::NonceRequired { reason: context.reason, server });
            is_second = true;
        }
    }

    async fn prepare(
        &self,
        endpoint: &ResolvedEndpoint,
        context: &Attempt,
    ) -> Result<PreparedRequest, Error> {
        request::prepare(endpoint, &self.parameters, &*self.auth, self.now(), &context.read).await
    }

    /// Sends a request and reads the response. `has_times` says whether the request contains the
    /// time.
    ///
    /// # Errors
    ///
    /// An error if there is no response.
    async fn exchange(
        &self,
        request: PreparedRequest,
        has_times: bool,
        context: &Attempt,
    ) -> Result<Exchanged, Error> {
        let span = RequestSpan::token(context.number, request.request.uri());
        let exchange = self.send(request, has_times, context, &span);
        let exchanged = exchange.instrument(span.span()).await;
        match exchanged.as_ref().map(|exchanged| &exchanged.token) {
            Ok(Ok(_)) => span.succeed(),
            Ok(Err(error)) | Err(error) => span.fail(error),
        }
        exchanged
    }

    async fn send(
        &self,
        request: PreparedRequest,
        has_times: bool,
        context: &Attempt,
        span: &RequestSpan,
    ) -> Result<Exchanged, Error> {
        let PreparedRequest { request, secrets } = request;
        let uri = request.uri().clone();
        let (issued_at, sent) = (Instant::now(), self.clock.now());
        let response = self.transport.send(request).await;
        let response = response.map_err(|error| transport_error(error, &uri, &secrets))?;
        let (parts, body) = response.into_parts();
        span.record_status(parts.status);
        let skewed = self.skew.observe(&parts.headers, sent, self.clock.now());
        let is_skewed = skewed.is_some();
        if let Some(event) = skewed {
            context.read.observer.emit(event);
        }
        let body = if response::wants_body(parts.status, &parts.headers) {
            body::read(body, self.body_cap).await
        } else {
            Ok(Default::default())
        };
        let (body, incomplete) = match body {
            Ok(body) => (body, None),
            Err(incomplete) => (Default::default(), Some(incomplete)),
        };
        let token = response::read(RawResponse {
            status: parts.status,
            headers: &parts.headers,
            body: incomplete.map_or(Ok(body.as_slice()), Err),
            now: self.now(),
            secrets: &secrets,
            requested_scope: self.parameters.scope(),
            policy: &self.read_policy,
        });
        let token = token.map(|token| token.with_issued_at(issued_at)).map_err(|error| {
            // The wrong time may be the only reason. The next attempt has the right time.
            let is_refused = error.status().is_some_and(|status| status.is_client_error());
            let is_retryable = is_refused && is_skewed && has_times;
            if is_retryable { error.with_retryable(true) } else { error }
        });
        Ok(Exchanged { headers: parts.headers, token })
    }

    /// Attaches proofs to a token that another process acquired.
    #[cfg(feature = "dpop")]
    pub(super) fn adopt(&self, token: Token, observer: Observer) -> Token {
        self.dpop.adopt(token, &self.clock, &self.skew, observer)
    }

    /// The event of a granted scope that lacks a requested one, once for each change of the granted
    /// scope. Some servers separate scopes by commas.
    pub(super) fn scope_narrowed(&self, token: &Token) -> Option<EventKind> {
        let requested = self.parameters.scope()?;
        // A response without a scope grants the requested one (RFC 6749 §5.1).
        let granted = token.scope().unwrap_or(requested);
        let parts = |scope| str::split(scope, [' ', ',']).filter(|part| !part.is_empty());
        let missing = |part| !parts(granted).any(|granted| granted == part);
        let narrowed = parts(requested).any(missing).then(|| sanitise(granted));
        let mut reported = lock(&self.narrowed_scope);
        if *reported == narrowed {
            return None;
        }
        reported.clone_from(&narrowed);
        let granted = narrowed?;
        Some(EventKind::ScopeNarrowed { requested: requested.to_owned(), granted })
    }
}
