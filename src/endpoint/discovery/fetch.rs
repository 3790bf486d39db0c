//! Gets the metadata document: the two places, and what an error says of them.

use std::time::SystemTime;

use http::{Method, StatusCode, Uri};

use super::{document::ServerMetadata, echoes, places::Issuer};
use crate::{
    client_auth::{ClientAuth, SentSecrets},
    endpoint::{body, body::Incomplete, refusal, request, response, retry_after, transport_error},
    error::{BoxError, Error, ErrorKind},
    transport::{self, FreshConnection, TokenRequest, TokenResponse, Transport},
};

/// What is needed to ask.
pub(super) struct Asking<'a> {
    pub(super) transport: &'a dyn Transport,
    pub(super) auth: &'a dyn ClientAuth,
    pub(super) body_cap: usize,
    /// For a `Retry-After` that is a date.
    pub(super) now: SystemTime,
    pub(super) allow_plain_http: bool,
}

/// Why there is no document at one place.
struct Miss {
    place: Uri,
    error: Error,
    what: String,
    /// Asking the same host again would fail alike, or is unwanted.
    stop: bool,
}

/// The first usable document of the two places.
///
/// # Errors
///
/// Kind `Discovery` or `IssuerMismatch`, with what each place answered.
pub(super) async fn fetch(issuer: &Issuer, asking: &Asking<'_>) -> Result<ServerMetadata, Error> {
    let mut misses = Vec::new();
    for place in issuer.places() {
        match one(&place, issuer, asking).await {
            Ok(metadata) => return Ok(metadata),
            // Whatever else it is, another document may be at the other place: some servers answer
            // unknown paths with 403, 500, a login page or the metadata of another tenant.
            Err(miss) => {
                let stop = miss.stop;
                misses.push(miss);
                if stop {
                    break;
                }
            }
        }
    }
    Err(sum_up(misses))
}

/// One error for both: the one that says most, with both places in its text.
fn sum_up(misses: Vec<Miss>) -> Error {
    let all: Vec<_> = misses.iter().map(|miss| format!("{}: {}", miss.place, miss.what)).collect();
    let telling = |miss: &Miss| {
        let missing = miss.error.status() == Some(StatusCode::NOT_FOUND);
        let other = miss.error.kind() == ErrorKind::IssuerMismatch;
        // What may pass counts most: it decides whether to ask again.
        if miss.error.is_retryable() {
            3
        } else if other {
            2
        } else {
            u8::from(!missing)
        }
    };
    // Of equals the first, which is the standard's own place.
    let chosen = misses.into_iter().rev().max_by_key(telling).expect("a place was tried");
    chosen.error.with_detail(all.join("; "))
}

async fn one(place: &Uri, issuer: &Issuer, asking: &Asking<'_>) -> Result<ServerMetadata, Miss> {
    let miss = |what: String, error: Error| Miss { place: place.clone(), error, what, stop: false };
    let discovery = Error::new(ErrorKind::Discovery);
    let response = send(place, asking).await.map_err(|cause| {
        // Without a connection for this document there is none for the other.
        let stop = transport::never_connected(&cause);
        let error = transport_error(cause, place, &SentSecrets::default());
        let what = match (error.kind(), error.detail()) {
            (ErrorKind::Transport, Some(detail)) => detail.to_owned(),
            _ => format!("no answer ({error})"),
        };
        let retryable = error.is_retryable();
        Miss { stop, ..miss(what, discovery.clone().with_retryable(retryable).with_source(error)) }
    })?;
    let (parts, body) = response.into_parts();
    let status = parts.status;
    let retry_after = retry_after::read(&parts.headers, asking.now);
    let discovery = discovery.with_status(status).with_retry_after(retry_after);
    if !status.is_success() || status == StatusCode::PARTIAL_CONTENT {
        let what = match status {
            StatusCode::NOT_FOUND => "there is nothing".into(),
            _ if status.is_redirection() => "it redirects, which is not followed".into(),
            _ => format!("it answers {}", status.as_u16()),
        };
        let retryable = refusal::by_status(status).is_retryable();
        let stop = status == StatusCode::TOO_MANY_REQUESTS;
        return Err(Miss { stop, ..miss(what, discovery.with_retryable(retryable)) });
    }
    if !response::wants_body(status, &parts.headers) {
        return Err(miss("it is compressed, which was not asked for".into(), discovery));
    }
    let body = body::read(body, asking.body_cap).await.map_err(|why| match why {
        Incomplete::TooLarge => miss("it is above the body cap".into(), discovery.clone()),
        Incomplete::Broken(cause) => {
            let what = transport::describe("the answer broke off", &cause);
            miss(what, discovery.clone().with_retryable(true).with_source(cause))
        }
    })?;
    let read = ServerMetadata::read(&body, issuer, asking.allow_plain_http);
    echoes::remove(read, &issuer.text, asking.auth, asking.now).await.map_err(|error| {
        let what = error.detail().unwrap_or("it cannot be used").to_owned();
        miss(what, error.with_status(status))
    })
}

/// Sends a request for a document. If it fails on a connection, it is sent again on a new one: a
/// server may close a connection that was used before just when the request arrives (RFC 9112 §9.3.1).
async fn send(place: &Uri, asking: &Asking<'_>) -> Result<TokenResponse, BoxError> {
    match asking.transport.send(get(place)).await {
        Err(error) if !error.is::<Error>() && transport::may_send_again(&error) => {
            let mut again = get(place);
            again.extensions_mut().insert(FreshConnection);
            asking.transport.send(again).await
        }
        answered => answered,
    }
}

fn get(place: &Uri) -> TokenRequest {
    let mut get = TokenRequest::default();
    *get.method_mut() = Method::GET;
    *get.uri_mut() = place.clone();
    *get.headers_mut() = request::common_headers();
    get
}
