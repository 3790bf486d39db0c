//! PEM (RFC 7468), read into buffers that are wiped: the common readers leave a private key's
//! base64 behind.

use base64::{
    Engine as _,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

/// Some tools leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One section, decoded.
pub(super) struct Section<'a> {
    pub(super) label: &'a str,
    pub(super) der: Zeroizing<Vec<u8>>,
}

/// All sections in their order; text around them is skipped.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, &'static str> {
    let mut rest = text;
    let mut sections = Vec::new();
    while let Some((_, begun)) = rest.split_once("-----BEGIN ") {
        let (label, body) = begun.split_once("-----").ok_or("it is cut off")?;
        let (body, ended) = body.split_once("-----END ").ok_or("it is cut off")?;
        rest = ended
            .strip_prefix(label)
            .and_then(|ended| ended.strip_prefix("-----"))
            .ok_or("a section does not end as it begins")?;
        if body.contains("Proc-Type: 4,ENCRYPTED") {
            return Err(ENCRYPTED);
        }
        sections.push(Section { label, der: decode(body).ok_or("its base64 is damaged")? });
    }
    Ok(sections)
}

pub(super) const ENCRYPTED: &str =
    "it is encrypted; decrypt it first, as with openssl pkey -in key.pem -out plain.pem";

fn decode(body: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Sized once: a string that grows leaves copies behind.
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(body.chars().filter(|char| !char.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; base64.len().div_ceil(4) * 3]);
    let length = BASE64.decode_slice(base64.as_bytes(), &mut der).ok()?;
    der.truncate(length);
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(&str, Vec<u8>)>, &'static str> {
        let sections = sections(text)?;
        Ok(sections.into_iter().map(|section| (section.label, section.der.to_vec())).collect())
    }

    #[test]
    fn sections_are_found_amid_other_text_and_line_breaks() {
        let text = "Bag\r\n-----BEGIN A B-----\r\nAQID\r\nBA==\r\n-----END A B-----\r\n\
                    -----BEGIN C-----AQI-----END C-----\n";
        assert_eq!(read(text), Ok(vec![("A B", vec![1, 2, 3, 4]), ("C", vec![1, 2])]));
        assert_eq!(read("no PEM"), Ok(vec![]));
        assert_eq!(read(""), Ok(vec![]));
    }

    #[test]
    fn damage_is_told() {
        for (text, why) in [
            ("-----BEGIN A", "cut off"),
            ("-----BEGIN A-----\nAQID\n", "cut off"),
            ("-----BEGIN A-----\nAQID\n-----END B-----", "as it begins"),
            ("-----BEGIN A-----\nAQ!D\n-----END A-----", "base64"),
            ("-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAQID\n-----END A-----", "openssl"),
        ] {
            assert!(read(text).unwrap_err().contains(why), "{text}");
        }
    }
}
