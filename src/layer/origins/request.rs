//! Whether a request may carry the token: its URI, its `Host` fields and its method.

use http::{HeaderMap, Method, Request, Uri, header::HOST};

use super::{Origins, Rule, contains, parts::OriginParts};
use crate::{error::sanitise, event::WithheldReason};

impl Origins {
    /// Checks whether a request may carry the token.
    ///
    /// # Errors
    ///
    /// The reason why the request must not carry the token.
    #[inline(always)]
    pub(crate) fn check<B>(&self, request: &Request<B>) -> Result<(), WithheldReason> {
        if !self.allows(request.uri()) {
            return Err(WithheldReason::OtherOrigin);
        }
        if is_trace(request.method()) {
            return Err(WithheldReason::Trace);
        }
        if matches!(self.0, Rule::FixedUpstream) {
            return Ok(());
        }
        // Comparing the few names that a request has is cheaper than hashing one.
        if request.headers().keys().any(|name| *name == HOST) {
            return self.check_host(request.uri(), request.headers());
        }
        Ok(())
    }

    /// Checks the `Host` fields of a request whose URI is allowed.
    #[inline(never)]
    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), WithheldReason> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(WithheldReason::SeveralHosts);
        };
        let Some(scheme) = uri.scheme_str() else { return Err(WithheldReason::OtherHost) };
        let host = host.to_str().ok().filter(|host| !host.contains('@'));
        let host = host
            .and_then(|host| OriginParts::new(scheme, host))
            .ok_or(WithheldReason::OtherHost)?;
        if OriginParts::of(uri).is_some_and(|parts| parts == host) {
            return Ok(());
        }
        match &self.0 {
            Rule::Named(origins) if contains(origins, host) => Ok(()),
            _ => Err(WithheldReason::OtherHost),
        }
    }
}

/// The destination of a request, for an event: scheme, host and port, without userinfo. For
/// `OtherHost` the host is that of the `Host` field.
pub(crate) fn destination<B>(request: &Request<B>, reason: WithheldReason) -> String {
    let uri = request.uri();
    let host = request.headers().get(HOST).filter(|_| reason == WithheldReason::OtherHost);
    match host {
        Some(host) => origin(uri, &String::from_utf8_lossy(host.as_bytes())),
        None => origin_of(uri),
    }
}

/// The origin of a URI, for an event. Empty if the URI has no authority.
pub(crate) fn origin_of(uri: &Uri) -> String {
    origin(uri, uri.authority().map_or("", |authority| authority.as_str()))
}

fn origin(uri: &Uri, authority: &str) -> String {
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match uri.scheme_str() {
        Some(scheme) => sanitise(&format!("{scheme}://{authority}")),
        None => sanitise(authority),
    }
}

/// Whether the response echoes the request's header fields: `TRACE`, and `TRACK` of older Microsoft
/// servers. Compares the most common methods first.
#[inline(always)]
fn is_trace(method: &Method) -> bool {
    #[cold]
    #[inline(never)]
    fn other(method: &Method) -> bool {
        ["TRACE", "TRACK"].iter().any(|echo| method.as_str().eq_ignore_ascii_case(echo))
    }
    !matches!(*method, Method::GET | Method::POST | Method::PUT | Method::DELETE | Method::PATCH)
        && other(method)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn check(origins: &Origins, uri: &str, hosts: &[&str]) -> Result<(), WithheldReason> {
        let mut request = Request::get(uri).header("accept", "*/*").body(()).unwrap();
        for host in hosts {
            request.headers_mut().append(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
        }
        origins.check(&request)
    }

    #[test]
    fn a_host_field_that_agrees_with_the_uri_changes_nothing() {
        let named = Origins::parse(["https://api.example.com", "https://[2001:db8::1]:8443"]);
        for origins in [named.unwrap(), Origins::any()] {
            for (uri, host) in [
                ("https://api.example.com/", "api.example.com"),
                ("https://api.example.com/", "API.Example.COM"),
                ("https://api.example.com/", "api.example.com:443"),
                ("https://api.example.com/", "api.example.com:"),
                ("https://api.example.com:443/", "api.example.com"),
                ("https://user:pw@api.example.com/", "api.example.com"),
                ("https://[2001:db8::1]:8443/", "[2001:DB8:0::1]:8443"),
            ] {
                assert_eq!(check(&origins, uri, &[host]), Ok(()), "{uri} {host}");
            }
        }
    }

    #[test]
    fn a_host_field_that_differs_must_name_an_allowed_origin() {
        const API: &str = "https://api.example.com/";
        let origins = ["https://api.example.com", "https://b.example:8443", "http://localhost"];
        let origins = Origins::parse(origins).unwrap();
        for host in ["b.example:8443", "B.EXAMPLE:8443"] {
            assert_eq!(check(&origins, API, &[host]), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "b.example",
            "b.example:443",
            "localhost",
            "localhost:80",
            "api.example.com:80",
            "api.example.com:8443",
            "api.example.com.",
            "api.example.com.evil.example",
            "api.example.com@evil.example",
            "evil.example@api.example.com",
            "@api.example.com",
            "https://api.example.com",
            "api.example.com/",
            "api.example.com, evil.example",
            "api.example.com evil.example",
            " api.example.com",
            "api.example.com:+443",
            "api.example.com:443:443",
            "[::1]evil.example",
            "*",
            "",
            "\u{e4}pi.example.com",
        ] {
            let withheld = Err(WithheldReason::OtherHost);
            assert_eq!(check(&origins, API, &[host]), withheld, "{host}");
            assert_eq!(check(&Origins::any(), API, &[host]), withheld, "any: {host}");
        }
        // Over plain http it names a plain-http origin.
        let withheld = Err(WithheldReason::OtherHost);
        assert_eq!(check(&origins, "http://localhost/", &["localhost:80"]), Ok(()));
        assert_eq!(check(&origins, "http://localhost/", &["api.example.com"]), withheld);
        assert_eq!(check(&origins, "http://localhost/", &["127.0.0.1"]), withheld);
    }

    #[test]
    fn any_origin_does_not_mean_any_host() {
        let any = Origins::any();
        for host in ["other.example.com", "localhost", "127.0.0.1"] {
            let withheld = Err(WithheldReason::OtherHost);
            assert_eq!(check(&any, "https://api.example.com/", &[host]), withheld, "{host}");
        }
        assert!(check(&any, "http://127.0.0.1/", &["localhost"]).is_err());
    }

    #[test]
    fn several_host_fields_carry_no_token_even_if_they_agree() {
        let host = "api.example.com";
        for origins in [Origins::parse(["https://api.example.com"]).unwrap(), Origins::any()] {
            for hosts in [[host, host], [host, "evil.example"], ["evil.example", host]] {
                let withheld = Err(WithheldReason::SeveralHosts);
                assert_eq!(check(&origins, "https://api.example.com/", &hosts), withheld);
            }
        }
    }

    #[test]
    fn a_fixed_upstream_has_no_authority_to_compare_a_host_with() {
        for hosts in [&["anything.example"][..], &["a.example", "b.example"], &[""]] {
            assert_eq!(check(&Origins::fixed_upstream(), "/v1", hosts), Ok(()));
        }
    }

    #[test]
    fn trace_carries_no_token_anywhere() {
        for (origins, uri) in [
            (Origins::parse(["https://api.example.com"]).unwrap(), "https://api.example.com/"),
            (Origins::any(), "https://api.example.com/"),
            (Origins::fixed_upstream(), "/v1"),
        ] {
            let of = |method: &str| {
                origins.check(&Request::builder().method(method).uri(uri).body(()).unwrap())
            };
            for method in ["TRACE", "trace", "TRACK", "Track"] {
                assert_eq!(of(method), Err(WithheldReason::Trace), "{method}");
            }
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT"] {
                assert_eq!(of(method), Ok(()), "{method}");
            }
            for method in ["PROPFIND", "QUERY", "TRACES", "TRAC", "A-METHOD-WITH-A-LONG-NAME"] {
                assert_eq!(of(method), Ok(()), "{method}");
            }
        }
    }

    #[test]
    fn an_event_names_no_credentials() {
        let request = Request::get("https://user:hunter2@api.example.com:8443/a?secret=hunter2");
        let request = request.header(HOST, "u:hunter2@evil.example\u{e4}").body(()).unwrap();
        assert_eq!(
            destination(&request, WithheldReason::OtherOrigin),
            "https://api.example.com:8443"
        );
        let host = destination(&request, WithheldReason::OtherHost);
        assert!(
            host.starts_with("https://evil.example\u{e4}") && !host.contains("hunter2"),
            "{host}"
        );
        let long = Request::get(format!("https://{}.example/", "a".repeat(10_000)));
        let long = destination(&long.body(()).unwrap(), WithheldReason::OtherOrigin);
        assert!(long.len() < 300, "{} bytes", long.len());
        let relative = Request::get("/v1?secret=hunter2").body(()).unwrap();
        assert_eq!(destination(&relative, WithheldReason::OtherOrigin), "");
    }
}
