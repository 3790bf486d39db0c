//! The issuer, and the well-known URIs of its metadata.

use std::sync::Arc;

use http::Uri;

use crate::endpoint::url;

/// An issuer identifier (RFC 8414 §2), as configured.
pub(super) struct Issuer {
    pub(super) text: Arc<str>,
    pub(super) uri: Uri,
}

impl Issuer {
    /// # Errors
    ///
    /// What is wrong and what to do. `name` is the issuer's name in that text.
    pub(super) fn parse(name: &str, text: &str, allow_plain_http: bool) -> Result<Self, String> {
        let uri = url::parse(name, text, allow_plain_http)?;
        if text.contains('?') {
            return Err(format!("{name}: it has a query; remove it (RFC 8414 §2)"));
        }
        if text.contains("/.well-known/") {
            return Err(format!(
                "{name}: it is the address of a metadata document; pass the document's issuer \
                 instead"
            ));
        }
        Ok(Self { text: text.into(), uri })
    }

    /// The well-known URIs of the metadata, in the order of the requests. RFC 8414 §3.1 inserts the
    /// well-known part between host and path, OpenID Connect Discovery §4 appends it.
    pub(super) fn well_known_uris(&self) -> [Uri; 2] {
        // Both specifications remove a slash at the end first.
        let path = self.uri.path();
        let path = path.strip_suffix('/').unwrap_or(path);
        [
            self.at(format!("/.well-known/oauth-authorization-server{path}")),
            self.at(format!("{path}/.well-known/openid-configuration")),
        ]
    }

    fn at(&self, path: String) -> Uri {
        let mut parts = self.uri.clone().into_parts();
        parts.path_and_query = Some(path.parse().expect("made of a path that was parsed"));
        Uri::from_parts(parts).expect("scheme and authority are those of a URI")
    }
}

/// # Errors
///
/// Same errors as [`Issuer::parse`].
pub(crate) fn check(name: &str, text: &str, allow_plain_http: bool) -> Result<(), String> {
    Issuer::parse(name, text, allow_plain_http).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_parts_are_inserted_and_appended() {
        const OAUTH: &str = "/.well-known/oauth-authorization-server";
        const OPENID: &str = "/.well-known/openid-configuration";
        for (issuer, path) in [
            ("https://idp.example.com", ""),
            ("https://idp.example.com/", ""),
            ("https://idp.example.com/tenant", "/tenant"),
            ("https://idp.example.com/tenant/", "/tenant"),
            ("https://idp.example.com/a/b//", "/a/b/"),
            ("https://idp.example.com/%C3%BC;x=1", "/%C3%BC;x=1"),
        ] {
            let parsed = Issuer::parse("issuer", issuer, false).unwrap();
            assert_eq!(&*parsed.text, issuer, "kept as it was written");
            let host = "https://idp.example.com";
            let expected = [format!("{host}{OAUTH}{path}"), format!("{host}{path}{OPENID}")];
            assert_eq!(parsed.well_known_uris().map(|uri| uri.to_string()), expected);
        }
        let loopback = Issuer::parse("issuer", "http://127.0.0.1:8080/x", false).unwrap();
        assert_eq!(loopback.well_known_uris()[0], *format!("http://127.0.0.1:8080{OAUTH}/x"));
    }

    #[test]
    fn bad_issuers_are_refused_with_the_reason() {
        for (issuer, reason) in [
            ("idp.example.com", "issuer: it is not absolute"),
            ("http://idp.example.com", "issuer: plain http"),
            ("https://user:hunter2@idp.example.com", "issuer: it has credentials"),
            ("https://idp.example.com?tenant=a", "issuer: it has a query"),
            ("https://idp.example.com#a", "issuer: it has a fragment"),
            ("https://idp.example.com/.well-known/openid-configuration", "metadata document"),
        ] {
            let why = Issuer::parse("issuer", issuer, false).err().expect(issuer);
            assert!(why.contains(reason) && !why.contains("hunter2"), "{issuer}: {why}");
        }
        assert!(Issuer::parse("issuer", "http://idp.example.com", true).is_ok());
    }
}
