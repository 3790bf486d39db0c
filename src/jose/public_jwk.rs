//! The public half of a key as a JWK (RFC 7517), and its thumbprint (RFC 7638).

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::key_pair::KeyPair;

/// The required members, in the lexicographic order that RFC 7638 §3.2 wants. No value needs
/// escaping in JSON.
pub(super) type Members = Vec<(&'static str, String)>;

pub(super) fn members(pair: &KeyPair) -> Members {
    let public = pair.public();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let ec = |curve: &str| {
        // 0x04, then both coordinates.
        let (x, y) = public[1..].split_at((public.len() - 1) / 2);
        vec![
            ("crv", curve.to_owned()),
            ("kty", "EC".to_owned()),
            ("x", encode(x)),
            ("y", encode(y)),
        ]
    };
    match pair {
        KeyPair::Rsa(_) => {
            let (n, e) = rsa(public).expect("AWS-LC writes an RSAPublicKey");
            vec![("e", encode(e)), ("kty", "RSA".to_owned()), ("n", encode(n))]
        }
        KeyPair::P256(_) => ec("P-256"),
        KeyPair::P384(_) => ec("P-384"),
        KeyPair::Ed25519(_) => {
            vec![("crv", "Ed25519".to_owned()), ("kty", "OKP".to_owned()), ("x", encode(public))]
        }
    }
}

/// `{"name":"value",…}` without white space.
pub(super) fn object(members: &Members) -> String {
    let members: Vec<_> =
        members.iter().map(|(name, value)| format!("\"{name}\":\"{value}\"")).collect();
    format!("{{{}}}", members.join(","))
}

pub(super) fn thumbprint(pair: &KeyPair) -> String {
    sha256(object(&members(pair)).as_bytes())
}

/// SHA-256 in base64url.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, bytes))
}

/// Modulus and exponent of an `RSAPublicKey ::= SEQUENCE { INTEGER, INTEGER }`.
fn rsa(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (body, _) = element(der, 0x30)?;
    let (modulus, rest) = element(body, 0x02)?;
    let (exponent, _) = element(rest, 0x02)?;
    let unsigned = |integer: &'_ [u8]| integer.iter().take_while(|&&byte| byte == 0).count();
    Some((&modulus[unsigned(modulus)..], &exponent[unsigned(exponent)..]))
}

/// One DER element's content, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        _ => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
        }
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the key in RFC 9449's proofs (§4.1) the thumbprint that its tokens have (§6.1).
    #[test]
    fn thumbprint_of_rfc_9449() {
        let members: Members = [
            ("crv", "P-256"),
            ("kty", "EC"),
            ("x", "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs"),
            ("y", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        let thumbprint = sha256(object(&members).as_bytes());
        assert_eq!(thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }
}
