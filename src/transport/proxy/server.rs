//! One proxy, from its URL.

use std::{fmt, net::Ipv6Addr};

use http::HeaderValue;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::basic_auth;

/// The protocol for connections to the proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) enum Protocol {
    Http,
    Https,
    /// One of the SOCKS schemes.
    Socks(&'static str),
}

/// A proxy. `Display` shows no credentials, and there is no `Debug`.
pub(in crate::transport) struct ProxyServer {
    pub(in crate::transport) protocol: Protocol,
    /// IPv6 in brackets.
    pub(in crate::transport) host: String,
    pub(in crate::transport) port: u16,
    /// User and password as in the URL, percent-encoded.
    #[cfg(feature = "reqwest")]
    userinfo: Option<Zeroizing<String>>,
    /// `Basic …`, marked sensitive.
    // Parsed without `hyper-transport` too, so that every client refuses the same URLs.
    #[cfg_attr(
        not(feature = "hyper-transport"),
        allow(dead_code, reason = "only `HyperTransport` uses it")
    )]
    authorization: Option<HeaderValue>,
}

impl ProxyServer {
    /// # Errors
    ///
    /// The error in the URL, without any part of it.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        const AMBIGUOUS: &str = "the user or password in the proxy URL has an unescaped @, /, ? or # \
                                 in it, so that its end is ambiguous; percent-encode it (@ is %40)";
        if url.chars().any(|c| c.is_control() || c.is_whitespace())
            || url.starts_with(['"', '\''])
            || url.ends_with(['"', '\''])
            || url.contains('\\')
        {
            return Err(
                "the proxy URL has white space, quotes, a backslash or a control character \
                        in it or around it; remove it",
            );
        }
        let (scheme, rest) = split_scheme(url)?;
        let protocol = protocol(scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if tail.contains('@') {
            return Err(AMBIGUOUS);
        }
        let (userinfo, host_and_port) = match authority.rsplit_once('@') {
            Some((userinfo, _)) if userinfo.contains('@') => return Err(AMBIGUOUS),
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, authority),
        };
        let (host, port) = split_port(host_and_port)?;
        let port = match port {
            None => protocol.default_port(),
            Some("") if scheme.is_some() => protocol.default_port(),
            Some(port) => number(port)?,
        };
        Ok(Self {
            protocol,
            host: host.to_owned(),
            port,
            authorization: userinfo.map(authorization).transpose()?,
            #[cfg(feature = "reqwest")]
            userinfo: userinfo.map(|text| Zeroizing::new(text.to_owned())),
        })
    }

    /// The value of `Proxy-Authorization`, if the URL has a user or a password.
    #[cfg(any(feature = "hyper-transport", test))]
    pub(in crate::transport) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// The URL with credentials.
    #[cfg(feature = "reqwest")]
    pub(in crate::transport) fn url(&self) -> Zeroizing<String> {
        let Self { protocol, host, port, userinfo, .. } = self;
        let userinfo = userinfo.as_ref().map(|it| Zeroizing::new(format!("{}@", **it)));
        let userinfo = userinfo.as_ref().map_or("", |it| it.as_str());
        Zeroizing::new(format!("{}://{userinfo}{host}:{port}", protocol.scheme()))
    }
}

impl Protocol {
    pub(in crate::transport) fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks(scheme) => scheme,
        }
    }

    /// The default port of curl.
    fn default_port(self) -> u16 {
        if self == Self::Https { 443 } else { 1080 }
    }
}

impl fmt::Display for ProxyServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.protocol.scheme(), self.host, self.port)
    }
}

/// The scheme, if the text has one, and the rest after its slashes. curl takes one to three.
fn split_scheme(url: &str) -> Result<(Option<&str>, &str), &'static str> {
    let is_scheme = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    };
    let Some((scheme, rest)) = url.split_once(":/").filter(|(scheme, _)| is_scheme(scheme)) else {
        return Ok((None, url));
    };
    let host = rest.trim_start_matches('/');
    if rest.len() - host.len() > 2 {
        return Err("the proxy URL has more than three slashes in front of its host");
    }
    Ok((Some(scheme), host))
}

fn protocol(scheme: Option<&str>) -> Result<Protocol, &'static str> {
    let Some(scheme) = scheme else { return Ok(Protocol::Http) };
    let same = |name: &&&'static str| name.eq_ignore_ascii_case(scheme);
    match ["http", "https", "socks4", "socks4a", "socks5", "socks5h"].iter().find(same) {
        Some(&"http") => Ok(Protocol::Http),
        Some(&"https") => Ok(Protocol::Https),
        Some(socks) => Ok(Protocol::Socks(socks)),
        // An alias in curl.
        None if scheme.eq_ignore_ascii_case("socks") => Ok(Protocol::Socks("socks4")),
        None => Err("the scheme of the proxy URL is not http, https or that of a SOCKS proxy"),
    }
}

fn split_port(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    const NO_HOST: &str = "the proxy URL has no host, or one with characters that no host has";
    if let Some(v6) = text.strip_prefix('[') {
        let (address, port) = v6.split_once(']').ok_or(NO_HOST)?;
        address.parse::<Ipv6Addr>().map_err(|_| NO_HOST)?;
        let host = &text[..address.len() + 2];
        return match port.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if port.is_empty() => Ok((host, None)),
            None => Err(NO_HOST),
        };
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let in_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() || !host.chars().all(in_host) {
        return Err(NO_HOST);
    }
    Ok((host, port))
}

fn number(port: &str) -> Result<u16, &'static str> {
    let number = port.bytes().all(|c| c.is_ascii_digit()).then(|| port.parse().ok()).flatten();
    number.filter(|port| *port > 0).ok_or(
        "the port of the proxy URL is not a number from 1 to 65535; if a password follows, \
         percent-encode its special characters",
    )
}

/// The value of `Proxy-Authorization`.
fn authorization(userinfo: &str) -> Result<HeaderValue, &'static str> {
    let decoded = |text: &str| Zeroizing::new(percent_decode_str(text).collect::<Vec<_>>());
    let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let (user, password) = (decoded(user), decoded(password));
    if user.iter().chain(password.iter()).any(u8::is_ascii_control) {
        return Err("the user or password in the proxy URL has a control character in it");
    }
    if user.contains(&b':') {
        return Err("the user in the proxy URL has a colon in it, where the password would begin");
    }
    Ok(basic_auth::basic(&user, &password))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;

    #[test]
    fn a_url_is_read_as_curl_reads_it() {
        for (url, shown, credentials) in [
            ("http://p.test:3128", "http://p.test:3128", None),
            ("p.test:3128", "http://p.test:3128", None),
            ("HTTP://p.test:3128/path?x#y", "http://p.test:3128", None),
            ("http:/p.test:3128", "http://p.test:3128", None),
            ("http:///p.test:3128", "http://p.test:3128", None),
            ("p.test", "http://p.test:1080", None),
            ("http://p.test:", "http://p.test:1080", None),
            ("https://p.test", "https://p.test:443", None),
            ("socks5h://p.test", "socks5h://p.test:1080", None),
            ("socks://p.test:1", "socks4://p.test:1", None),
            ("http://[2001:db8::1]:3128", "http://[2001:db8::1]:3128", None),
            ("http://[2001:db8::1]", "http://[2001:db8::1]:1080", None),
            ("http://u:p@p.test:1", "http://p.test:1", Some("u:p")),
            ("u:p@p.test:1", "http://p.test:1", Some("u:p")),
            ("http://u@p.test:1", "http://p.test:1", Some("u:")),
            ("http://:p@p.test:1", "http://p.test:1", Some(":p")),
            ("http://@p.test:1", "http://p.test:1", Some(":")),
            ("http://u:p:q@p.test:1", "http://p.test:1", Some("u:p:q")),
            ("http://u:p%40%2f%zz@p.test:1", "http://p.test:1", Some("u:p@/%zz")),
        ] {
            let server = ProxyServer::parse(url).expect(url);
            assert_eq!(server.to_string(), shown);
            let expected = credentials.map(|it| format!("Basic {}", STANDARD.encode(it)));
            let value = server.authorization();
            assert_eq!(value.map(|value| value.to_str().unwrap()), expected.as_deref(), "{url}");
            assert!(value.is_none_or(HeaderValue::is_sensitive));
        }
    }

    #[test]
    fn a_malformed_url_is_refused_and_not_guessed() {
        for (url, why) in [
            ("", "no host"),
            ("http://", "no host"),
            ("//p.test", "no host"),
            ("http:////p.test", "slashes"),
            ("p.test:", "not a number"),
            ("http://p.test:0", "not a number"),
            ("http://p.test:65536", "not a number"),
            ("http://p.test:+80", "not a number"),
            ("http://p.test:80x", "not a number"),
            ("http://[::1", "no host"),
            ("http://[::1]x", "no host"),
            ("http://[::g]:1", "no host"),
            ("http://[fe80::1%25eth0]:1", "no host"),
            ("http://p%41.test:1", "no host"),
            ("http://bücher.test:1", "no host"),
            ("http://\"p.test\":1", "no host"),
            ("\"http://p.test:1\"", "quotes"),
            ("'http://p.test:1'", "quotes"),
            ("http://p.test:1/\"", "quotes"),
            (" http://p.test:1", "white space"),
            ("http://p.test:1\n", "white space"),
            ("http://p.test:1\r\n", "white space"),
            ("http://u:p ss@p.test:1", "white space"),
            ("http://u\\er:p@p.test:1", "backslash"),
            ("http://u:p\u{a0}@p.test:1", "white space"),
            ("ftp://p.test:1", "scheme"),
            ("direct://", "scheme"),
            ("http://u:p@ss@p.test:1", "ambiguous"),
            ("http://u@er:p@p.test:1", "ambiguous"),
            ("http://u:p/ss@p.test:1", "ambiguous"),
            ("http://u:1/5@p.test:1", "ambiguous"),
            ("http://u:1?5@p.test:1", "ambiguous"),
            ("http://u:1#5@p.test:1", "ambiguous"),
            ("http://u%3ax:p@p.test:1", "colon"),
            ("http://u:p%0a@p.test:1", "control"),
        ] {
            let mistake = ProxyServer::parse(url).err().expect(url);
            assert!(mistake.contains(why), "{url}: {mistake}");
        }
    }
}
