//! `application/x-www-form-urlencoded`, read strictly (RFC 6749 App. B), with a separate decoder.

use std::borrow::Cow;

use http::{HeaderMap, header::CONTENT_TYPE};
use percent_encoding::percent_decode;

/// Whether the content type is a form's; parameters such as a charset are allowed.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}

/// The fields of a body in their order. `None` if it is not well-formed.
pub(super) fn decode(body: &[u8]) -> Option<Vec<(String, String)>> {
    body.split(|&byte| byte == b'&')
        .filter(|field| !field.is_empty())
        .map(|field| {
            let (name, value) = match field.iter().position(|&byte| byte == b'=') {
                Some(at) => (&field[..at], &field[at + 1..]),
                None => (field, &[][..]),
            };
            Some((decode_part(name)?, decode_part(value)?))
        })
        .collect()
}

/// One name or value: `+` is a space, `%` needs two hex digits, the result is UTF-8. Raw bytes
/// that an encoder must escape are refused: many servers would misread them.
pub(super) fn decode_part(part: &[u8]) -> Option<String> {
    let well_formed = part.iter().enumerate().all(|(at, &byte)| match byte {
        b'%' => {
            part.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        }
        byte => byte.is_ascii_graphic(),
    });
    if !well_formed {
        return None;
    }
    let spaced: Cow<'_, [u8]> = if part.contains(&b'+') {
        part.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect()
    } else {
        part.into()
    };
    Some(percent_decode(&spaced).decode_utf8().ok()?.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(body: &str) -> Option<Vec<(String, String)>> {
        decode(body.as_bytes())
    }

    #[test]
    fn fields_keep_their_order_and_duplicates() {
        let fields = pairs("b=2&a=1&b=3&flag&=x&&").unwrap();
        let expected = [("b", "2"), ("a", "1"), ("b", "3"), ("flag", ""), ("", "x")];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(pairs("").unwrap(), []);
    }

    #[test]
    fn plus_percent_and_utf_8_are_decoded_once() {
        for (encoded, decoded) in [
            ("a+b%20c", "a b c"),
            ("%2B%25%26%3d", "+%&="),
            ("%2541", "%41"),
            ("%C3%A9%E2%82%AC", "é€"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(decode_part(encoded.as_bytes()).as_deref(), Some(decoded), "{encoded}");
        }
    }

    #[test]
    fn malformed_parts_are_refused() {
        for bad in ["%", "%4", "%zz", "%%41", "a b", "é", "%ff", "a\nb"] {
            assert_eq!(decode_part(bad.as_bytes()), None, "{bad:?}");
        }
        assert_eq!(pairs("a=1&b=%"), None);
    }

    #[test]
    fn a_form_is_recognized_by_its_content_type() {
        for (value, expected) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded ; charset=UTF-8", true),
            ("application/json", false),
            ("application/x-www-form-urlencodedx", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_form(&headers), expected, "{value}");
        }
        assert!(!is_form(&HeaderMap::new()));
    }
}
