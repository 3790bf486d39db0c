//! Answers without a token, as errors: what happened and never what was secret.

use std::borrow::Cow;

use http::{HeaderMap, StatusCode, Uri, header};
use zeroize::Zeroizing;

use super::{
    body::Incomplete,
    fields::{Fields, Member, Unreadable},
};
use crate::{
    error::{Error, ErrorKind, sanitise},
    transport,
};

/// What a status alone says.
pub(super) fn by_status(status: StatusCode) -> Error {
    match status.as_u16() {
        429 => Error::new(ErrorKind::RateLimited),
        500..=599 => Error::new(ErrorKind::ServerError),
        // Request Timeout and Too Early invite the same request again.
        408 | 425 => Error::new(ErrorKind::HttpStatus).with_retryable(true),
        _ => Error::new(ErrorKind::HttpStatus),
    }
}

/// An OAuth error (RFC 6749 §5.2). A code that is known to be final outranks the status; an
/// unknown one, or one that only says "not now", leaves a 429 or a failing server's answer what
/// it is.
pub(super) fn oauth(
    code: &str,
    fields: &Fields,
    status: StatusCode,
    secrets: &[Zeroizing<String>],
) -> Error {
    let status = by_status(status);
    let known = Error::new(ErrorKind::of_oauth_code(code));
    let by_status = match status.kind() {
        ErrorKind::RateLimited => {
            known.is_retryable() || known.kind() == ErrorKind::OtherOAuthError
        }
        _ => known.kind() == ErrorKind::OtherOAuthError && status.is_retryable(),
    };
    let error = if by_status { status } else { known };
    let scrub = |text| scrub(text, secrets, &fields.access_token);
    let description = fields.error_description.as_text().map(scrub);
    error.with_oauth_code(&scrub(code), description.as_deref())
}

/// Takes what we sent, and a token, out of a text: some servers echo their input.
fn scrub<'a>(text: &'a str, secrets: &[Zeroizing<String>], token: &Member) -> Cow<'a, str> {
    /// Below this a secret is no secret, and would tear words apart.
    const SHORTEST: usize = 4;
    let token = match token {
        Member::Text(token) => Some(token),
        _ => None,
    };
    let mut text = Cow::Borrowed(text);
    for secret in secrets.iter().chain(token) {
        if secret.len() >= SHORTEST && text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "[redacted]").into();
        }
    }
    text
}

/// A redirect, with its target's origin: the rest of the address may carry anything.
pub(super) fn redirect(headers: &HeaderMap) -> Error {
    let error = Error::new(ErrorKind::Redirect);
    match headers.get(header::LOCATION) {
        None => error.with_detail("it names no target"),
        Some(location) => {
            let target = location.to_str().ok().and_then(origin);
            let target = target.as_deref().unwrap_or("an address that cannot be read");
            error.with_detail(format!("it points to {target}"))
        }
    }
}

fn origin(location: &str) -> Option<String> {
    let network_path = location.starts_with("//");
    if location.starts_with('/') && !network_path {
        return Some("the same origin".into());
    }
    // `http::Uri` takes no scheme-relative reference.
    let uri: Uri =
        if network_path { format!("https:{location}").parse() } else { location.parse() }.ok()?;
    // A host can be as long as an address.
    let host = sanitise(uri.host()?);
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    match uri.scheme_str() {
        Some(_) if network_path => Some(format!("//{host}{port}")),
        Some(scheme) => Some(format!("{scheme}://{host}{port}")),
        None => None,
    }
}

pub(super) fn incomplete(why: Incomplete) -> Error {
    match why {
        Incomplete::TooLarge => Error::new(ErrorKind::BodyTooLarge),
        Incomplete::Broken(cause) => {
            let text = transport::describe("the answer broke off", &cause);
            Error::new(ErrorKind::Transport).with_detail(text).with_source(cause)
        }
    }
}

pub(super) fn encoding() -> Error {
    Error::new(ErrorKind::UnsupportedContentEncoding)
}

/// A success that is no token response.
pub(super) fn malformed(why: Unreadable, page: Page<'_>) -> Error {
    let error = Error::new(ErrorKind::MalformedBody);
    if page.body.trim_ascii().is_empty() {
        return error.with_retryable(true).with_detail("the body is empty");
    }
    match why {
        Unreadable::Truncated => error.with_retryable(true).with_detail("the body ends early"),
        Unreadable::Malformed(why) => page.describe(error.with_detail(why)),
    }
}

/// What came instead of an OAuth answer; often a proxy's or a login page.
#[derive(Clone, Copy)]
pub(super) struct Page<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
    pub(super) secrets: &'a [Zeroizing<String>],
}

impl Page<'_> {
    /// Adds the content type, and how the page begins. Only what looks like markup is shown, and
    /// not when a token or a secret could be in it: XML token responses and echoes exist.
    pub(super) fn describe(&self, error: Error) -> Error {
        let body = self.body.trim_ascii_start();
        if !body.starts_with(b"<") {
            return error;
        }
        let error = error.with_detail(match content_type(self.headers) {
            Some(content_type) => format!("it is a page of type {content_type}"),
            None => "it is a page without a content type".into(),
        });
        let page = String::from_utf8_lossy(body);
        let lower = page.to_ascii_lowercase();
        let mut suspicious = ["token", "secret", "password", "eyj"].into_iter();
        if suspicious.any(|word| lower.contains(word))
            || scrub(&page, self.secrets, &Member::Absent) != page
        {
            return error;
        }
        error.with_server_text(&page.chars().take(120).collect::<String>())
    }
}

/// `type/subtype`, if it reads like one.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next()?.trim().to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/+-.".contains(&byte);
    (essence.len() <= 60 && essence.bytes().all(plain)).then_some(essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(location: Option<&str>) -> String {
        let mut headers = HeaderMap::new();
        if let Some(location) = location {
            headers.insert(header::LOCATION, location.parse().unwrap());
        }
        let text = redirect(&headers).to_string();
        text.rsplit_once("address; ").unwrap().1.to_owned()
    }

    #[test]
    fn a_redirect_names_its_targets_origin_and_no_more() {
        for (location, expected) in [
            ("https://as.example.com/o/token/?code=x", "https://as.example.com"),
            ("http://user:pw@evil.example.net:81/", "http://evil.example.net:81"),
            ("//evil.example.net/token", "//evil.example.net"),
            ("/login?next=abc", "the same origin"),
            ("login", "an address that cannot be read"),
            ("https://", "an address that cannot be read"),
            ("", "an address that cannot be read"),
        ] {
            assert_eq!(target(Some(location)), format!("it points to {expected}"), "{location}");
        }
        assert_eq!(target(None), "it names no target");
    }

    #[test]
    fn a_page_is_shown_in_short_unless_a_token_could_be_in_it() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "text/HTML; charset=x".parse().unwrap());
        let secrets = [Zeroizing::new("hunter2".to_owned())];
        let text = |body: &str| {
            let page = Page { headers: &headers, body: body.as_bytes(), secrets: &secrets };
            let text = page.describe(Error::new(ErrorKind::MalformedBody)).to_string();
            text.rsplit_once("in between").unwrap().1.to_owned()
        };
        assert_eq!(
            text("\n<p>Sign\u{7}\u{202e}in</p>"),
            "; it is a page of type text/html (\"<p>Sign??in</p>\")"
        );
        for hidden in ["<OAuth><access_token>a", "<a>eyJhbGci", "<a>hunter2", "<csrfToken>"] {
            assert_eq!(text(hidden), "; it is a page of type text/html", "{hidden}");
        }
        assert!(text(&"<a>".repeat(1000)).len() < 200);
        for other in ["2YotnFZFEjr1zCsicMWpAA", "{\"x\":1}", ""] {
            assert_eq!(text(other), "", "{other}");
        }
    }
}
