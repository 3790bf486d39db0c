//! The public kinds of failures.

/// The kind of an [`Error`](crate::Error).
///
/// A permanent error needs an operator: later requests fail in the same way until something is
/// changed. A transient error can pass without one. Two kinds can be either, and the error itself
/// says which: [`Error::is_permanent`](crate::Error::is_permanent).
///
/// The third column suggests an HTTP status for a service that gets this error while it handles a
/// request of its own caller. Add `Retry-After` with
/// [`Error::next_attempt_in`](crate::Error::next_attempt_in) to a 503. Never pass on the
/// authorization server's 401: your caller would believe that its own credentials are wrong.
///
/// | kind | permanent or transient | status for your caller | what to do |
/// | --- | --- | --- | --- |
/// | [`OAuth`](Self::OAuth) | either | 500 if permanent, else 503 | See [`Error::oauth_code`](crate::Error::oauth_code). Check credentials, scope and the client's registration. `server_error` and `temporarily_unavailable` are transient. |
/// | [`RateLimited`](Self::RateLimited) | transient | 503 | Share one cache between clients, and check how many instances run. |
/// | [`HttpStatus`](Self::HttpStatus) | either | 502 | Check the token URL. A 401 or 403 is permanent: check the credentials. |
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
/// | [`Refused`](Self::Refused) | transient | 500 | Correct the request that the message describes. Other requests are not affected. |
///
/// # Examples
///
/// ```
/// use http::StatusCode;
/// use tower_oauth2_client_credentials::{Error, ErrorKind};
///
/// /// The status for the caller of this service.
/// fn status(error: &Error) -> StatusCode {
///     match error.kind() {
///         ErrorKind::OAuth if error.is_permanent() => StatusCode::INTERNAL_SERVER_ERROR,
///         ErrorKind::AcquisitionTimeout | ErrorKind::WaitTimeout => StatusCode::GATEWAY_TIMEOUT,
///         ErrorKind::Config | ErrorKind::Refused => StatusCode::INTERNAL_SERVER_ERROR,
///         _ => StatusCode::SERVICE_UNAVAILABLE,
///     }
/// }
///
/// let error = Error::new(ErrorKind::OAuth).with_oauth_code("invalid_client", None);
/// assert_eq!(status(&error), 500);
/// let error = Error::new(ErrorKind::OAuth).with_oauth_code("temporarily_unavailable", None);
/// assert_eq!(status(&error), 503);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An OAuth error code of the authorization server (RFC 6749 §5.2), such as `invalid_client`.
    OAuth,
    /// 429 (RFC 6585 §4).
    RateLimited,
    /// An error status without an OAuth error code.
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

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use http::StatusCode;

    use super::*;
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
            for word in status.split(' ').filter(|word| word.starts_with(char::is_numeric)) {
                let code = StatusCode::try_from(word.trim_end_matches(',')).unwrap();
                assert!(code.is_server_error(), "{name}: {code}");
            }
            assert!(status.starts_with('5') && action.trim_end().ends_with(". |"), "{name}");
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
        // The status decides about these. `endpoint::response` tests which ones are permanent.
        let refused = Error::new(ErrorKind::HttpStatus).with_permanent(true);
        seen.get_mut("HttpStatus").unwrap().insert(refused.is_permanent());
        for (name, cells) in rows() {
            let expected: &[bool] = match cells[0] {
                "permanent" => &[true],
                "transient" => &[false],
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
