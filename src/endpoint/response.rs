//! Reads a token response. Pure: without network and clock.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use super::{
    body::BodyError,
    error_response::{self, ErrorBody},
    fields::{Fields, MAX_SCOPE_BYTES, Member, ParseError},
    lifetime, retry_after, token_members,
    token_type::{AcceptedTypes, token_type},
};
use crate::{
    client_auth::SentSecrets,
    error::{Error, Problem},
    token::{Token, TokenType},
};

/// A response, with the inputs for reading it.
pub(super) struct RawResponse<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Result<&'a [u8], BodyError>,
    /// The current time, to read a `Retry-After` that is a date.
    pub(super) now: SystemTime,
    /// The secrets in the request, which no error may show.
    pub(super) secrets: &'a SentSecrets,
    /// The requested scope.
    pub(super) requested_scope: Option<&'a str>,
    pub(super) policy: &'a ReadPolicy,
}

/// The settings for reading responses.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadPolicy {
    pub(super) lifetime_cap: Option<Duration>,
    /// Replaces the lifetime that the server states.
    pub(super) token_lifetime: Option<Duration>,
    pub(super) token_type_override: Option<TokenType>,
    pub(super) accepted: AcceptedTypes,
}

/// Whether the body is read. The body of a redirect and a compressed body are not.
pub(super) fn wants_body(status: StatusCode, headers: &HeaderMap) -> bool {
    !status.is_redirection() && !is_encoded(headers)
}

/// Reads a response (RFC 6749 §5).
///
/// # Errors
///
/// Any response without a usable token is an error. It has the status and `Retry-After`.
pub(super) fn read(answer: RawResponse<'_>) -> Result<Token, Error> {
    let RawResponse { status, headers, secrets, .. } = answer;
    let retry_after = retry_after::read(headers, answer.now);
    let token = if status.is_redirection() {
        Err(error_response::redirect(headers, secrets))
    } else if status.is_success() && status != StatusCode::PARTIAL_CONTENT {
        success(answer)
    } else {
        Err(failure(answer))
    };
    token.map_err(|error| {
        error_response::add_hints(error.with_status(status).with_retry_after(retry_after), secrets)
    })
}

fn success(answer: RawResponse<'_>) -> Result<Token, Error> {
    let RawResponse { status, headers, secrets, .. } = answer;
    if is_encoded(headers) {
        return Err(error_response::encoding());
    }
    let body = match answer.body {
        Ok(body) => body,
        Err(why) => return Err(error_response::incomplete(why, secrets)),
    };
    let answer = RawResponse { body: Ok(body), ..answer };
    let refuse = |describe: &dyn Fn(ErrorBody<'_>) -> Error| {
        let text = error_response::lossy(body);
        Err(describe(ErrorBody { status, headers, text: &text, secrets }))
    };
    let fields = match parse(headers, body) {
        Ok(fields) => fields,
        Err(why) => return refuse(&|page| error_response::malformed(&why, page)),
    };
    if let Some(code) = fields.error.as_text() {
        return refuse(&|page| error_response::oauth(code, &fields, page));
    }
    if let Member::Absent = fields.access_token {
        return refuse(&|page| page.describe(Error::of(Problem::MissingAccessToken)));
    }
    token(fields, &answer)
}

fn failure(answer: RawResponse<'_>) -> Error {
    let RawResponse { status, headers, secrets, .. } = answer;
    // The unread body may contain an error code. A status that says "later" or "no" is enough.
    let unread = |unread| {
        let without_code = error_response::without_code(status, headers, None);
        let enough = without_code.is_retryable() || without_code.is_permanent();
        if enough { without_code } else { unread }
    };
    if is_encoded(headers) {
        return unread(error_response::encoding());
    }
    let body = match answer.body {
        Ok(body) => body,
        Err(why) => return unread(error_response::incomplete(why, secrets)),
    };
    let text = error_response::lossy(body);
    let fields = parse(headers, text.as_bytes()).unwrap_or_default();
    let page = ErrorBody { status, headers, text: &text, secrets };
    match fields.error.as_text() {
        Some(code) => error_response::oauth(code, &fields, page),
        None => page.describe(error_response::without_code(status, headers, Some(&text))),
    }
}

/// Parses a form only if the content type says so and the body is not JSON. Otherwise the content
/// type is ignored, since mislabeled JSON is common.
fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Fields, ParseError> {
    let form = error_response::content_type(headers)
        .is_some_and(|content_type| content_type == "application/x-www-form-urlencoded");
    if form && !body.trim_ascii_start().starts_with(b"{") {
        Fields::from_form(body)
    } else {
        Fields::from_json(body)
    }
}

fn token(fields: Fields, answer: &RawResponse<'_>) -> Result<Token, Error> {
    let (age, policy) = (lifetime::age(answer.headers), answer.policy);
    let mut secret = match fields.access_token {
        Member::Text(secret) => secret,
        Member::Absent => return Err(Error::of(Problem::MissingAccessToken)),
        Member::Number(_) | Member::List(_) | Member::Other => {
            return Err(Error::of(Problem::InvalidTokenValue)
                .with_detail("the access token is not a JSON string"));
        }
    };
    if !matches!(fields.error, Member::Absent | Member::Text(_)) {
        return Err(Error::of(Problem::MalformedBody)
            .with_detail("it has an access token and an error that is not a string"));
    }
    let token_type = token_type(&fields.token_type, policy.token_type_override, policy.accepted)
        .map_err(|error| {
            if error.detail().is_some() {
                return error;
            }
            error.and_detail(error_response::token_type(
                &fields.token_type,
                answer.secrets,
                &secret,
            ))
        })?;
    let scope = granted_scope(&fields.scope, answer, &secret);
    let mut token = Token::new(token_type, std::mem::take(&mut *secret))?;
    if let Some(lifetime) = lifetime::stated(&fields.expires_in, policy.token_lifetime) {
        let lifetime = lifetime.min(policy.lifetime_cap.unwrap_or(Duration::MAX));
        // `expires_in` counts from the creation of the response. The age is subtracted from the
        // lifetime and not from the instant of issue, which could be before the first `Instant`.
        token = token.with_lifetime(lifetime.saturating_sub(age));
    } else {
        token = token.with_age(age);
    }
    if let Some(refresh_in) = lifetime::seconds(&fields.refresh_in) {
        token = token.with_refresh_in(refresh_in.saturating_sub(age));
    }
    if let Some(scope) = scope {
        token = token.with_scope(scope);
    }
    Ok(token)
}

/// The granted scope, for events and `Debug`. A scope that is too long is dropped. Of a scope that
/// repeats a secret or a token, only the requested names are kept.
fn granted_scope(scope: &Member, answer: &RawResponse<'_>, access_token: &str) -> Option<String> {
    let scope = match scope {
        Member::Text(scope) => scope.trim(),
        Member::List(scope) => scope,
        _ => return None,
    };
    if scope.is_empty() || scope.len() > MAX_SCOPE_BYTES {
        return None;
    }
    if answer.requested_scope == Some(scope) || !repeats_a_token(scope, answer, access_token) {
        return Some(scope.to_owned());
    }
    let requested = answer.requested_scope.unwrap_or_default();
    let was_requested = |name: &&str| requested.split_whitespace().any(|it| it == *name);
    let requested_names = scope.split_whitespace().filter(was_requested);
    let requested_names: Vec<_> = requested_names.collect();
    (!requested_names.is_empty()).then(|| requested_names.join(" "))
}

/// Whether a scope repeats a secret of the request, or a token of the same response.
fn repeats_a_token(scope: &str, answer: &RawResponse<'_>, access_token: &str) -> bool {
    // A token that is shorter than a shared piece would match words.
    const SHORTEST: usize = 8;
    let access_token = Some(access_token).filter(|token| token.len() >= SHORTEST);
    answer.secrets.are_repeated(scope, access_token)
        || scope.split_whitespace().any(token_members::looks_like_token)
            && answer
                .body
                .as_ref()
                .is_ok_and(|body| token_members::are_repeated(&error_response::lossy(body), scope))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| {
        let mut codings = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
    })
}

#[cfg(test)]
mod no_oauth_code_tests;

#[cfg(test)]
mod tests {
    use super::*;

    /// The kind of the error, and whether it is retryable.
    pub(super) fn refused(
        status: u16,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> (Problem, bool) {
        let error = answered(status, headers, Ok(body)).expect_err("no token");
        assert_eq!(error.status().unwrap(), status);
        (error.problem(), error.is_retryable())
    }

    pub(super) fn answered(
        status: u16,
        headers: &[(&'static str, &str)],
        body: Result<&[u8], BodyError>,
    ) -> Result<Token, Error> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
            })
            .collect();
        read(RawResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: &headers,
            body,
            now: SystemTime::UNIX_EPOCH,
            secrets: &SentSecrets::default(),
            requested_scope: None,
            policy: &ReadPolicy::default(),
        })
    }

    #[test]
    fn a_known_code_outranks_the_status_and_an_unknown_one_does_not() {
        use Problem as K;
        for (status, body, expected) in [
            (503, r#"{"error":"invalid_scope"}"#, (K::InvalidScope, false)),
            (400, r#"{"error":"server_error"}"#, (K::ServerError, true)),
            (200, r#"{"error":"temporarily_unavailable"}"#, (K::TemporarilyUnavailable, true)),
            (500, r#"{"status":500,"error":"Internal Server Error"}"#, (K::ServerError, true)),
            (404, r#"{"status":404,"error":"Not Found"}"#, (K::HttpStatus, false)),
            (405, r#"{"status":405,"error":"Method Not Allowed"}"#, (K::HttpStatus, false)),
            (410, r#"{"error":"Gone","message":"use /v2"}"#, (K::HttpStatus, false)),
            (404, r#"{"error":"invalid_client"}"#, (K::InvalidClient, false)),
            (415, r#"{"error":"unsupported_media_type"}"#, (K::OtherOAuthError, false)),
            (401, r#"{"status":401,"error":"Unauthorized"}"#, (K::OtherOAuthError, false)),
            (408, r#"{"error":"timeout"}"#, (K::HttpStatus, true)),
            (429, r#"{"error":"invalid_client"}"#, (K::InvalidClient, false)),
            (403, r#"{"error":""}"#, (K::CredentialsRefused, false)),
            (403, r#"{"error":null}"#, (K::CredentialsRefused, false)),
            (401, r#"["invalid_client"]"#, (K::CredentialsRefused, false)),
        ] {
            assert_eq!(refused(status, &[], body.as_bytes()), expected, "{status} {body}");
        }
        // A description in Latin-1, and forms.
        let latin1 = b"{\"error\":\"invalid_client\",\"error_description\":\"J\xf6rg\"}";
        assert_eq!(refused(401, &[], latin1), (K::InvalidClient, false));
        let form = [("content-type", "Application/X-WWW-Form-Urlencoded ; charset=utf-8")];
        assert_eq!(refused(200, &form, b"error=invalid_scope"), (K::InvalidScope, false));
        assert_eq!(refused(200, &[], b"access_token=a"), (K::MalformedBody, false));
    }

    #[test]
    fn an_answer_that_cannot_be_read_whole_keeps_what_its_status_says() {
        use Problem as K;
        let gzip = [("content-encoding", "identity, GZIP")];
        assert_eq!(refused(200, &gzip, b"{}"), (K::UnsupportedContentEncoding, false));
        assert_eq!(refused(400, &gzip, b"{}"), (K::UnsupportedContentEncoding, false));
        assert_eq!(refused(503, &gzip, b"{}"), (K::ServerError, true));
        assert_eq!(refused(302, &gzip, b""), (K::Redirect, false));
        let plain = [("content-encoding", "identity"), ("content-encoding", "")];
        assert_eq!(refused(200, &plain, b"{}"), (K::MissingAccessToken, false));
        let kind = |status, why| answered(status, &[], Err(why)).unwrap_err().problem();
        assert_eq!(kind(200, BodyError::TooLarge), K::BodyTooLarge);
        assert_eq!(kind(400, BodyError::TooLarge), K::BodyTooLarge);
        assert_eq!(kind(429, BodyError::TooLarge), K::RateLimited);
        assert_eq!(kind(400, BodyError::Broken("reset".into())), K::Transport);
        assert_eq!(kind(500, BodyError::Broken("reset".into())), K::ServerError);
    }

    #[test]
    fn variants_of_a_good_response() {
        let token =
            |status, headers: &[_], body: &str| answered(status, headers, Ok(body.as_bytes()));
        let bom = token(201, &[], "\u{feff} {\"access_token\":\"a\",\"token_type\":\"\"}").unwrap();
        assert_eq!((bom.secret(), bom.token_type()), ("a", TokenType::Bearer));
        let form = [("content-type", "application/x-www-form-urlencoded")];
        assert!(token(200, &form, " {\"access_token\":\"a\"}").is_ok());
        for no_error in ["null", "\"\""] {
            let body = format!(r#"{{"access_token":"a","error":{no_error}}}"#);
            assert!(token(200, &[], &body).is_ok(), "{body}");
        }
        for an_error in ["{}", "1", "true", "[]"] {
            let body = format!(r#"{{"access_token":"a","error":{an_error}}}"#);
            let error = token(200, &[], &body).unwrap_err();
            assert_eq!(error.problem(), Problem::MalformedBody, "{body}");
        }
    }

    #[test]
    fn every_token_type_that_is_not_bearer_is_refused() {
        for name in ["\"DPoP\"", "\"dpop\"", "\"mac\"", "\"N_A\"", "\"Bearer, x\"", "1", "{}"] {
            let body = format!(r#"{{"access_token":"a","token_type":{name}}}"#);
            let expected = (Problem::UnsupportedTokenType, false);
            assert_eq!(refused(200, &[], body.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn empty_and_cut_answers_may_be_whole_the_next_time() {
        use Problem as K;
        for body in ["", " \n", "{", "{\"access_token\":\"a\""] {
            assert_eq!(refused(200, &[], body.as_bytes()), (K::MalformedBody, true), "{body:?}");
        }
        assert_eq!(refused(206, &[], b"{\"access_token\":\"a\"}"), (K::HttpStatus, false));
    }

    #[test]
    fn every_status_and_odd_bytes_give_an_answer_and_no_panic() {
        for status in 200..=999 {
            for body in [&b""[..], b"\xff\xfe", b"{\"error\":", b"<", b"\0", b"\xef\xbb\xbf"] {
                assert!(answered(status, &[("retry-after", "x")], Ok(body)).is_err());
            }
        }
    }
}
