//! A text with its escapes resolved, in every order: form, HTML and JSON. Tolerant, since it is
//! for texts of any origin. All buffers are wiped.

use percent_encoding::percent_decode;
use zeroize::Zeroizing;

type Bytes = Zeroizing<Vec<u8>>;

/// How many decodings of a text are compared. Three escapes in any order have fewer.
const MAX_DECODINGS: usize = 24;

/// The named character references of ASCII punctuation, which escapers of HTML use.
const NAMED_REFERENCES: [(&str, u8); 35] = [
    ("amp", b'&'),
    ("lt", b'<'),
    ("gt", b'>'),
    ("quot", b'"'),
    ("apos", b'\''),
    ("nbsp", b' '),
    ("Tab", b'\t'),
    ("NewLine", b'\n'),
    ("excl", b'!'),
    ("num", b'#'),
    ("dollar", b'$'),
    ("percnt", b'%'),
    ("lpar", b'('),
    ("rpar", b')'),
    ("ast", b'*'),
    ("plus", b'+'),
    ("comma", b','),
    ("period", b'.'),
    ("sol", b'/'),
    ("colon", b':'),
    ("semi", b';'),
    ("equals", b'='),
    ("quest", b'?'),
    ("commat", b'@'),
    ("lsqb", b'['),
    ("lbrack", b'['),
    ("bsol", b'\\'),
    ("rsqb", b']'),
    ("rbrack", b']'),
    ("Hat", b'^'),
    ("lowbar", b'_'),
    ("grave", b'`'),
    ("lcub", b'{'),
    ("verbar", b'|'),
    ("rcub", b'}'),
];

/// The text itself, and what it becomes as each escape is resolved, again and again.
pub(super) fn decodings(text: &[u8]) -> Vec<Bytes> {
    let mut texts = vec![copy(text)];
    let mut next = 0;
    while next < texts.len() {
        for decode in [percent, form, html, json] {
            let decoded = decode(&texts[next]);
            if texts.len() < MAX_DECODINGS && !texts.contains(&decoded) {
                texts.push(decoded);
            }
        }
        next += 1;
    }
    texts
}

fn copy(text: &[u8]) -> Bytes {
    Zeroizing::new(text.to_vec())
}

/// Decoding never makes a text longer, so the buffer is not moved.
fn room(text: &[u8]) -> Bytes {
    Zeroizing::new(Vec::with_capacity(text.len()))
}

fn percent(text: &[u8]) -> Bytes {
    let mut out = room(text);
    out.extend(percent_decode(text));
    out
}

fn form(text: &[u8]) -> Bytes {
    let mut spaced = copy(text);
    spaced.iter_mut().filter(|byte| **byte == b'+').for_each(|byte| *byte = b' ');
    percent(&spaced)
}

fn html(text: &[u8]) -> Bytes {
    unescape(text, b'&', |rest| {
        let end = rest.iter().take(10).position(|byte| *byte == b';')?;
        let name = str::from_utf8(&rest[..end]).ok()?;
        let code = match name.strip_prefix('#') {
            Some(number) => match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            },
            None => NAMED_REFERENCES.iter().find(|(known, _)| *known == name)?.1.into(),
        };
        Some((char::from_u32(code)?, end + 1))
    })
}

/// The escapes of JSON (RFC 8259 §7), and `\x22`.
fn json(text: &[u8]) -> Bytes {
    unescape(text, b'\\', |rest| {
        let c = match rest.first()? {
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'x' => return Some((char::from_u32(hex(rest.get(1..3)?)?)?, 3)),
            b'u' => return unicode(rest),
            other if other.is_ascii_punctuation() => char::from(*other),
            _ => return None,
        };
        Some((c, 1))
    })
}

fn unicode(rest: &[u8]) -> Option<(char, usize)> {
    let first = hex(rest.get(1..5)?)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 5));
    }
    let second = rest.get(5..11)?.strip_prefix(b"\\u").and_then(hex)?;
    let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    Some((char::decode_utf16(pair).next()?.ok()?, 11))
}

fn hex(digits: &[u8]) -> Option<u32> {
    let digits = str::from_utf8(digits).ok().filter(|it| !it.starts_with('+'))?;
    u32::from_str_radix(digits, 16).ok()
}

/// Replaces each escape that begins with `mark`. `read` gets the text after the mark, and returns
/// the character and how many bytes of the escape follow the mark.
fn unescape(text: &[u8], mark: u8, read: fn(&[u8]) -> Option<(char, usize)>) -> Bytes {
    let mut out = room(text);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match Some(byte).filter(|byte| *byte == mark).and_then(|_| read(&text[at..])) {
            // An escape has at least as many bytes as its character.
            Some((c, escape)) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                at += escape;
            }
            None => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(text: &str, decoded: &str) -> bool {
        decodings(text.as_bytes()).iter().any(|it| it.as_slice() == decoded.as_bytes())
    }

    #[test]
    fn every_escape_is_resolved_also_in_layers() {
        for (text, decoded) in [
            ("a%2Bb%2fc+d", "a+b/c d"),
            ("a%2Bb%2fc+d", "a+b/c+d"),
            ("a%252Bb", "a+b"),
            ("&lt;&#38;&#x26;&#X26;&quot;&apos;&plus;&#233;", "<&&&\"'+é"),
            ("&amp;amp;", "&"),
            (r#"\"\\\/\n\u00e9\ud83d\udd11\x41"#, "\"\\/\n\u{e9}\u{1f511}A"),
            (r"a\bb\fc\rd\te", "a\u{8}b\u{c}c\rd\te"),
            (r"\u0026amp;%26", "&&"),
            ("&#37;41", "A"),
        ] {
            assert!(has(text, decoded), "{text} {decoded}");
        }
    }

    #[test]
    fn what_is_no_escape_stays_and_nothing_grows() {
        for text in [
            "&",
            "&;",
            "&nosuch;",
            "&#xffffffff;",
            "&#+41;",
            "%",
            "%4",
            "%zz",
            "\\",
            "\\u12",
            "\\ud800x",
            "\\ud800\\u0041",
            "\\u+123",
            "\\é",
            "\\xé",
        ] {
            let texts = decodings(text.as_bytes());
            assert_eq!(texts[0].as_slice(), text.as_bytes());
            assert!(texts.iter().all(|it| it.len() <= text.len()), "{text}");
        }
        assert!(decodings(&b"%25&amp;\\u0025".repeat(50)).len() <= MAX_DECODINGS);
    }
}
