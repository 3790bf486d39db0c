//! `NO_PROXY`, as curl 7.88 reads it.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether a list names a host. `host` is written as in a URI, so IPv6 is in brackets.
///
/// curl knows prefix lengths for IPv4 only, and no wildcard but a lone `*`.
pub(super) fn matches(list: &str, host: &str) -> bool {
    if list == "*" {
        return true;
    }
    let mut entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return entries.any(|entry| matches_v4(entry, address));
    }
    let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let v6 = v6.and_then(|host| host.parse::<Ipv6Addr>().ok()).map(|address| address.to_string());
    let name = v6.as_deref().unwrap_or(host);
    let name = name.strip_suffix('.').unwrap_or(name);
    entries.any(|entry| matches_name(entry, name))
}

/// An address, or a network such as `10.0.0.0/8`. A prefix length of zero or none means one address.
fn matches_v4(entry: &str, address: Ipv4Addr) -> bool {
    let (network, bits) = match entry.split_once('/') {
        None => (entry, 0),
        Some((network, bits)) => (network, leading_number(bits)),
    };
    let Ok(network) = network.parse::<Ipv4Addr>() else { return false };
    let differing = u32::from(network) ^ u32::from(address);
    match bits {
        0 => differing == 0,
        1..=32 => differing >> (32 - bits) == 0,
        _ => false,
    }
}

/// The number that a text begins with, as C's `atoi`; zero if there is no number. A number that is
/// negative or too large is `u32::MAX`.
fn leading_number(text: &str) -> u32 {
    let (is_negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    match digits[..end].parse::<u32>() {
        _ if end == 0 => 0,
        Ok(0) => 0,
        Ok(number) if !is_negative => number,
        _ => u32::MAX,
    }
}

/// The name itself or a domain that it is in. One dot on either side of the entry is ignored.
fn matches_name(entry: &str, name: &str) -> bool {
    let entry = entry.strip_suffix('.').unwrap_or(entry);
    let entry = entry.strip_prefix('.').unwrap_or(entry);
    let Some(start) = name.len().checked_sub(entry.len()) else { return false };
    let same = name.as_bytes()[start..].eq_ignore_ascii_case(entry.as_bytes());
    same && (start == 0 || name.as_bytes()[start - 1] == b'.')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_match_themselves_and_their_subdomains() {
        for (list, host, expected) in [
            ("a.test", "a.test", true),
            ("A.TEST", "a.Test", true),
            (".a.test", "a.test", true),
            ("a.test", "x.a.test", true),
            ("a.test.", "a.test", true),
            ("a.test", "a.test.", true),
            ("test", "a.test", true),
            ("b,,a.test", "a.test", true),
            ("b \t, a.test", "a.test", true),
            ("b a.test c", "a.test", true),
            ("a.test", "xa.test", false),
            ("x.a.test", "a.test", false),
            ("..a.test", "a.test", false),
            ("*.test", "a.test", false),
            ("a.test:80", "a.test", false),
            ("b\na.test", "a.test", false),
            ("", "a.test", false),
            (".", "a.test", false),
            (",", "a.test", false),
            ("*", "a.test", true),
            (" *", "a.test", false),
            ("*,b", "a.test", false),
        ] {
            assert_eq!(matches(list, host), expected, "{list:?} {host}");
        }
    }

    #[test]
    fn ipv4_networks_match_by_prefix_and_ipv6_by_text() {
        for (list, host, expected) in [
            ("10.2.3.4", "10.2.3.4", true),
            ("10.0.0.0/8", "10.2.3.4", true),
            ("10.0.0.0/+8", "10.2.3.4", true),
            ("10.0.0.0/8x", "10.2.3.4", true),
            ("10.2.3.5/31", "10.2.3.4", true),
            ("10.2.3.4/32", "10.2.3.4", true),
            ("10.2.3.4/", "10.2.3.4", true),
            ("10.2.3.4/0", "10.2.3.4", true),
            ("10.0.0.0/0", "10.2.3.4", false),
            ("10.2.3.4/33", "10.2.3.4", false),
            ("10.2.3.4/-1", "10.2.3.4", false),
            ("10.2.3.4/99999999999", "10.2.3.4", false),
            ("11.0.0.0/8", "10.2.3.4", false),
            ("3.4", "10.2.3.4", false),
            ("10.2.3.4.", "10.2.3.4", false),
            ("2001:db8::1", "[2001:db8::1]", true),
            ("2001:DB8::1", "[2001:db8:0::1]", true),
            ("2001:db8:0::1", "[2001:db8::1]", false),
            ("[2001:db8::1]", "[2001:db8::1]", false),
            ("2001:db8::/32", "[2001:db8::1]", false),
        ] {
            assert_eq!(matches(list, host), expected, "{list:?} {host}");
        }
    }
}
