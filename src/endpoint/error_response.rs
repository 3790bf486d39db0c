//! The errors of responses without a token. They never show a secret.

use http::{HeaderMap, StatusCode, Uri, header};
use zeroize::Zeroizing;

use super::{
    body::BodyError,
    fields::{Fields, Member, ParseError},
    server_message, token_members,
    transport_error::with_cause,
};
use crate::{
    client_auth::{SentSecrets, WITHHELD},
    error::{Error, Problem, sanitise},
    transport,
};

/// The error of a status.
pub(super) fn by_status(status: StatusCode) -> Error {
    match status.as_u16() {
        429 => Error::of(Problem::RateLimited),
        500..=599 => Error::of(Problem::ServerError),
        // Request Timeout and Too Early invite the same request again.
        408 | 425 => Error::of(Problem::HttpStatus).with_retryable(true),
        _ => Error::of(Problem::HttpStatus),
    }
}

/// Whether the status says that there is no token endpoint at this address.
pub(super) fn has_no_endpoint(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE)
}

/// The error of a status without an OAuth error code. 401 and 403 mean refused credentials: retries
/// could lock the client out. A 403 with `Retry-After` or an HTML page comes from a firewall or proxy,
/// and is transient. `body` is `None` if it was not read whole.
pub(super) fn without_code(status: StatusCode, headers: &HeaderMap, body: Option<&str>) -> Error {
    let error = by_status(status);
    match status {
        StatusCode::FORBIDDEN
            if headers.contains_key(header::RETRY_AFTER) || is_html(headers, body) =>
        {
            error.with_retryable(true).with_advice(
                "a firewall or proxy in front of the token endpoint seems to block this client; \
                 check that its network may call the token URL; this client retries after a pause",
            )
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::of(Problem::CredentialsRefused),
        _ => error,
    }
}

/// Decides by the body first, since the content type is often wrong.
fn is_html(headers: &HeaderMap, body: Option<&str>) -> bool {
    let Some(body) = body else { return has_html_type(headers) };
    let body = body.trim_start_matches('\u{feff}').trim_ascii_start();
    match body.bytes().next() {
        Some(b'{' | b'[') => false,
        Some(b'<') => !body.starts_with("<?xml") || has_html_type(headers),
        Some(_) => has_html_type(headers),
        None => false,
    }
}

fn has_html_type(headers: &HeaderMap) -> bool {
    let content_type = content_type(headers);
    matches!(content_type.as_deref(), Some("text/html" | "application/xhtml+xml"))
}

/// An OAuth error (RFC 6749 §5.2). A code that is known to be final outranks the status. An unknown
/// or transient code does not change the error of a 429 or a 5xx status. An unknown code does not
/// change the error of a status for a wrong address either: frameworks put the name of the status there.
pub(super) fn oauth(code: &str, fields: &Fields, body: ErrorBody<'_>) -> Error {
    let status = without_code(body.status, body.headers, Some(body.text));
    let known = Error::of(Problem::of_oauth_code(code));
    // A registered code cannot be a secret.
    let registered = known.problem() != Problem::OtherOAuthError;
    let wrong_address = !registered && has_no_endpoint(body.status);
    let by_status = match status.problem() {
        Problem::RateLimited => known.is_retryable() || !registered,
        _ => !registered && status.is_retryable() || wrong_address,
    };
    let error = if by_status { status } else { known };
    let token = match &fields.access_token {
        Member::Text(token) => Some(token.as_str()),
        _ => None,
    };
    let safe = |text| body.safe(text).filter(|text| !body.secrets.are_repeated(text, token));
    let safe_code = if registered { Some(code) } else { safe(code) };
    let message;
    let description = match fields.error_description.as_text() {
        Some(description) => Some(description),
        None => {
            message = body.message();
            message.as_ref().map(|message| message.as_str()).filter(|message| *message != code)
        }
    };
    let safe = description.and_then(safe);
    let error = match (safe_code, safe) {
        (Some(code), Some(description)) if wrong_address => {
            error.with_server_text(&format!("{code}: {description}"))
        }
        (Some(code), None) if wrong_address => error.with_server_text(code),
        (Some(code), description) => error.with_oauth_code(code, description),
        (None, Some(description)) => error.with_server_text(description),
        (None, None) => error,
    };
    if safe_code.is_none() || safe.is_none() != description.is_none() {
        return error.and_detail(WITHHELD);
    }
    error
}

/// A redirect, with the origin of its target. The rest of the address is not shown.
pub(super) fn redirect(headers: &HeaderMap, secrets: &SentSecrets) -> Error {
    let error = Error::of(Problem::Redirect);
    let Some(location) = headers.get(header::LOCATION) else {
        return error.with_detail("it names no target");
    };
    match location.to_str().ok().and_then(origin) {
        Some(target) if secrets.safe(&target, None).is_none() => error.with_detail(WITHHELD),
        Some(target) => error.with_detail(format!("it points to {target}")),
        None => error.with_detail("it points to an address that cannot be read"),
    }
}

fn origin(location: &str) -> Option<String> {
    let network_path = location.starts_with("//");
    if location.starts_with('/') && !network_path {
        return Some("the same origin".into());
    }
    // `http::Uri` does not parse scheme-relative references.
    let uri: Uri =
        if network_path { format!("https:{location}").parse() } else { location.parse() }.ok()?;
    // A host can be long.
    let host = sanitise(uri.host()?);
    let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
    match uri.scheme_str() {
        Some(_) if network_path => Some(format!("//{host}{port}")),
        Some(scheme) => Some(format!("{scheme}://{host}{port}")),
        None => None,
    }
}

pub(super) fn incomplete(why: BodyError, secrets: &SentSecrets) -> Error {
    match why {
        BodyError::TooLarge => Error::of(Problem::BodyTooLarge),
        BodyError::Broken(cause) => {
            if secrets.are_repeated_by(&*cause) {
                let error = Error::of(Problem::Transport).with_detail("the answer broke off");
                return with_cause(error, cause, secrets);
            }
            let text = transport::describe("the answer broke off", &cause);
            Error::of(Problem::Transport).with_detail(text).with_source(cause)
        }
    }
}

pub(super) fn encoding() -> Error {
    Error::of(Problem::UnsupportedContentEncoding)
}

/// A success that is not a token response.
pub(super) fn malformed(why: &ParseError, body: ErrorBody<'_>) -> Error {
    if body.text.trim_ascii().is_empty() {
        return empty(body.status);
    }
    let error = Error::of(Problem::MalformedBody);
    match why {
        ParseError::Truncated => error.with_retryable(true).with_detail("the body ends early"),
        ParseError::Malformed(why) => body.describe(error.with_detail(why.clone())),
    }
}

/// The body of a 200 may have been lost, so the error is retryable. Other statuses, such as 202 or
/// 204, mean that there is no token.
fn empty(status: StatusCode) -> Error {
    let error = match status {
        StatusCode::OK => Error::of(Problem::MalformedBody).with_retryable(true),
        _ => Error::of(Problem::MissingAccessToken),
    };
    error.with_detail("the body is empty")
}

/// The text for a token type that is not accepted, with the setting for it.
pub(super) fn token_type(member: &Member, secrets: &SentSecrets, token: &str) -> String {
    let named = match member {
        Member::Absent => "it names no token_type".to_owned(),
        Member::Text(name) => match secrets.safe(name.trim(), Some(token)) {
            Some(name) => format!("its token_type is \"{}\"", sanitise(name)),
            None => format!("its token_type is not Bearer; {WITHHELD}"),
        },
        _ => "its token_type is not a string".to_owned(),
    };
    format!("{named}; if the API takes such tokens as Bearer tokens, set token_type_override")
}

/// Adds hints about the credentials, if they were refused.
pub(super) fn add_hints(error: Error, secrets: &SentSecrets) -> Error {
    use Problem as K;
    let refused = match error.problem() {
        K::InvalidClient | K::UnauthorizedClient | K::InvalidGrant | K::CredentialsRefused => true,
        _ => error.status() == Some(StatusCode::UNAUTHORIZED),
    };
    let hints = if refused { secrets.hints() } else { &[] };
    hints.iter().fold(error, |error, hint| error.and_detail(hint.clone()))
}

/// The body of an error, often a proxy's or a login page.
#[derive(Clone, Copy)]
pub(super) struct ErrorBody<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: &'a HeaderMap,
    /// The body, with a replacement character for each byte that is not UTF-8.
    pub(super) text: &'a str,
    pub(super) secrets: &'a SentSecrets,
}

impl ErrorBody<'_> {
    /// Adds the server's message, or the content type and the beginning of a page of markup. Markup is
    /// not shown if it could contain a token, since XML token responses exist. Text that repeats a
    /// secret is not shown.
    pub(super) fn describe(&self, error: Error) -> Error {
        let page = self.text.trim_ascii_start();
        if !page.starts_with('<') {
            return match self.message() {
                Some(message) => self.quote(error, message.trim(), usize::MAX),
                None => error,
            };
        }
        let error = match content_type(self.headers) {
            Some(content_type) if self.secrets.safe(&content_type, None).is_some() => {
                error.and_detail(format!("it is a page of type {content_type}"))
            }
            Some(_) => error.and_detail("it is a page"),
            None => error.and_detail("it is a page without a content type"),
        };
        let lower = Zeroizing::new(page.to_ascii_lowercase());
        let mut suspicious = ["token", "secret", "password", "eyj"].into_iter();
        if suspicious.any(|word| lower.contains(word)) {
            return error;
        }
        self.quote(error, page, 120)
    }

    /// Adds a text of at most `most` characters.
    fn quote(&self, error: Error, text: &str, most: usize) -> Error {
        match self.safe(text) {
            Some(text) => {
                let end = text.char_indices().nth(most).map_or(text.len(), |(end, _)| end);
                error.with_server_text(&text[..end])
            }
            None => error.and_detail(WITHHELD),
        }
    }

    /// The beginning of a text of this body, unless it repeats a secret or a token of the same body.
    fn safe<'t>(&self, text: &'t str) -> Option<&'t str> {
        let text = self.secrets.safe(text, None)?;
        (!token_members::are_repeated(self.text, text)).then_some(text)
    }

    /// The message in a body that is not an OAuth error. In a success, plain text and a member that looks
    /// like a token may be the token.
    fn message(&self) -> Option<Zeroizing<String>> {
        let message = server_message::from_json(self.text);
        if self.status.is_success() {
            return message.filter(|message| !token_members::looks_like_token(message));
        }
        message.or_else(|| Some(Zeroizing::new(server_message::from_text(self.text)?.to_owned())))
    }
}

/// A body as text. A description in Latin-1 does not prevent reading the error code.
pub(super) fn lossy(body: &[u8]) -> Zeroizing<String> {
    // Sized once: a replacement character is three bytes long.
    let room = if str::from_utf8(body).is_ok() { body.len() } else { 3 * body.len() };
    let mut text = Zeroizing::new(String::with_capacity(room));
    for chunk in body.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
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
        let text = redirect(&headers, &SentSecrets::default()).to_string();
        text.rsplit_once("address; ").unwrap().1.to_owned()
    }

    #[test]
    fn a_redirect_shows_only_the_origin_of_its_target() {
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
    fn only_a_plain_and_short_content_type_is_shown() {
        let shown = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            content_type(&headers)
        };
        let longest = format!("text/{}", "a".repeat(55));
        assert_eq!(shown(&longest), Some(longest.clone()));
        for hidden in [format!("{longest}a"), "text/\"html\"".to_owned(), "a b".to_owned()] {
            assert_eq!(shown(&hidden), None, "{hidden}");
        }
    }

    #[test]
    fn a_refusal_of_the_credentials_names_the_marks_around_them_and_another_error_does_not() {
        use Problem as K;
        let mut secrets = SentSecrets::default();
        secrets.push_password("client", Zeroizing::new("\"hunter2\"".to_owned()));
        let is_named = |error: Error| add_hints(error, &secrets).to_string().contains("in quotes");
        for problem in
            [K::InvalidClient, K::UnauthorizedClient, K::InvalidGrant, K::CredentialsRefused]
        {
            assert!(is_named(Error::of(problem)), "{problem:?}");
        }
        let other = || Error::of(K::InvalidRequest);
        assert!(is_named(other().with_status(StatusCode::UNAUTHORIZED)));
        assert!(!is_named(other().with_status(StatusCode::BAD_REQUEST)));
    }

    #[test]
    fn the_beginning_of_a_page_is_shown_unless_it_could_contain_a_token() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "text/HTML; charset=x".parse().unwrap());
        let mut secrets = SentSecrets::default();
        secrets.push(Zeroizing::new("hunter2".to_owned()));
        let text = |text: &str| {
            let status = StatusCode::OK;
            let body = ErrorBody { status, headers: &headers, text, secrets: &secrets };
            let text = body.describe(Error::of(Problem::MalformedBody)).to_string();
            text.rsplit_once("in between").unwrap().1.to_owned()
        };
        assert_eq!(
            text("\n<p>Sign\u{7}\u{202e}in</p>"),
            "; it is a page of type text/html (\"<p>Sign??in</p>\")"
        );
        for hidden in ["<OAuth><access_token>a", "<a>eyJhbGci", "<csrfToken>"] {
            assert_eq!(text(hidden), "; it is a page of type text/html", "{hidden}");
        }
        assert_eq!(text("<a>hunter2"), format!("; it is a page of type text/html; {WITHHELD}"));
        assert!(text(&"<a>".repeat(1000)).len() < 200);
        for other in ["2YotnFZFEjr1zCsicMWpAA", "{\"x\":1}", ""] {
            assert_eq!(text(other), "", "{other}");
        }
    }
}
