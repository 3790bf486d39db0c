//! A token response, from status, header fields and bytes to a token or an error. Pure: no
//! network and no clock.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use super::{
    body::Incomplete,
    fields::{Fields, MAX_SCOPE_BYTES, Member, Unreadable},
    lifetime,
    refusal::{self, Page},
    retry_after,
    token_type::{Expected, token_type},
};
use crate::{
    client_auth::SentSecrets,
    error::{Error, ErrorKind},
    token::{Token, TokenType},
};

/// What came back, and what is needed to read it.
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: Result<&'a [u8], Incomplete>,
    /// For a `Retry-After` that is a date.
    pub(super) now: SystemTime,
    /// The secrets in the request, which no error may show.
    pub(super) secrets: &'a SentSecrets,
    /// The scope that was asked for.
    pub(super) requested_scope: Option<&'a str>,
    pub(super) policy: &'a ReadPolicy,
}

/// What the user decides about reading.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadPolicy {
    pub(super) lifetime_cap: Option<Duration>,
    /// In place of what the server states.
    pub(super) token_lifetime: Option<Duration>,
    pub(super) token_type_override: Option<TokenType>,
    pub(super) expected: Expected,
}

/// Whether the body can say anything: not one of a redirect, and not one that is compressed.
pub(super) fn wants_body(status: StatusCode, headers: &HeaderMap) -> bool {
    !status.is_redirection() && !is_encoded(headers)
}

/// Reads an answer (RFC 6749 §5).
///
/// # Errors
///
/// Whatever is not a token that can be used; each with the status and `Retry-After`.
pub(super) fn read(answer: Answer<'_>) -> Result<Token, Error> {
    let Answer { status, headers, secrets, .. } = answer;
    let retry_after = retry_after::read(headers, answer.now);
    let token = if status.is_redirection() {
        Err(refusal::redirect(headers, secrets))
    } else if status.is_success() && status != StatusCode::PARTIAL_CONTENT {
        success(answer)
    } else {
        Err(failure(answer))
    };
    token.map_err(|error| {
        refusal::hint(error.with_status(status).with_retry_after(retry_after), secrets)
    })
}

fn success(answer: Answer<'_>) -> Result<Token, Error> {
    let Answer { status, headers, secrets, .. } = answer;
    if is_encoded(headers) {
        return Err(refusal::encoding());
    }
    let body = match answer.body {
        Ok(body) => body,
        Err(why) => return Err(refusal::incomplete(why, secrets)),
    };
    let answer = Answer { body: Ok(body), ..answer };
    let refuse = |refusal: &dyn Fn(Page<'_>) -> Error| {
        let text = refusal::lossy(body);
        Err(refusal(Page { status, headers, text: &text, secrets }))
    };
    let fields = match parse(headers, body) {
        Ok(fields) => fields,
        Err(why) => return refuse(&|page| refusal::malformed(&why, page)),
    };
    if let Some(code) = fields.error.as_text() {
        return refuse(&|page| refusal::oauth(code, &fields, page));
    }
    if let Member::Absent = fields.access_token {
        return refuse(&|page| page.describe(Error::new(ErrorKind::MissingAccessToken)));
    }
    token(fields, &answer)
}

fn failure(answer: Answer<'_>) -> Error {
    let Answer { status, headers, secrets, .. } = answer;
    // An unread body might have had a code. A status that says "later", or "no", is enough.
    let unread = |unread| {
        let without_code = refusal::without_code(status, headers, "");
        let enough = without_code.is_retryable() || without_code.is_terminal();
        if enough { without_code } else { unread }
    };
    if is_encoded(headers) {
        return unread(refusal::encoding());
    }
    let body = match answer.body {
        Ok(body) => body,
        Err(why) => return unread(refusal::incomplete(why, secrets)),
    };
    let text = refusal::lossy(body);
    let fields = parse(headers, text.as_bytes()).unwrap_or_default();
    let page = Page { status, headers, text: &text, secrets };
    match fields.error.as_text() {
        Some(code) => refusal::oauth(code, &fields, page),
        None => page.describe(refusal::without_code(status, headers, &text)),
    }
}

/// As a form only where the server says so, and not if it is JSON all the same; otherwise the
/// body decides, since mislabelled JSON is common.
fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Fields, Unreadable> {
    let form = refusal::content_type(headers)
        .is_some_and(|content_type| content_type == "application/x-www-form-urlencoded");
    if form && !body.trim_ascii_start().starts_with(b"{") {
        Fields::from_form(body)
    } else {
        Fields::from_json(body)
    }
}

fn token(fields: Fields, answer: &Answer<'_>) -> Result<Token, Error> {
    let (age, policy) = (lifetime::age(answer.headers), answer.policy);
    let mut secret = match fields.access_token {
        Member::Text(secret) => secret,
        Member::Absent => return Err(Error::new(ErrorKind::MissingAccessToken)),
        Member::Number(_) | Member::List(_) | Member::Other => {
            return Err(Error::new(ErrorKind::InvalidTokenValue)
                .with_detail("the access token is not a JSON string"));
        }
    };
    if !matches!(fields.error, Member::Absent | Member::Text(_)) {
        return Err(Error::new(ErrorKind::MalformedBody)
            .with_detail("it has an access token beside an error that is not a string"));
    }
    let token_type = token_type(&fields.token_type, policy.token_type_override, policy.expected)
        .map_err(|error| {
            if error.detail().is_some() {
                return error;
            }
            error.and_detail(refusal::token_type(&fields.token_type, answer.secrets, &secret))
        })?;
    let mut token = Token::new(token_type, std::mem::take(&mut *secret))?;
    if let Some(lifetime) = lifetime::stated(&fields.expires_in, policy.token_lifetime) {
        let lifetime = lifetime.min(policy.lifetime_cap.unwrap_or(Duration::MAX));
        // `expires_in` counts from when the answer was made. The lifetime gives way, not the
        // instant of issue: an `Instant` from before the machine's start may not exist.
        token = token.with_lifetime(lifetime.saturating_sub(age));
    } else {
        token = token.with_age(age);
    }
    if let Some(refresh_in) = lifetime::seconds(&fields.refresh_in) {
        token = token.with_refresh_in(refresh_in.saturating_sub(age));
    }
    if let Some(scope) = granted_scope(&fields.scope, answer) {
        token = token.with_scope(scope);
    }
    Ok(token)
}

/// The granted scope, for events and `Debug`. One that is too long is not kept. Of one that repeats
/// a secret, the names that were asked for are.
fn granted_scope(scope: &Member, answer: &Answer<'_>) -> Option<String> {
    let scope = match scope {
        Member::Text(scope) => scope.trim(),
        Member::List(scope) => scope,
        _ => return None,
    };
    if scope.is_empty() || scope.len() > MAX_SCOPE_BYTES {
        return None;
    }
    if answer.requested_scope == Some(scope) || !answer.secrets.are_repeated(scope, None) {
        return Some(scope.to_owned());
    }
    let requested = answer.requested_scope.unwrap_or_default();
    let was_requested = |name: &&str| requested.split_whitespace().any(|it| it == *name);
    let asked_for = scope.split_whitespace().filter(was_requested);
    let asked_for: Vec<_> = asked_for.collect();
    (!asked_for.is_empty()).then(|| asked_for.join(" "))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(header::CONTENT_ENCODING).iter().any(|value| {
        let mut codings = value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
        codings.any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
    })
}

#[cfg(test)]
mod without_code;

#[cfg(test)]
mod tests {
    use super::*;

    /// Neighbours of the cases: status, header fields, body → kind and whether to try again.
    pub(super) fn refused(
        status: u16,
        headers: &[(&'static str, &str)],
        body: &[u8],
    ) -> (ErrorKind, bool) {
        let error = answered(status, headers, Ok(body)).expect_err("no token");
        assert_eq!(error.status().unwrap(), status);
        (error.kind(), error.is_retryable())
    }

    pub(super) fn answered(
        status: u16,
        headers: &[(&'static str, &str)],
        body: Result<&[u8], Incomplete>,
    ) -> Result<Token, Error> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (name.parse::<header::HeaderName>().unwrap(), value.parse().unwrap())
            })
            .collect();
        read(Answer {
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
        use ErrorKind as K;
        for (status, body, expected) in [
            (503, r#"{"error":"invalid_scope"}"#, (K::InvalidScope, false)),
            (400, r#"{"error":"server_error"}"#, (K::ServerError, true)),
            (200, r#"{"error":"temporarily_unavailable"}"#, (K::TemporarilyUnavailable, true)),
            (500, r#"{"status":500,"error":"Internal Server Error"}"#, (K::ServerError, true)),
            (404, r#"{"status":404,"error":"Not Found"}"#, (K::OtherOAuthError, false)),
            (408, r#"{"error":"timeout"}"#, (K::HttpStatus, true)),
            (429, r#"{"error":"invalid_client"}"#, (K::InvalidClient, false)),
            (403, r#"{"error":""}"#, (K::HttpStatus, false)),
            (403, r#"{"error":null}"#, (K::HttpStatus, false)),
            (401, r#"["invalid_client"]"#, (K::HttpStatus, false)),
        ] {
            assert_eq!(refused(status, &[], body.as_bytes()), expected, "{status} {body}");
        }
        // Latin-1 beside the code, and a form where the server says so.
        let latin1 = b"{\"error\":\"invalid_client\",\"error_description\":\"J\xf6rg\"}";
        assert_eq!(refused(401, &[], latin1), (K::InvalidClient, false));
        let form = [("content-type", "Application/X-WWW-Form-Urlencoded ; charset=utf-8")];
        assert_eq!(refused(200, &form, b"error=invalid_scope"), (K::InvalidScope, false));
        assert_eq!(refused(200, &[], b"access_token=a"), (K::MalformedBody, false));
    }

    #[test]
    fn an_answer_that_cannot_be_read_whole_keeps_what_its_status_says() {
        use ErrorKind as K;
        let gzip = [("content-encoding", "identity, GZIP")];
        assert_eq!(refused(200, &gzip, b"{}"), (K::UnsupportedContentEncoding, false));
        assert_eq!(refused(400, &gzip, b"{}"), (K::UnsupportedContentEncoding, false));
        assert_eq!(refused(503, &gzip, b"{}"), (K::ServerError, true));
        assert_eq!(refused(302, &gzip, b""), (K::Redirect, false));
        let plain = [("content-encoding", "identity"), ("content-encoding", "")];
        assert_eq!(refused(200, &plain, b"{}"), (K::MissingAccessToken, false));
        let kind = |status, why| answered(status, &[], Err(why)).unwrap_err().kind();
        assert_eq!(kind(200, Incomplete::TooLarge), K::BodyTooLarge);
        assert_eq!(kind(400, Incomplete::TooLarge), K::BodyTooLarge);
        assert_eq!(kind(429, Incomplete::TooLarge), K::RateLimited);
        assert_eq!(kind(400, Incomplete::Broken("reset".into())), K::Transport);
        assert_eq!(kind(500, Incomplete::Broken("reset".into())), K::ServerError);
    }

    #[test]
    fn neighbours_of_a_good_answer() {
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
            assert_eq!(error.kind(), ErrorKind::MalformedBody, "{body}");
        }
    }

    #[test]
    fn every_token_type_that_is_not_bearer_is_refused() {
        for name in ["\"DPoP\"", "\"dpop\"", "\"mac\"", "\"N_A\"", "\"Bearer, x\"", "1", "{}"] {
            let body = format!(r#"{{"access_token":"a","token_type":{name}}}"#);
            let expected = (ErrorKind::UnsupportedTokenType, false);
            assert_eq!(refused(200, &[], body.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn empty_and_cut_answers_may_be_whole_the_next_time() {
        use ErrorKind as K;
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
