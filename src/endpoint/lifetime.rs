//! The lifetime of a token, in the forms that servers use.

use std::time::Duration;

use http::{HeaderMap, header};

use super::fields::Member;
use crate::limits::MAX_LIFETIME;

/// `expires_in` (RFC 6749 §5.1): a number, integral or not, or the same in a string. Negative means
/// expired. Anything else is ignored.
pub(super) fn seconds(member: &Member) -> Option<Duration> {
    let seconds = match member {
        Member::Number(number) => *number,
        Member::Text(text) => parse(text.trim())?,
        Member::Absent | Member::List(_) | Member::Other => return None,
    };
    Some(clamp(seconds))
}

/// The lifetime of the setting, or of the server's response.
pub(super) fn stated(expires_in: &Member, setting: Option<Duration>) -> Option<Duration> {
    setting.map(|lifetime| lifetime.min(MAX_LIFETIME)).or_else(|| seconds(expires_in))
}

fn parse(text: &str) -> Option<f64> {
    // `f64::from_str` also knows "inf" and "nan".
    let numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    if !text.bytes().all(numeric) { None } else { text.parse().ok() }
}

fn clamp(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds.max(0.0))
        .map_or(MAX_LIFETIME, |duration| duration.min(MAX_LIFETIME))
}

/// The age of a response, which a cache in front of the token endpoint states (RFC 9111 §5.1). Of
/// several fields the first counts. A field that is not a number is ignored.
pub(super) fn age(headers: &HeaderMap) -> Duration {
    let value = headers.get(header::AGE).and_then(|value| value.to_str().ok());
    value.and_then(delta_seconds).unwrap_or_default()
}

/// `delta-seconds` (RFC 9111 §1.2.2), clamped.
pub(super) fn delta_seconds(text: &str) -> Option<Duration> {
    let text = text.trim_matches([' ', '\t']);
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than fit are a large number too.
    Some(
        text.parse().map_or(MAX_LIFETIME, |seconds| Duration::from_secs(seconds).min(MAX_LIFETIME)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Option<Duration> {
        seconds(&Member::text(text))
    }

    #[test]
    fn numbers_and_strings_of_every_shape() {
        let secs = |secs| Some(Duration::from_secs_f64(secs));
        for (shape, expected) in [
            ("3600", secs(3600.0)),
            (" 3600 ", secs(3600.0)),
            ("3599.0", secs(3599.0)),
            ("3.6e3", secs(3600.0)),
            ("0.5", secs(0.5)),
            ("-103", secs(0.0)),
            ("-0.0", secs(0.0)),
            ("1e400", Some(MAX_LIFETIME)),
            ("-1e400", secs(0.0)),
            ("18446744073709551616", Some(MAX_LIFETIME)),
            ("4294967297", Some(MAX_LIFETIME)),
            ("", None),
            ("one hour", None),
            ("inf", None),
            ("NaN", None),
            ("3600s", None),
            ("0x10", None),
            ("1e", None),
        ] {
            assert_eq!(text(shape), expected, "{shape:?}");
        }
        assert_eq!(seconds(&Member::Number(f64::INFINITY)), Some(MAX_LIFETIME));
        assert_eq!(seconds(&Member::Other), None);
    }

    #[test]
    fn an_age_is_digits_only_and_saturates() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AGE, value.parse().unwrap());
            age(&headers)
        };
        assert_eq!(of("1200"), Duration::from_secs(1200));
        assert_eq!(of("99999999999999999999999"), MAX_LIFETIME);
        for none in ["", "-1", "+1", "1.5", "1, 2", "x"] {
            assert_eq!(of(none), Duration::ZERO, "{none:?}");
        }
        assert_eq!(age(&HeaderMap::new()), Duration::ZERO);
    }
}
