//! A request's URI as a proof names it.

use http::Uri;

/// `htu`: the URI without query and fragment (RFC 9449 §4.2), with the case of scheme and host, the
/// port and an empty path as RFC 3986 §6.2.2.1 and §6.2.3 want them. The path's escapes are left as
/// they are sent.
pub(super) struct Target {
    htu: String,
    origin: usize,
}

impl Target {
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
            // As a number: it may have been written with leading zeros.
            htu.push_str(&port.as_u16().to_string());
        }
        let origin = htu.len();
        htu.push_str(path);
        Some(Self { htu, origin })
    }

    pub(super) fn htu(&self) -> &str {
        &self.htu
    }

    pub(super) fn origin(&self) -> &str {
        &self.htu[..self.origin]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_and_userinfo_go_and_the_origin_is_normalised() {
        for (uri, htu, origin) in [
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
            let target = Target::of(&uri.parse().unwrap()).unwrap();
            assert_eq!((target.htu(), target.origin()), (htu, origin), "{uri}");
        }
        for uri in ["/b", "*", "a.example:443"] {
            assert!(Target::of(&uri.parse().unwrap()).is_none(), "{uri}");
        }
    }
}
