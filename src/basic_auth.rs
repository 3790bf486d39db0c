//! HTTP Basic authentication (RFC 7617).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

const SCHEME: &[u8] = b"Basic ";

/// The value `Basic …` (RFC 7617 §2), marked sensitive, and wiped when its last copy is dropped.
pub(crate) fn basic(user: &[u8], password: &[u8]) -> HeaderValue {
    // Sized once: a vector that grows leaves copies of the password behind.
    let mut pair = Zeroizing::new(Vec::with_capacity(user.len() + 1 + password.len()));
    pair.extend_from_slice(user);
    pair.push(b':');
    pair.extend_from_slice(password);
    let mut text = Zeroizing::new(vec![0; SCHEME.len() + pair.len().div_ceil(3) * 4]);
    text[..SCHEME.len()].copy_from_slice(SCHEME);
    STANDARD
        .encode_slice(pair.as_slice(), &mut text[SCHEME.len()..])
        .expect("padded base64 has this size");
    let mut value =
        HeaderValue::from_maybe_shared(Bytes::from_owner(text)).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}
