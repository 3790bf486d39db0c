//! The rule for loopback hosts (RFC 8252 §8.3, RFC 6761 §6.3).

#[cfg(any(feature = "hyper-transport", feature = "reqwest"))]
use std::net::{IpAddr, SocketAddr};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a URI's host, as `http::Uri::host` gives it, is this machine's loopback.
///
/// Loopback is `localhost`, `127.0.0.0/8` and `[::1]` in their canonical forms. `localhost.` and
/// `*.localhost` do not count, since DNS resolves them. `127.1` and `0x7f.1` do not count, since they
/// depend on the machine's resolver. `[::ffff:127.0.0.1]` does not count, since some systems route it
/// to the network.
pub(crate) fn is_loopback(host: &str) -> bool {
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()),
        None => host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback()),
    }
}

/// The addresses of `localhost`, without a resolver (RFC 6761 §6.3). The port must be set.
#[cfg(any(feature = "hyper-transport", feature = "reqwest"))]
pub(crate) const LOCALHOST: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
    SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0),
];

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_canonical_loopback_hosts_count() {
        for yes in ["localhost", "LocalHost", "127.0.0.1", "127.255.0.9", "[::1]", "[0:0::1]"] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in [
            "",
            "localhost.",
            "idp.localhost",
            "idp.localhost.",
            "localhost.example",
            "notlocalhost",
            "127.1",
            "127.0.0.1.",
            "127.0.0.01",
            "0x7f.1",
            "2130706433",
            "128.0.0.1",
            "0.0.0.0",
            "::1",
            "[::1",
            "[::1]evil.example",
            "[::2]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[::1%eth0]",
        ] {
            assert!(!is_loopback(no), "{no}");
        }
    }
}
