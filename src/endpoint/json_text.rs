//! Decodes a JSON string into a buffer that is wiped. serde_json decodes escapes through a buffer that
//! it does not wipe, and the tokens of servers that escape `/` contain escapes.

use zeroize::Zeroizing;

/// The text of a string literal with its quotes, which a JSON parser has checked. `None` for an escape
/// that is not a Unicode character, such as half of a surrogate pair.
pub(super) fn decode(literal: &str) -> Option<Zeroizing<String>> {
    let body = literal.strip_prefix('"')?.strip_suffix('"')?;
    // Sized once: decoding never makes a text longer.
    let mut text = Zeroizing::new(String::with_capacity(body.len()));
    let mut rest = body;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let (c, length) = unescape(escape)?;
        text.push(c);
        rest = escape.get(length..)?;
    }
    text.push_str(rest);
    Some(text)
}

/// The character and how long its escape is, without the backslash (RFC 8259 §7).
fn unescape(escape: &str) -> Option<(char, usize)> {
    let c = match escape.bytes().next()? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = unit(escape.get(1..5)?)?;
            if let Some(c) = char::from_u32(first.into()) {
                return Some((c, 5));
            }
            let second = unit(escape.get(5..11)?.strip_prefix("\\u")?)?;
            return Some((char::decode_utf16([first, second]).next()?.ok()?, 11));
        }
        quoted @ (b'"' | b'\\' | b'/') => char::from(quoted),
        _ => return None,
    };
    Some((c, 1))
}

fn unit(digits: &str) -> Option<u16> {
    let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_decodes_as_serde_json_decodes_it() {
        for literal in [
            r#""""#,
            r#""2YotnFZFEjr1zCsicMWpAA""#,
            r#""a\/b\"c\\d\b\f\n\r\t""#,
            r#""\u0041\u00e9\ud83d\udd11é🔑""#,
            r#""\\u0041""#,
            r#""\ud800""#,
            r#""\ud800x""#,
            r#""\ud800\u0041""#,
            r#""\udc00""#,
            r#""\x41""#,
            r#""\u+041""#,
            r#""\u00é1""#,
        ] {
            let expected = serde_json::from_str::<String>(literal).ok();
            let decoded = decode(literal);
            assert_eq!(
                decoded.as_ref().map(|text| text.as_str()),
                expected.as_deref(),
                "{literal}"
            );
            assert!(decoded.is_none_or(|text| text.capacity() <= literal.len()));
        }
    }
}
