//! `application/x-www-form-urlencoded` (RFC 6749 App. B).

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use zeroize::Zeroizing;

/// Letters, digits and `*-._` are not encoded. A space becomes `%20` and not `+`: every decoder accepts
/// that, and some servers do not decode a `+` in Basic credentials.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// A form's pairs in order. Wiped when dropped.
#[derive(Default)]
pub(crate) struct Form(Vec<(Cow<'static, str>, Zeroizing<String>)>);

impl Form {
    pub(crate) fn push(&mut self, name: impl Into<Cow<'static, str>>, value: &str) {
        self.0.push((name.into(), Zeroizing::new(value.to_owned())));
    }

    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        // Sized once: a vector that grows leaves copies of a secret behind.
        let room = self.0.iter().map(|(name, value)| 3 * (name.len() + value.len()) + 2).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        for (name, value) in &self.0 {
            if !bytes.is_empty() {
                bytes.push(b'&');
            }
            extend(&mut bytes, name);
            bytes.push(b'=');
            extend(&mut bytes, value);
        }
        bytes
    }
}

/// One part, form-encoded.
pub(crate) fn encoded(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(3 * text.len()));
    out.extend(utf8_percent_encode(text, FORM));
    out
}

/// One form-encoded part, decoded. `None` if it is not UTF-8.
pub(crate) fn decoded(text: &str) -> Option<Zeroizing<String>> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    // Sized once: a vector that grows leaves copies of a secret behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(spaced.len()));
    decoded.extend(percent_decode_str(&spaced));
    String::from_utf8(std::mem::take(&mut *decoded)).ok().map(Zeroizing::new)
}

fn extend(bytes: &mut Vec<u8>, text: &str) {
    for piece in utf8_percent_encode(text, FORM) {
        bytes.extend_from_slice(piece.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_set_is_escaped_and_nothing_else() {
        let plain = "ABCXYZabcxyz0189*-._";
        assert_eq!(encoded(plain).as_str(), plain);
        assert_eq!(encoded(" %&+£€").as_str(), "%20%25%26%2B%C2%A3%E2%82%AC");
        assert_eq!(encoded("a\r\n\0~=/:").as_str(), "a%0D%0A%00%7E%3D%2F%3A");
    }

    #[test]
    fn pairs_keep_their_order_and_the_buffer_is_not_moved() {
        let mut form = Form::default();
        form.push("b", "1 2");
        form.push("a", "=&");
        form.push("a", "");
        let bytes = form.encode();
        assert_eq!(bytes.as_slice(), b"b=1%202&a=%3D%26&a=");
        let worst: Form = Form(vec![("é".into(), Zeroizing::new("é".repeat(100)))]);
        assert!(worst.encode().len() <= 3 * 202 + 2);
    }
}
