//! Responses of the token endpoint (RFC 6749 §5).

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde_json::{Map, Value, json};

use super::grant::Refusal;
use crate::testing::dpop::Unproven;

pub(super) fn token(
    token: &str,
    token_type: &str,
    expires_in: Option<Duration>,
    scope: Option<&str>,
    exchanged: bool,
) -> Response<Bytes> {
    let mut body = Map::new();
    body.insert("access_token".into(), token.into());
    if let Some(lifetime) = expires_in {
        body.insert("expires_in".into(), seconds(lifetime));
    }
    body.insert("token_type".into(), token_type.into());
    if exchanged {
        let access_token = "urn:ietf:params:oauth:token-type:access_token";
        body.insert("issued_token_type".into(), access_token.into());
    }
    if let Some(scope) = scope {
        body.insert("scope".into(), scope.into());
    }
    json_response(StatusCode::OK, &Value::Object(body))
}

pub(super) fn refusal(refusal: &Refusal) -> Response<Bytes> {
    let body = json!({ "error": refusal.code, "error_description": refusal.description });
    let mut response = json_response(refusal.status, &body);
    if refusal.challenge {
        let challenge = HeaderValue::from_static("Basic realm=\"token\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

/// RFC 9449 §5, §8.
pub(super) fn unproven(why: &Unproven) -> Response<Bytes> {
    let body = json!({ "error": why.code(), "error_description": why.why() });
    json_response(StatusCode::BAD_REQUEST, &body)
}

pub(super) fn oauth_error(status: u16, code: &str) -> Response<Bytes> {
    json_response(status_code(status), &json!({ "error": code }))
}

pub(super) fn status(status: u16, retry_after: Option<u64>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status_code(status);
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// Interim and impossible statuses cannot be sent as responses.
fn status_code(status: u16) -> StatusCode {
    match StatusCode::from_u16(status) {
        Ok(code) if !code.is_informational() => code,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whole seconds as an integer, as nearly all servers send them; others as a float.
fn seconds(lifetime: Duration) -> Value {
    match lifetime.subsec_nanos() {
        0 => lifetime.as_secs().into(),
        _ => lifetime.as_secs_f64().into(),
    }
}

pub(super) fn json_response(status: StatusCode, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_integers_where_they_can_be() {
        assert_eq!(seconds(Duration::from_secs(3599)).to_string(), "3599");
        assert_eq!(seconds(Duration::from_millis(1500)).to_string(), "1.5");
        assert_eq!(seconds(Duration::from_secs(u64::MAX)).to_string(), u64::MAX.to_string());
        assert_eq!(
            token("t", "Bearer", None, None, false).body(),
            r#"{"access_token":"t","token_type":"Bearer"}"#
        );
    }

    #[test]
    fn impossible_statuses_are_server_errors() {
        for (asked, answered) in [(200, 200), (599, 599), (0, 500), (103, 500), (1000, 500)] {
            assert_eq!(status(asked, None).status().as_u16(), answered);
        }
        assert_eq!(status(429, Some(7)).headers()[RETRY_AFTER], "7");
    }
}
