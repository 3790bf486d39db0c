use http::Uri;

use super::{Origins, parts::OriginParts};
use crate::error::{Error, Problem};

fn allows(origins: &Origins, uri: &str) -> bool {
    origins.allows(&uri.parse().unwrap_or_else(|_| panic!("{uri} is no URI")))
}

fn refusal(origin: &str) -> String {
    let error: Error = Origins::parse([origin]).expect_err(origin);
    assert_eq!(error.problem(), Problem::Config, "{origin}");
    error.to_string()
}

#[test]
fn scheme_host_and_port_decide() {
    let origins = Origins::parse(["https://api.example.com", "https://b.example:8443/"]).unwrap();
    for uri in [
        "https://api.example.com",
        "https://api.example.com/v1?q=1",
        "HTTPS://API.Example.COM/",
        "https://api.example.com:443/",
        "https://api.example.com:0443/",
        "https://api.example.com:/",
        "https://user:secret@api.example.com/",
        "https://b.example:8443/x",
    ] {
        assert!(allows(&origins, uri), "{uri}");
    }
    for uri in [
        "http://api.example.com/",
        "http://api.example.com:443/",
        "wss://api.example.com/",
        "https://api.example.com:80/",
        "https://api.example.com./",
        "https://api.example.com.evil.example/",
        "https://evil.example/api.example.com",
        "https://api.example.com@evil.example/",
        "https://api.example.com:443@evil.example/",
        "https://xapi.example.com/",
        "https://example.com/",
        "https://b.example/",
        "https://b.example:443/",
        "api.example.com:443",
        "/v1",
        "*",
    ] {
        assert!(!allows(&origins, uri), "{uri}");
    }
}

#[test]
fn a_port_that_is_no_number_is_not_the_default_port() {
    let origins = Origins::parse(["https://api.example.com"]).unwrap();
    for port in ["99999", "+443", "443x", "-1", "65979", "4 43"] {
        // Some of these are refused by `http` already, which is as good.
        if let Ok(uri) = format!("https://api.example.com:{port}/").parse::<Uri>() {
            assert!(!origins.allows(&uri), "{uri}");
        }
    }
}

#[test]
fn ipv6_literals_are_compared_as_addresses() {
    let origins = Origins::parse(["https://[2001:DB8::1]:8443", "http://[::1]"]).unwrap();
    assert!(allows(&origins, "https://[2001:db8::1]:8443/"));
    assert!(allows(&origins, "https://[2001:db8:0:0::1]:8443/"));
    assert!(allows(&origins, "http://[::1]:80/"));
    assert!(!allows(&origins, "https://[2001:db8::1]/"));
    assert!(!allows(&origins, "https://[2001:db8::2]:8443/"));
    assert!(!allows(&origins, "http://[::ffff:127.0.0.1]/"));
}

/// `http::Uri` accepts any text after the bracket.
#[test]
fn text_after_an_ipv6_literal_makes_it_another_host() {
    for after in ["evil.example", ".evil.example", "evil.example:443", "]", "[::1]", "443", "%25"] {
        let https = format!("https://[::1]{after}/");
        let Ok(uri) = https.parse::<Uri>() else { continue };
        let named = Origins::parse(["https://[::1]", "http://[::1]"]).unwrap();
        assert!(!named.allows(&uri), "{uri}");
        let http = https.replace("https:", "http:");
        assert!(!allows(&named, &http) && !allows(&Origins::any(), &http), "{http}");
        assert!(Origins::parse([http.trim_end_matches('/')]).is_err(), "{http}");
        assert!(Origins::parse([https.trim_end_matches('/')]).is_err(), "{https}");
    }
    assert!("https://[::1]evil.example/".parse::<Uri>().is_ok(), "or this tests nothing");
}

#[test]
fn plain_http_is_for_loopback_unless_opted_in() {
    for loopback in ["localhost", "LOCALHOST:3000", "127.0.0.1", "127.255.0.9:1", "[::1]:3000"] {
        let origin = format!("http://{loopback}");
        assert!(Origins::parse([&origin]).is_ok(), "{origin}");
        assert!(allows(&Origins::any(), &origin), "{origin}");
    }
    for host in [
        "api.example.com",
        "127.1",
        "0x7f.1",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "localhost.",
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "[::ffff:127.0.0.1]",
        "[::]",
        "0.0.0.0",
        "128.0.0.1",
    ] {
        let origin = format!("http://{host}");
        assert!(refusal(&origin).contains("unencrypted"), "{origin}");
        assert!(!allows(&Origins::any(), &origin), "{origin}");
        let opted_in = Origins::parse_with_plain_http([&origin]).unwrap();
        assert!(allows(&opted_in, &origin), "{origin}");
        assert!(!allows(&opted_in, &origin.replace("http:", "https:")), "{origin}");
    }
    assert!(!allows(&Origins::any(), "http://localhost@evil.com/"));
}

#[test]
fn what_is_no_origin_is_refused_with_a_reason() {
    for (origin, reason) in [
        ("https://api.example.com/v1", "not restricted by path"),
        ("https://api.example.com//", "not restricted by path"),
        ("https://api.example.com?a=b", "query"),
        ("https://api.example.com/?", "query"),
        ("https://api.example.com/#", "fragment"),
        ("https://user:hunter2@api.example.com", "user name or password"),
        ("https://@api.example.com", "user name or password"),
        ("wss://api.example.com", "must be https or http"),
        ("ftp://api.example.com", "must be https or http"),
        ("api.example.com", "needs a scheme"),
        ("api.example.com:443", "needs a scheme"),
        ("/v1", "needs a scheme"),
        ("https://*.example.com", "wildcards"),
        ("https://api.example.com:99999", "valid host and port"),
        ("https://[v1.x]", ""),
        ("https://bücher.example", "xn--"),
        ("https://", ""),
        ("", ""),
        (" https://api.example.com", ""),
        ("https://api.example.com ", ""),
    ] {
        let message = refusal(origin);
        assert!(message.contains(reason), "{origin}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    let none: [&str; 0] = [];
    assert!(Origins::parse(none).unwrap_err().to_string().contains("empty"));
    assert!(refusal("ftp://h/?secret=hunter2").contains("query"));
    assert!(!refusal("https://h/?secret=hunter2").contains("hunter2"));
    assert!(!refusal("https://u:hunter2@ü/").contains("hunter2"));
    assert!(Origins::parse(["https://good.example", "https://good.example/bad"]).is_err());
}

#[test]
fn any_is_https_or_loopback() {
    assert!(allows(&Origins::any(), "https://anything.example:1234/"));
    assert!(!allows(&Origins::any(), "wss://anything.example/"));
    assert!(!allows(&Origins::any(), "ws://localhost/"));
    assert!(!allows(&Origins::any(), "/v1"));
    assert!(!allows(&Origins::any(), "anything.example:443"));
}

#[test]
fn a_fixed_upstream_takes_uris_without_authority_only() {
    let origins = Origins::fixed_upstream();
    assert!(allows(&origins, "/package.Service/Method"));
    assert!(allows(&origins, "//evil.example/x"), "a path, for http::Uri as for the wire");
    for uri in ["https://evil.example/x", "http://localhost/", "evil.example:443"] {
        assert!(!allows(&origins, uri), "{uri}");
    }
}

/// `http://localhost` and `*` are printed as `http://localhost*`, which is another host.
#[test]
fn over_plain_http_a_path_without_a_slash_carries_no_token() {
    let star = Uri::builder().scheme("http").authority("localhost").path_and_query("*");
    let star = star.build().unwrap();
    let named = Origins::parse(["http://localhost"]).unwrap();
    assert!(!named.allows(&star) && !Origins::any().allows(&star), "{star}");
    assert!(allows(&Origins::fixed_upstream(), "*"), "the connection is what it is");
    assert!(allows(&named, "http://localhost?a=b"), "an empty path is the same as a slash");
    // Over TLS the connection decides, however the origin is spelt.
    let named = Origins::parse(["https://api.example.com", "https://b.example:443"]).unwrap();
    for authority in [
        "api.example.com",
        "API.example.com",
        "api.example.com:443",
        "user@api.example.com",
        "b.example:443",
        "b.example",
    ] {
        let star = Uri::builder().scheme("https").authority(authority).path_and_query("*");
        let star = star.build().unwrap();
        assert!(named.allows(&star) && Origins::any().allows(&star), "{star}");
    }
    // What `http` before 1.4.1 took for paths.
    for path in ["@evil.example/x", ".evil.example/", "http://evil.example/x"] {
        assert!(path.parse::<http::uri::PathAndQuery>().is_err(), "{path}");
    }
}

#[test]
fn display_names_the_origins() {
    let origins = Origins::parse(["https://a.example:8443/", "http://localhost"]).unwrap();
    assert_eq!(origins.to_string(), "https://a.example:8443, http://localhost");
    assert_eq!(format!("{:?}", Origins::fixed_upstream()), "Origins(the fixed upstream)");
}

/// An origin as its parts, from which URIs are spelt at random. `allows` has to find from the
/// text what is known here from the start.
#[derive(Clone, Copy, PartialEq)]
struct Parts {
    scheme: &'static str,
    host: &'static str,
    port: u16,
}

impl Parts {
    fn random(rng: &mut fastrand::Rng) -> Self {
        const HOSTS: [&str; 8] = [
            "api.example.com",
            "api.example.com.",
            "api.example.co",
            "localhost",
            "127.0.0.1",
            "127.1",
            "[::1]",
            "[2001:db8::a]",
        ];
        Self {
            scheme: ["https", "https", "http", "wss"][rng.usize(..4)],
            host: HOSTS[rng.usize(..HOSTS.len())],
            port: [443, 80, 8443][rng.usize(..3)],
        }
    }

    fn default_port(self) -> u16 {
        if matches!(self.scheme, "https" | "wss") { 443 } else { 80 }
    }

    fn is_web(self) -> bool {
        self.scheme != "wss"
    }

    fn is_loopback(self) -> bool {
        ["localhost", "127.0.0.1", "[::1]"].contains(&self.host)
    }

    fn spelt(self, rng: &mut fastrand::Rng, userinfo: &str, path: &str) -> String {
        let mut any_case = |text: &str| -> String {
            let shout = rng.bool();
            text.chars()
                .map(|c| if shout && rng.bool() { c.to_ascii_uppercase() } else { c })
                .collect()
        };
        let (scheme, host) = (any_case(self.scheme), any_case(self.host));
        let port = match rng.u8(..3) {
            _ if self.port != self.default_port() => format!(":{}", self.port),
            0 => String::new(),
            1 => ":".to_owned(),
            _ => format!(":{}", self.port),
        };
        format!("{scheme}://{userinfo}{host}{port}{path}")
    }
}

#[test]
fn allows_agrees_with_a_slow_reference() {
    const USERINFO: [&str; 4] = ["", "", "user@", "localhost:443@"];
    const PATHS: [&str; 4] = ["", "/", "/a@b:80/[::1]", "/?https://api.example.com"];
    let (mut allowed, mut refused) = (0, 0);
    for seed in 0..20_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let named: Vec<Parts> = (0..rng.usize(1..4))
            .map(|_| Parts::random(&mut rng))
            .filter(|parts| parts.is_web())
            .collect();
        let spelt: Vec<String> = named.iter().map(|parts| parts.spelt(&mut rng, "", "")).collect();
        let in_the_clear = named.iter().any(|parts| parts.scheme == "http" && !parts.is_loopback());
        assert_eq!(
            Origins::parse(&spelt).is_err(),
            in_the_clear || named.is_empty(),
            "seed {seed}: {spelt:?}"
        );
        let Ok(origins) = Origins::parse_with_plain_http(&spelt) else { continue };

        let mut parts = Parts::random(&mut rng);
        if rng.bool() {
            parts = named[rng.usize(..named.len())];
        }
        let userinfo = USERINFO[rng.usize(..USERINFO.len())];
        let path = PATHS[rng.usize(..PATHS.len())];
        let text = parts.spelt(&mut rng, userinfo, path);
        let uri: Uri = text.parse().unwrap_or_else(|_| panic!("seed {seed}: {text}"));
        let expected = named.contains(&parts);
        assert_eq!(origins.allows(&uri), expected, "seed {seed}: {text} in {spelt:?}");
        let any = parts.scheme == "https" || parts.scheme == "http" && parts.is_loopback();
        assert_eq!(Origins::any().allows(&uri), any, "seed {seed}: {text}");
        assert!(!Origins::fixed_upstream().allows(&uri), "seed {seed}: {text}");
        *if expected { &mut allowed } else { &mut refused } += 1;
    }
    assert!(allowed > 500 && refused > 500, "{allowed} allowed, {refused} refused");
}

/// The connector goes where `Uri::host()` and `Uri::port_u16()` say; whatever is allowed has to
/// be that very place.
#[test]
fn what_is_allowed_is_where_a_connector_goes() {
    const ALPHABET: &[&str] = &["a.example", "a", ".", ":", "443", "@", "[", "]", "::1", "%", "+"];
    let origins = Origins::parse(["https://a.example", "https://[::1]"]).unwrap();
    let mut allowed = 0;
    for seed in 0..200_000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let authority: String =
            (0..rng.usize(1..7)).map(|_| ALPHABET[rng.usize(..ALPHABET.len())]).collect();
        let Ok(uri) = format!("https://{authority}/").parse::<Uri>() else { continue };
        if origins.allows(&uri) {
            let host = uri.host().unwrap();
            assert!(["a.example", "[::1]"].contains(&host), "seed {seed}: {uri}");
            assert_eq!(uri.port_u16().unwrap_or(443), 443, "seed {seed}: {uri}");
            assert!(OriginParts::of(&uri).is_some());
            allowed += 1;
        }
    }
    assert!(allowed > 100, "{allowed}");
}
