//! The forms in which a server may repeat a secret. Each is wiped after it was compared.

use base64::{
    Engine as _,
    engine::{
        GeneralPurpose,
        general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
    },
};
use zeroize::Zeroizing;

type Bytes = Zeroizing<Vec<u8>>;

/// The longest escape of one byte, such as `&quot;`.
const LONGEST_ESCAPE: usize = 6;

/// Whether any form of a secret is found. Of a secret with a client id, the pair of HTTP Basic
/// authentication is a form too, with the form encoding of RFC 6749 §2.3.1 and without it.
pub(super) fn any(
    secret: &[u8],
    client_id: Option<&str>,
    mut found: impl FnMut(&[u8]) -> bool,
) -> bool {
    if secret.is_empty() {
        return false;
    }
    let form = escaped(secret, percent);
    let escapes: [fn(u8, &mut Vec<u8>); 3] = [plus, html, json];
    found(secret)
        || found(&form)
        || escapes.iter().any(|&escape| found(&escaped(secret, escape)))
        || base64(secret, true, &mut found)
        || (form.as_slice() != secret && base64(&form, true, &mut found))
        || client_id.map(str::as_bytes).is_some_and(|id| {
            base64(&pair(id, secret), false, &mut found)
                || base64(&pair(&escaped(id, percent), &form), false, &mut found)
        })
}

fn pair(id: &[u8], secret: &[u8]) -> Bytes {
    let mut pair = Zeroizing::new(Vec::with_capacity(id.len() + 1 + secret.len()));
    pair.extend_from_slice(id);
    pair.push(b':');
    pair.extend_from_slice(secret);
    pair
}

fn escaped(text: &[u8], escape: fn(u8, &mut Vec<u8>)) -> Bytes {
    // Sized once: a vector that grows leaves copies of the secret behind.
    let mut out = Zeroizing::new(Vec::with_capacity(LONGEST_ESCAPE * text.len()));
    text.iter().for_each(|&byte| escape(byte, &mut out));
    out
}

fn percent(byte: u8, out: &mut Vec<u8>) {
    if byte.is_ascii_alphanumeric() || b"*-._".contains(&byte) {
        return out.push(byte);
    }
    out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
}

fn plus(byte: u8, out: &mut Vec<u8>) {
    if byte == b' ' { out.push(b'+') } else { percent(byte, out) }
}

fn html(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(match byte {
        b'&' => b"&amp;",
        b'<' => b"&lt;",
        b'>' => b"&gt;",
        b'"' => b"&quot;",
        b'\'' => b"&#39;",
        _ => return out.push(byte),
    });
}

fn json(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'"' | b'\\' => out.extend([b'\\', byte]),
        b'\n' => out.extend(b"\\n"),
        b'\r' => out.extend(b"\\r"),
        b'\t' => out.extend(b"\\t"),
        0..0x20 => {
            out.extend(b"\\u00");
            out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        _ => out.push(byte),
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// Searches for both alphabets. With `inside`, also for a part of a longer text, which starts at
/// any of three places in a group of three bytes.
fn base64(text: &[u8], inside: bool, found: &mut impl FnMut(&[u8]) -> bool) -> bool {
    [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD].into_iter().any(|alphabet| {
        found(&base64_at(0, text, alphabet))
            || (inside
                && (0..3).any(|offset| {
                    is_inside(&base64_at(offset, text, alphabet), offset, text.len(), found)
                }))
    })
}

/// Compares the characters that the text alone decides: not those that it shares with its
/// neighbors. A few characters say nothing.
fn is_inside(
    encoded: &[u8],
    offset: usize,
    len: usize,
    found: &mut impl FnMut(&[u8]) -> bool,
) -> bool {
    const FEWEST: usize = 6;
    let shared_end = usize::from(!(offset + len).is_multiple_of(3));
    let shared_start = [0, 2, 3][offset];
    let own = encoded.len().checked_sub(shared_end).and_then(|end| encoded.get(shared_start..end));
    own.is_some_and(|own| own.len() >= FEWEST && found(own))
}

fn base64_at(offset: usize, text: &[u8], alphabet: &GeneralPurpose) -> Bytes {
    let mut whole = Zeroizing::new(Vec::with_capacity(offset + text.len()));
    whole.resize(offset, 0);
    whole.extend_from_slice(text);
    let mut out = Zeroizing::new(vec![0; whole.len().div_ceil(3) * 4]);
    let written = alphabet.encode_slice(&whole, &mut out).expect("padded base64 has this size");
    out.truncate(written);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(secret: &str) -> Vec<String> {
        let mut forms = Vec::new();
        any(secret.as_bytes(), None, |form| {
            forms.push(String::from_utf8(form.to_vec()).unwrap());
            false
        });
        forms
    }

    #[test]
    fn each_character_that_an_encoding_escapes_has_its_escape() {
        let forms = forms("a&b<c>d\"e'f\\g\nh\ri\tj\u{1} k");
        for expected in [
            "a%26b%3Cc%3Ed%22e%27f%5Cg%0Ah%0Di%09j%01%20k",
            "a%26b%3Cc%3Ed%22e%27f%5Cg%0Ah%0Di%09j%01+k",
            "a&amp;b&lt;c&gt;d&quot;e&#39;f\\g\nh\ri\tj\u{1} k",
            "a&b<c>d\\\"e'f\\\\g\\nh\\ri\\tj\\u0001 k",
        ] {
            assert!(forms.iter().any(|form| form == expected), "{expected} is not in {forms:#?}");
        }
    }
}
