//! Checks resource indicators (RFC 8707 §2).

/// An absolute URI without a fragment (RFC 8707 §2, RFC 3986 §4.3).
///
/// # Errors
///
/// What is wrong with it and what to do.
pub(crate) fn resource(text: &str) -> Result<(), &'static str> {
    const ABSOLUTE: &str = "it is not an absolute URI; write it as in https://api.example.com \
                            (RFC 8707 §2)";
    if text.contains('#') {
        return Err("it has a fragment; remove everything from the '#' on (RFC 8707 §2)");
    }
    let (scheme, rest) = text.split_once(':').ok_or(ABSOLUTE)?;
    let in_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    if !scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        || !scheme.bytes().all(in_scheme)
        || rest.is_empty()
    {
        return Err(ABSOLUTE);
    }
    let is_http = ["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http));
    let authority = rest.strip_prefix("//").map(|rest| {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        rest.split_at(end)
    });
    // RFC 9110 §4.2.1: a URI of these schemes has a host.
    if is_http && authority.is_none_or(|(host, _)| host.is_empty() || host.starts_with(':')) {
        return Err("it has no host; write it as in https://api.example.com (RFC 8707 §2)");
    }
    let (authority, rest) = authority.unwrap_or(("", rest));
    if !is_uri_text(authority, b"[]") || !is_uri_text(rest, b"") {
        return Err("it contains a character that a URI cannot contain; percent-encode it \
                    (RFC 3986 §2.1)");
    }
    Ok(())
}

/// RFC 3986 §2: unreserved, reserved but for `#` and brackets, and percent-encoded bytes.
fn is_uri_text(text: &str, more: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().enumerate().all(|(at, byte)| match byte {
        b'%' => {
            bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        }
        byte => {
            byte.is_ascii_alphanumeric()
                || b"-._~:/?@!$&'()*+,;=".contains(byte)
                || more.contains(byte)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::resource;

    #[test]
    fn a_resource_is_an_absolute_uri_without_a_fragment() {
        for good in [
            "https://api.example.com",
            "https://api.example.com/",
            "HTTPS://api.example.com:8443/a/b?c=d%20e",
            "https://[2001:db8::1]:8443/a",
            "http://localhost",
            "urn:example:resource",
            "api://2f1b7a52-0000-4000-8000-000000000000",
            "spiffe://example.org/ns/default",
            "tag:example.com,2026:a;b=(c)'d*",
            "x+y-z.1:a",
        ] {
            assert_eq!(resource(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", "not an absolute URI"),
            ("api", "not an absolute URI"),
            ("/relative", "not an absolute URI"),
            ("//api.example.com/a", "not an absolute URI"),
            ("api.example.com/a", "not an absolute URI"),
            ("?a=b", "not an absolute URI"),
            (":a", "not an absolute URI"),
            ("1a:b", "not an absolute URI"),
            ("a b:c", "not an absolute URI"),
            ("./a:b", "not an absolute URI"),
            ("urn:", "not an absolute URI"),
            ("https://a.test/#f", "fragment"),
            ("https://a.test#", "fragment"),
            ("#f", "fragment"),
            ("https:", "not an absolute URI"),
            ("https:a.test", "no host"),
            ("https:/a.test", "no host"),
            ("https://", "no host"),
            ("https:///a", "no host"),
            ("https://?a", "no host"),
            ("https://:443/a", "no host"),
            ("https://a.test/b c", "a character"),
            ("https://a.test/\n", "a character"),
            ("https://ä.test/", "a character"),
            ("https://a.test/[b]", "a character"),
            ("https://a.test/%zz", "a character"),
            ("https://a.test/%4", "a character"),
            ("https://a.test/<b>", "a character"),
            ("https://a.test/\"", "a character"),
            ("https://a.test/\\b", "a character"),
        ] {
            let found = resource(bad).expect_err(bad);
            assert!(found.contains(why), "{bad:?}: {found}");
        }
    }
}
