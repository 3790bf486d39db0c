//! The spans of HTTP requests to the authorization server, with OpenTelemetry's attributes of HTTP
//! clients.

use std::borrow::Cow;

use http::{StatusCode, Uri};
use tracing::{Span, debug_span, field::Empty};

use crate::error::{Error, Problem};

/// The span of one HTTP request. If it is dropped before an end is recorded, the request ran into a
/// timeout.
pub(super) struct RequestSpan {
    span: Span,
    is_ended: bool,
}

impl RequestSpan {
    /// The span of a token request of this attempt.
    pub(super) fn token(attempt: u32, url: &Uri) -> Self {
        let span = debug_span!(
            "token_request",
            attempt,
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = "POST",
            server.address = Empty,
            server.port = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
        );
        Self::new(span, url)
    }

    /// The span of a request for the server's metadata.
    pub(super) fn metadata(url: &Uri) -> Self {
        let span = debug_span!(
            "metadata_request",
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = "GET",
            server.address = Empty,
            server.port = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
        );
        Self::new(span, url)
    }

    /// Names the server without the path, since some servers require keys in it.
    fn new(span: Span, url: &Uri) -> Self {
        let default = if url.scheme_str() == Some("http") { 80 } else { 443 };
        let host = url.host().map(|host| host.trim_start_matches('[').trim_end_matches(']'));
        span.record("server.address", host);
        span.record("server.port", url.port_u16().unwrap_or(default));
        Self { span, is_ended: false }
    }

    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    pub(super) fn record_status(&self, status: StatusCode) {
        self.span.record("http.response.status_code", status.as_u16());
    }

    pub(super) fn succeed(mut self) {
        self.is_ended = true;
    }

    pub(super) fn fail(mut self, error: &Error) {
        self.is_ended = true;
        self.record_error(&error_type(error));
    }

    fn record_error(&self, error_type: &str) {
        self.span.record("error.type", error_type);
        self.span.record("otel.status_code", "ERROR");
    }
}

impl Drop for RequestSpan {
    fn drop(&mut self) {
        if !self.is_ended {
            self.record_error(Error::of(Problem::AcquisitionTimeout).code());
        }
    }
}

/// OpenTelemetry's `error.type` of HTTP clients: the status, or the name of the problem.
fn error_type(error: &Error) -> Cow<'static, str> {
    match error.status().filter(|status| status.is_client_error() || status.is_server_error()) {
        Some(status) => status.as_str().to_owned().into(),
        None => error.code().into(),
    }
}
