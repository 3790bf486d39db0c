//! Fetches the metadata document from the two well-known URIs.

use std::time::Duration;

use http::{Method, StatusCode, Uri};
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::{document::ServerMetadata, issuer::Issuer, redaction};
use crate::{
    client_auth::SentSecrets,
    endpoint::{
        attempt_context::AttemptContext,
        body::{self, BodyError},
        error_response,
        headers::common_headers,
        request_span::RequestSpan,
        response, retry_after,
        transport_error::transport_error,
    },
    error::{BoxError, Error, Problem},
    transport::{self, FreshConnection, TokenRequest, TokenResponse, Transport},
};

/// There is no usable document at one URI.
struct FetchFailure {
    uri: Uri,
    error: Error,
    /// The problem, for the text of the error.
    problem: String,
    /// Whether the other URI is skipped, since it would fail in the same way.
    stop: bool,
}

/// The first usable document at the two URIs. Each request may take half of the time that is left until
/// `ends_by`. So a URI that never answers does not hide the other one, and the token request has time.
///
/// # Errors
///
/// Kind `Discovery`, with the problem at each URI.
pub(super) async fn fetch(
    issuer: &Issuer,
    context: &AttemptContext<'_>,
    allow_plain_http: bool,
    ends_by: Instant,
) -> Result<ServerMetadata, Error> {
    let mut failures = Vec::new();
    for uri in issuer.well_known_uris() {
        let limit = ends_by.saturating_duration_since(Instant::now()) / 2;
        let fetch = timeout(limit, fetch_one(&uri, issuer, context, allow_plain_http));
        let fetched = match fetch.await {
            Ok(fetched) => fetched,
            Err(_elapsed) => Err(too_slow(&uri, limit)),
        };
        match fetched {
            Ok(metadata) => return Ok(metadata),
            // The document may be at the other URI. Some servers return for unknown paths 403, 500,
            // a login page or the metadata of another tenant.
            Err(failure) => {
                let stop = failure.stop;
                failures.push(failure);
                if stop {
                    break;
                }
            }
        }
    }
    Err(combine(failures))
}

/// The most significant error, with the problems at both URIs in its text.
fn combine(failures: Vec<FetchFailure>) -> Error {
    let text = |failure: &FetchFailure| format!("{}: {}", failure.uri, failure.problem);
    let all: Vec<_> = failures.iter().map(text).collect();
    let significance = |failure: &FetchFailure| {
        let is_missing = failure.error.status() == Some(StatusCode::NOT_FOUND);
        let is_mismatch = failure.error.problem() == Problem::IssuerMismatch;
        // A transient error is the most significant, since it allows a retry.
        if failure.error.is_retryable() {
            3
        } else if is_mismatch {
            2
        } else {
            u8::from(!is_missing)
        }
    };
    // The first of equals, which is the URI of RFC 8414.
    let chosen = failures.into_iter().rev().max_by_key(significance).expect("a URI was tried");
    chosen.error.with_detail(all.join("; "))
}

fn too_slow(uri: &Uri, limit: Duration) -> FetchFailure {
    FetchFailure {
        uri: uri.clone(),
        error: Error::of(Problem::Discovery).with_retryable(true),
        problem: format!("no answer within {:.1} s", limit.as_secs_f32()),
        stop: false,
    }
}

async fn fetch_one(
    uri: &Uri,
    issuer: &Issuer,
    context: &AttemptContext<'_>,
    allow_plain_http: bool,
) -> Result<ServerMetadata, FetchFailure> {
    let span = RequestSpan::metadata(uri);
    let fetch = request_metadata(uri, issuer, context, allow_plain_http, &span);
    let fetched = fetch.instrument(span.span()).await;
    match &fetched {
        Ok(_) => span.succeed(),
        Err(failure) => span.fail(&failure.error),
    }
    fetched
}

async fn request_metadata(
    uri: &Uri,
    issuer: &Issuer,
    context: &AttemptContext<'_>,
    allow_plain_http: bool,
    span: &RequestSpan,
) -> Result<ServerMetadata, FetchFailure> {
    let failure = |problem: String, error: Error| FetchFailure {
        uri: uri.clone(),
        error,
        problem,
        stop: false,
    };
    let discovery = Error::of(Problem::Discovery);
    let response = send(uri, context.transport).await.map_err(|cause| {
        // Without a connection the request for the other URI would fail too.
        let stop = transport::never_connected(&cause);
        let error = transport_error(cause, uri, &SentSecrets::default());
        let problem = match (error.problem(), error.detail()) {
            (Problem::Transport, Some(detail)) => detail.to_owned(),
            _ => format!("no answer ({error})"),
        };
        let retryable = error.is_retryable();
        FetchFailure {
            stop,
            ..failure(problem, discovery.clone().with_retryable(retryable).with_source(error))
        }
    })?;
    let (parts, body) = response.into_parts();
    let status = parts.status;
    span.record_status(status);
    let retry_after = retry_after::read(&parts.headers, context.now);
    let discovery = discovery.with_status(status).with_retry_after(retry_after);
    if !status.is_success() || status == StatusCode::PARTIAL_CONTENT {
        let problem = match status {
            StatusCode::NOT_FOUND => "there is no document".into(),
            _ if status.is_redirection() => "it redirects, which is not followed".into(),
            _ => format!("it answers {}", status.as_u16()),
        };
        let retryable = error_response::by_status(status).is_retryable();
        let stop = status == StatusCode::TOO_MANY_REQUESTS;
        return Err(FetchFailure { stop, ..failure(problem, discovery.with_retryable(retryable)) });
    }
    if !response::wants_body(status, &parts.headers) {
        return Err(failure("it is compressed, which was not asked for".into(), discovery));
    }
    let body = body::read(body, context.body_cap).await.map_err(|why| match why {
        BodyError::TooLarge => failure("it is above the body cap".into(), discovery.clone()),
        BodyError::Broken(cause) => {
            let problem = transport::describe("the answer broke off", &cause);
            failure(problem, discovery.clone().with_retryable(true).with_source(cause))
        }
    })?;
    let read = ServerMetadata::read(&body, issuer, allow_plain_http);
    redaction::redact(read, &issuer.text, context.auth, context.now).await.map_err(|error| {
        let problem = error.detail().unwrap_or("it cannot be used").to_owned();
        failure(problem, error.with_status(status))
    })
}

/// Sends a request for a document. If it fails on an existing connection, it is sent again on a new
/// one: a server may close an idle connection just when the request arrives (RFC 9112 §9.3.1).
async fn send(uri: &Uri, transport: &dyn Transport) -> Result<TokenResponse, BoxError> {
    match transport.send(get(uri)).await {
        Err(error) if !error.is::<Error>() && transport::may_send_again(&error) => {
            let mut again = get(uri);
            again.extensions_mut().insert(FreshConnection);
            transport.send(again).await
        }
        answered => answered,
    }
}

fn get(uri: &Uri) -> TokenRequest {
    let mut get = TokenRequest::default();
    *get.method_mut() = Method::GET;
    *get.uri_mut() = uri.clone();
    *get.headers_mut() = common_headers();
    get
}
