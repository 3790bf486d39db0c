//! The URI of a request in a proof.

use http::Uri;

/// `htu`: the URI without query and fragment (RFC 9449 §4.2). The case of scheme and host, the port and
/// an empty path are normalized (RFC 3986 §6.2.2.1, §6.2.3). The path's escapes are not changed.
pub(super) struct Htu {
    text: String,
    /// Length of the origin.
    origin: usize,
}

impl Htu {
    /// `None` for a URI without scheme or host. A `Host` field is never consulted.
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        let (scheme, authority, path) = (uri.scheme_str()?, uri.authority()?, uri.path());
        let mut htu =
            String::with_capacity(scheme.len() + 3 + authority.as_str().len() + path.len());
        htu.push_str(scheme);
        htu.push_str("://");
        htu.push_str(authority.host());
        htu.make_ascii_lowercase();
        let default_port = if htu.starts_with("https:") { 443 } else { 80 };
        if let Some(port) = authority.port()
            && port.as_u16() != default_port
        {
            htu.push(':');
            // Formatted as a number, since the URI may have leading zeros.
            htu.push_str(&port.as_u16().to_string());
        }
        let origin = htu.len();
        htu.push_str(path);
        Some(Self { text: htu, origin })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn origin(&self) -> &str {
        &self.text[..self.origin]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_userinfo_go_and_the_origin_is_normalised() {
        for (uri, expected, origin) in [
            ("https://a.example/b/c?d=e", "https://a.example/b/c", "https://a.example"),
            ("HTTPS://User:pw@A.Example:443/B?", "https://a.example/B", "https://a.example"),
            ("https://a.example", "https://a.example/", "https://a.example"),
            ("https://a.example?x=/y", "https://a.example/", "https://a.example"),
            ("http://a.example:80//b/", "http://a.example//b/", "http://a.example"),
            ("http://a.example:443/%7Eb", "http://a.example:443/%7Eb", "http://a.example:443"),
            (
                "https://[2001:DB8::1]:8443/",
                "https://[2001:db8::1]:8443/",
                "https://[2001:db8::1]:8443",
            ),
        ] {
            let htu = Htu::of(&uri.parse().unwrap()).unwrap();
            assert_eq!((htu.as_str(), htu.origin()), (expected, origin), "{uri}");
        }
        for uri in ["/b", "*", "a.example:443"] {
            assert!(Htu::of(&uri.parse().unwrap()).is_none(), "{uri}");
        }
    }
}
