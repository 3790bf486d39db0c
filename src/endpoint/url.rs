//! The token URL and the issuer, checked when the client is built, and the URLs in metadata.

use http::Uri;

use crate::net::is_loopback;

/// # Errors
///
/// What is wrong and what to do. `name` is the URL's name in that text.
pub(crate) fn parse(name: &str, text: &str, allow_plain_http: bool) -> Result<Uri, String> {
    parse_unnamed(text, allow_plain_http).map_err(|why| format!("{name}: {why}"))
}

/// # Errors
///
/// Same errors as [`parse`].
pub(crate) fn check(name: &str, text: &str, allow_plain_http: bool) -> Result<(), String> {
    parse(name, text, allow_plain_http).map(drop)
}

fn parse_unnamed(text: &str, allow_plain_http: bool) -> Result<Uri, String> {
    if text.contains('#') {
        // `http::Uri` drops it silently. RFC 6749 §3.2 forbids it.
        return Err("it has a fragment; remove everything from the '#' on".into());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it is not absolute; it must begin with https://".into());
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "https" && scheme != "http" {
        return Err("its scheme is not https or http; use https".into());
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        // Not shown: it may be a password.
        return Err("it has credentials before the host; pass them to \
                    client_secret_basic instead"
            .into());
    }
    let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|error| {
        format!("it cannot be parsed ({error}); write it as in https://host/path")
    })?;
    let host = uri.host().unwrap_or_default();
    if host.is_empty() || (uri.port().is_none() && authority.len() > host.len()) {
        return Err("its host or port is not valid; write it as in \
                    https://host:port/path"
            .into());
    }
    if scheme == "http" && !allow_plain_http && !is_loopback(host) {
        return Err("plain http would show the client's credentials to the network; \
                    use https, or call allow_plain_http"
            .into());
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_are_kept_as_they_are() {
        for url in [
            "https://idp.example.com/token",
            "https://idp.example.com:8443//am//token/?realm=/a&x=a:b@c",
            "http://localhost:1/token",
            "http://127.8.9.1/token",
            "http://[::1]:9/token",
        ] {
            assert_eq!(parse("token URL", url, false).unwrap().to_string(), url);
        }
        assert_eq!(parse("token URL", "HTTPS://idp/token", false).unwrap(), "https://idp/token");
        assert!(parse("token URL", "http://idp/token", true).is_ok());
    }

    #[test]
    fn bad_urls_are_refused_with_the_reason() {
        for (url, reason) in [
            ("", "not absolute"),
            ("/token", "not absolute"),
            ("idp.example.com/token", "not absolute"),
            ("idp.example.com:443", "not absolute"),
            ("//idp.example.com/token", "not absolute"),
            ("https:/idp/token", "not absolute"),
            ("ftp://idp/token", "scheme"),
            ("unix:///run/idp", "scheme"),
            ("https://idp/token#", "fragment"),
            ("https://idp/token#x", "fragment"),
            ("https://user:hunter2@idp/token", "credentials"),
            ("https://@idp/token", "credentials"),
            ("https:///token", "cannot be parsed"),
            ("https://", "cannot be parsed"),
            (" https://idp/token", "scheme"),
            ("https://idp/to ken", "cannot be parsed"),
            ("https://idp/token\n", "cannot be parsed"),
            ("https://idp:99999/token", "port"),
            ("https://idp:/token", "port"),
            ("http://idp.example.com/token", "plain http"),
            ("http://localhost.example.com/token", "plain http"),
            ("http://127.0.0.1.example.com/token", "plain http"),
            ("http://10.0.0.1/token", "plain http"),
            ("http://localhost./token", "plain http"),
            ("http://idp.localhost/token", "plain http"),
            ("http://idp.localhost./token", "plain http"),
            ("http://[::ffff:127.0.0.1]/token", "plain http"),
            ("http://[::1]evil.example/token", "not valid"),
            ("http://[::2]/token", "plain http"),
        ] {
            let error = parse("token URL", url, false).expect_err(url);
            assert!(error.contains(reason), "{url}: {error}");
            assert!(!error.contains("hunter2"));
        }
    }
}
