//! The text of a file, without the marks and escapes that editors and environments add.

#[cfg(any(feature = "hyper-transport", feature = "jwt", feature = "dpop"))]
use zeroize::Zeroizing;

use super::error::ReadError;

/// The content as text that is not blank.
///
/// # Errors
///
/// An error if it is not UTF-8, or is empty or only white space. A file is empty while it is being
/// written, and an attempt with an empty secret would count as a wrong one.
pub(crate) fn text(content: &[u8]) -> Result<&str, ReadError> {
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        return Err(ReadError::Utf16);
    }
    let text = str::from_utf8(content).map_err(|_| ReadError::NotUtf8)?;
    if text.trim().is_empty() { Err(ReadError::Empty) } else { Ok(text) }
}

/// The text without UTF-8's byte order mark, which some editors put first.
pub(crate) fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// PEM with line breaks where a variable of one line has `\n` or `\r`. PEM itself has no
/// backslashes.
#[cfg(any(feature = "hyper-transport", feature = "jwt", feature = "dpop"))]
pub(crate) fn without_escapes(pem: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut rest = without_bom(pem);
    // Sized once: a vector that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(rest.len()));
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        text.extend_from_slice(&rest[..at]);
        // JSON within JSON doubles them.
        let escapes = rest[at..].iter().take_while(|&&byte| byte == b'\\').count();
        let (escape, after) = rest[at..].split_at(escapes);
        rest = match after {
            [b'n' | b'r', after @ ..] => {
                text.push(b'\n');
                after
            }
            after => {
                text.extend_from_slice(escape);
                after
            }
        };
    }
    text.extend_from_slice(rest);
    text
}

#[cfg(all(test, any(feature = "hyper-transport", feature = "jwt", feature = "dpop")))]
mod tests {
    use super::*;

    #[test]
    fn escaped_line_breaks_become_line_breaks() {
        for (text, expected) in [
            (r"-----BEGIN A-----\nnrnr\r\nAQID\n", "-----BEGIN A-----\nnrnr\n\nAQID\n"),
            ("\u{feff}a\nb", "a\nb"),
            (r"a\\nb\\\\rc", "a\nb\nc"),
            (r"a\tb\", r"a\tb\"),
            ("", ""),
        ] {
            assert_eq!(str::from_utf8(&without_escapes(text.as_bytes())).unwrap(), expected);
        }
    }

    #[test]
    fn one_byte_order_mark_is_skipped_at_the_start() {
        assert_eq!(without_bom(b"\xef\xbb\xbfa\xef\xbb\xbf"), b"a\xef\xbb\xbf");
        assert_eq!(without_bom(b"\xef\xbb"), b"\xef\xbb");
    }
}
