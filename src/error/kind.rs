//! The public kinds of failures.

use http::StatusCode;

/// The kind of an [`Error`](crate::Error).
///
/// A permanent error needs an operator: later requests fail in the same way until something is
/// changed. A transient error can pass without one. Three kinds can be either, and the error itself
/// says which: [`Error::is_permanent`](crate::Error::is_permanent).
///
/// The third column is [`Error::suggested_status`](crate::Error::suggested_status): a status for a
/// service that gets this error while it handles a request of its own caller. Add `Retry-After` with
/// [`Error::next_attempt_in`](crate::Error::next_attempt_in) to a 503. Never pass on the
/// authorization server's 401: your caller would believe that its own credentials are wrong.
///
/// | kind | permanent or transient | status for your caller | what to do |
/// | --- | --- | --- | --- |
/// | [`OAuth`](Self::OAuth) | either | 500 if permanent, else 503 | See [`Error::oauth_code`](crate::Error::oauth_code). Check credentials, scope and the client's registration. `server_error` and `temporarily_unavailable` are transient, as are codes with a status such as 503. |
/// | [`RateLimited`](Self::RateLimited) | transient | 503 | Share one cache between clients, and check how many instances run. |
/// | [`HttpStatus`](Self::HttpStatus) | either | 502 | Check the token URL. A 401 or 403 is permanent, unless a firewall or proxy sent it: check the credentials. |
/// | [`Redirect`](Self::Redirect) | permanent | 500 | Set the token URL to the final address. |
/// | [`InvalidResponse`](Self::InvalidResponse) | transient | 502 | Check the token URL, and for a proxy or login page in between. |
/// | [`UnsupportedTokenType`](Self::UnsupportedTokenType) | permanent | 500 | Configure the same token type here and at the authorization server, such as DPoP. |
/// | [`Transport`](Self::Transport) | transient | 503 | Check network, DNS, proxy and TLS settings. |
/// | [`AcquisitionTimeout`](Self::AcquisitionTimeout) | transient | 504 | Wait. If it lasts, check the authorization server. |
/// | [`WaitTimeout`](Self::WaitTimeout) | transient | 504 | Wait. The acquisition goes on for later requests. |
/// | [`Overloaded`](Self::Overloaded) | transient | 503 | Allow more acquisitions at once, and check where so many keys come from. |
/// | [`Panicked`](Self::Panicked) | transient | 500 | Fix the token source. Its panic message is on standard error. |
/// | [`Runtime`](Self::Runtime) | transient | 500 | Call from within a running tokio runtime with its time driver enabled. |
/// | [`Credentials`](Self::Credentials) | transient | 500 | Check the file or closure that provides the secret, key or assertion. |
/// | [`Discovery`](Self::Discovery) | either | 502 | Check the issuer, or give the token URL. Another issuer or an unlisted authentication method is permanent. |
/// | [`Source`](Self::Source) | transient | 503 | See the cause: it is the error of your own token source. |
/// | [`Config`](Self::Config) | permanent | 500 | Correct the setting that the message names. |
/// | [`Refused`](Self::Refused) | this request | 500 | Correct the request that the message describes: it fails each time. Other requests are not affected. |
///
/// # Examples
///
/// ```
/// use http::Response;
/// use tower_oauth2_client_credentials::{BoxError, Error, ErrorKind};
///
/// /// The response to the caller of this service, after a request to an API failed.
/// fn response(error: &BoxError) -> Response<String> {
///     let Some(error) = Error::find(&**error) else {
///         return Response::builder().status(502).body("no response".to_owned()).unwrap();
///     };
///     let mut response = Response::builder().status(error.suggested_status());
///     if let Some(next) = error.next_attempt_in() {
///         response = response.header("retry-after", next.as_secs() + 1);
///     }
///     response.body("no token".to_owned()).unwrap()
/// }
///
/// let error = Error::new(ErrorKind::WaitTimeout);
/// assert_eq!(response(&error.into()).status(), 504);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An OAuth error code of the authorization server (RFC 6749 §5.2), such as `invalid_client`.
    OAuth,
    /// 429 (RFC 6585 §4).
    RateLimited,
    /// An error status without a registered OAuth error code.
    HttpStatus,
    /// A redirect, which is never followed for token requests.
    Redirect,
    /// A response that is not a token response (RFC 6749 §5.1), is compressed or too large, or whose
    /// token cannot be sent in a header field.
    InvalidResponse,
    /// A token type that this client cannot present (RFC 6749 §7.1).
    UnsupportedTokenType,
    /// The token endpoint could not be reached, or the connection broke.
    Transport,
    /// The timeout of an acquisition or attempt elapsed.
    AcquisitionTimeout,
    /// The deadline of the waiting request passed.
    WaitTimeout,
    /// Too many acquisitions of other keys of a keyed cache were queued before this one.
    Overloaded,
    /// A token source panicked.
    Panicked,
    /// No tokio runtime to acquire a token on, or it is shutting down.
    Runtime,
    /// The client's secret, key or assertion could not be read.
    Credentials,
    /// The authorization server's metadata (RFC 8414) could not be read, has another issuer, or does
    /// not list this client's authentication method and the settings are strict.
    Discovery,
    /// The user's own token source failed.
    Source,
    /// A setting is wrong.
    Config,
    /// The request was refused before it was sent. Other requests are not affected.
    Refused,
}

impl ErrorKind {
    /// The status in the table, for a transient error.
    pub(super) fn suggested_status(self) -> StatusCode {
        match self {
            Self::HttpStatus | Self::InvalidResponse | Self::Discovery => StatusCode::BAD_GATEWAY,
            Self::AcquisitionTimeout | Self::WaitTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::OAuth | Self::RateLimited | Self::Transport | Self::Overloaded | Self::Source => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Redirect
            | Self::UnsupportedTokenType
            | Self::Panicked
            | Self::Runtime
            | Self::Credentials
            | Self::Config
            | Self::Refused => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use crate::error::{Error, Problem};

    /// The rows of the table in the documentation: name, cells.
    fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
        let rows = include_str!("kind.rs").lines().filter_map(|line| {
            let row = line.strip_prefix("/// | [`")?;
            let (name, cells) = row.split_once("`](Self::")?;
            Some((name, cells.split(" | ").skip(1).collect()))
        });
        rows.collect()
    }

    fn declared() -> Vec<&'static str> {
        let (_, rest) = include_str!("kind.rs").split_once("pub enum ErrorKind {").unwrap();
        let (body, _) = rest.split_once("\n}").unwrap();
        body.lines().filter_map(|line| line.trim().strip_suffix(',')).filter(not_prose).collect()
    }

    fn not_prose(line: &&str) -> bool {
        !line.starts_with("///")
    }

    #[test]
    fn each_kind_has_one_row_with_a_status_and_an_action() {
        let rows = rows();
        assert_eq!(rows.iter().map(|(name, _)| *name).collect::<Vec<_>>(), declared());
        assert!(rows.len() <= 18);
        for (name, cells) in rows {
            let [_, status, action] = cells[..] else { panic!("{name}: {cells:?}") };
            for permanent in [true, false] {
                let kind = Problem::ALL.map(|it| Error::of(it).kind());
                let kind = kind.into_iter().find(|it| format!("{it:?}") == name).unwrap();
                let error = Error::new(kind).with_permanent(permanent);
                let expected = match status {
                    "500 if permanent, else 503" if permanent => "500",
                    "500 if permanent, else 503" => "503",
                    status => status,
                };
                assert_eq!(error.suggested_status().as_str(), expected, "{name}");
            }
            assert!(action.trim_end().ends_with(". |"), "{name}");
        }
    }

    #[test]
    fn the_column_permanent_or_transient_is_true() {
        let mut seen: HashMap<String, HashSet<bool>> = HashMap::new();
        for problem in Problem::ALL {
            let error = Error::of(problem);
            let permanent = seen.entry(format!("{:?}", error.kind())).or_default();
            permanent.insert(error.is_permanent());
        }
        for (name, cells) in rows() {
            let expected: &[bool] = match cells[0] {
                "permanent" => &[true],
                "transient" | "this request" => &[false],
                "either" => &[true, false],
                other => panic!("{name}: {other}"),
            };
            assert_eq!(seen[name], expected.iter().copied().collect(), "{name}");
        }
    }

    #[test]
    fn a_kind_survives_the_way_through_its_problem() {
        for problem in Problem::ALL {
            let kind = Error::of(problem).kind();
            assert_eq!(Error::new(kind).kind(), kind);
        }
    }
}
