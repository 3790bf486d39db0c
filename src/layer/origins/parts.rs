//! The parts of a URI that make up its origin.

use std::net::Ipv6Addr;

use http::Uri;

use crate::net::is_loopback;

/// Scheme, host and effective port, without userinfo.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct OriginParts<'a> {
    scheme: WebScheme,
    host: Host<'a>,
    port: u16,
}

#[derive(Clone, Copy, PartialEq)]
enum WebScheme {
    Https,
    Http,
}

#[derive(Clone, Copy)]
enum Host<'a> {
    /// A name or an IPv4 address, as it was written.
    Name(&'a str),
    V6(Ipv6Addr),
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            (Self::V6(a), Self::V6(b)) => a == b,
            _ => false,
        }
    }
}

impl<'a> OriginParts<'a> {
    pub(super) fn of(uri: &'a Uri) -> Option<Self> {
        Self::new(uri.scheme_str()?, uri.authority()?.as_str())
    }

    pub(super) fn new(scheme: &str, authority: &'a str) -> Option<Self> {
        let scheme = match scheme {
            s if s.eq_ignore_ascii_case("https") => WebScheme::Https,
            s if s.eq_ignore_ascii_case("http") => WebScheme::Http,
            _ => return None,
        };
        let (host, port) = split(authority)?;
        let default_port = match scheme {
            WebScheme::Https => 443,
            WebScheme::Http => 80,
        };
        Some(Self { scheme, host, port: port.unwrap_or(default_port) })
    }

    pub(super) fn is_https(&self) -> bool {
        self.scheme == WebScheme::Https
    }

    pub(super) fn is_loopback(&self) -> bool {
        match self.host {
            Host::Name(name) => is_loopback(name),
            Host::V6(address) => address.is_loopback(),
        }
    }

    /// Whether the host is a plain name or address. A `*` is legal in a URI, but its author would
    /// expect a wildcard.
    pub(super) fn has_plain_host(&self) -> bool {
        match self.host {
            Host::Name(name) => {
                name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
            }
            Host::V6(_) => true,
        }
    }
}

/// Splits an authority into host and port. `http::Uri` ignores a port that is not a number, and reads
/// `+443` as 443. Both are refused here.
fn split(authority: &str) -> Option<(Host<'_>, Option<u16>)> {
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host_port)| host_port);
    let (host, port) = match host_port.strip_prefix('[') {
        Some(literal) => {
            let (address, port) = literal.split_once(']')?;
            (Host::V6(address.parse().ok()?), port)
        }
        None => {
            let (name, port) = host_port.split_at(host_port.find(':').unwrap_or(host_port.len()));
            if name.is_empty() {
                return None;
            }
            (Host::Name(name), port)
        }
    };
    let digits = match port.strip_prefix(':') {
        // An empty port is the default one (RFC 3986 §3.2.3).
        Some("") => return Some((host, None)),
        Some(digits) => digits,
        None if port.is_empty() => return Some((host, None)),
        None => return None,
    };
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((host, Some(digits.parse().ok()?)))
}
