//! The origins that a token may be sent to.

mod parts;
mod request;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use http::{Uri, uri::Scheme};

pub(crate) use self::request::{destination, origin_of};
use crate::error::{Error, Problem, sanitise};
use parts::OriginParts;

/// The origins that a token may be sent to: scheme, host and effective port (RFC 6454 §4).
///
/// The request's URI decides. Its userinfo is ignored. Hosts are compared without regard to case.
/// `api.example.com.` and `api.example.com` are different hosts.
///
/// A `Host` field must agree, because a shared front end routes by it (RFC 9110 §7.2). If it
/// differs from the URI's authority, it must name an allowed origin too. Case and the default port
/// make no difference. A request with several `Host` fields carries no token.
///
/// These requests are sent without a token:
///
/// * Requests to any other origin.
/// * Requests with the method `TRACE` (RFC 9110 §9.3.8).
/// * `CONNECT` requests whose URI has no scheme.
/// * Over plain `http`, requests whose path does not begin with a slash (`OPTIONS *`).
///
/// An event reports them, at most once a minute for each reason and origin.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::Origins;
///
/// let origins = Origins::parse(["https://api.example.com", "http://localhost:3000"])?;
/// assert!(Origins::parse(["http://api.example.com"]).is_err(), "not encrypted");
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
pub struct Origins(Rule);

#[derive(Clone)]
enum Rule {
    Named(Arc<[Origin]>),
    Any,
    FixedUpstream,
}

/// One origin, as the caller wrote it. Most requests are built from the same text, so bytes are
/// compared first.
struct Origin {
    https: bool,
    authority: Box<str>,
}

impl Origins {
    /// The named origins, such as `https://api.example.com` or `https://api.example.com:8443`.
    ///
    /// # Errors
    ///
    /// Kind [`Config`](crate::ErrorKind::Config) for an empty list and for anything but a scheme, a
    /// host and maybe a port: an origin has no path (tokens are not restricted by path), query,
    /// fragment or userinfo, and no wildcards. Plain `http` is for loopback only (`localhost`,
    /// `127.0.0.0/8`, `[::1]`), unless [`parse_with_plain_http`](Self::parse_with_plain_http) is
    /// used.
    pub fn parse<I>(origins: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self::parse_list(origins, false)
    }

    /// Same as [`parse`](Self::parse), except that plain `http` may be named for any host.
    ///
    /// Everyone on the way can then read the token and use it. This is for a network that is
    /// encrypted below HTTP, such as a service mesh.
    ///
    /// # Errors
    ///
    /// Same errors as [`parse`](Self::parse), except that plain `http` off loopback is allowed.
    pub fn parse_with_plain_http<I>(origins: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self::parse_list(origins, true)
    }

    /// Any `https` origin, and `http` on loopback.
    ///
    /// Use it for a client whose URIs all come from its own code. The token is sent to any host that
    /// a URI names. Do not use it below a redirect follower, where an API chooses the next URI, or
    /// where users enter URIs (web hooks).
    ///
    /// A request whose `Host` differs from its URI's authority carries no token, because no list says
    /// which other hosts are trusted. Name both origins with [`parse`](Self::parse) instead.
    #[must_use = "pass it to the layer"]
    pub fn any() -> Self {
        Self(Rule::Any)
    }

    /// Only URIs without an authority, as used with one fixed connection (a tonic `Channel`,
    /// `hyper::client::conn`). The connection decides where requests go. It has to be encrypted or
    /// local. `Host` is not compared, because there is no authority to compare it with.
    #[must_use = "pass it to the layer"]
    pub fn fixed_upstream() -> Self {
        Self(Rule::FixedUpstream)
    }

    /// Whether a request's URI says which of several origins it goes to.
    pub(crate) fn are_several(&self) -> bool {
        match &self.0 {
            Rule::Named(origins) => origins.len() > 1,
            Rule::Any => true,
            Rule::FixedUpstream => false,
        }
    }

    /// The origin, if a token may be sent to this one only.
    pub(crate) fn only(&self) -> Option<String> {
        match &self.0 {
            Rule::Named(origins) => match &**origins {
                [Origin { https, authority }] => {
                    let scheme = if *https { "https" } else { "http" };
                    Some(format!("{scheme}://{authority}"))
                }
                _ => None,
            },
            Rule::Any | Rule::FixedUpstream => None,
        }
    }

    fn parse_list<I>(origins: I, plain_http: bool) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let origins = origins
            .into_iter()
            .map(|text| Origin::parse(text.as_ref(), plain_http))
            .collect::<Result<Arc<[_]>, _>>()?;
        if origins.is_empty() {
            return Err(Error::of(Problem::Config)
                .with_detail("the list of origins is empty, so the token could go nowhere"));
        }
        Ok(Self(Rule::Named(origins)))
    }

    /// Whether this URI is at an origin that was named.
    #[cfg(feature = "reqwest-middleware")]
    pub(crate) fn names(&self, uri: &Uri) -> bool {
        matches!(self.0, Rule::Named(_)) && self.allows(uri)
    }

    /// Whether a request with this URI may carry the token.
    #[inline(always)]
    pub(crate) fn allows(&self, uri: &Uri) -> bool {
        match &self.0 {
            Rule::Named(origins) => {
                // A loop, because `any()` is not always inlined.
                for origin in &**origins {
                    if origin.matches_exactly(uri) {
                        return true;
                    }
                }
                matches_other_spelling(origins, uri)
            }
            Rule::Any => uri.scheme_str() == Some("https") || is_loopback(uri),
            Rule::FixedUpstream => uri.authority().is_none(),
        }
    }
}

impl Origin {
    fn parse(text: &str, plain_http: bool) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Error::of(Problem::Config).with_detail(format!("the origin {} {why}", redacted(text)))
        };
        // `http::Uri` drops a fragment silently, so the text is checked.
        if text.contains('#') {
            return Err(refuse("has a fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| {
            refuse("is not a URI (an internationalised host is written in its xn-- form)")
        })?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(refuse("needs a scheme and a host, as in https://api.example.com"));
        };
        if authority.as_str().contains('@') {
            return Err(refuse("must not carry a user name or password"));
        }
        if text.contains('?') {
            return Err(refuse("has a query"));
        }
        if !matches!(uri.path(), "" | "/") {
            return Err(refuse(
                "has a path; an origin has none, and tokens are not restricted by path",
            ));
        }
        if *scheme != Scheme::HTTPS && *scheme != Scheme::HTTP {
            return Err(refuse("must be https or http"));
        }
        let parts = OriginParts::of(&uri)
            .filter(OriginParts::has_plain_host)
            .ok_or_else(|| refuse("has no valid host and port (wildcards are not supported)"))?;
        if !(parts.is_https() || parts.is_loopback() || plain_http) {
            return Err(refuse(
                "would send tokens unencrypted; use https, or Origins::parse_with_plain_http \
                 if the network below is encrypted",
            ));
        }
        Ok(Self { https: parts.is_https(), authority: authority.as_str().into() })
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// Whether the URI names the origin in the same spelling. This is the most common case.
    #[inline(always)]
    fn matches_exactly(&self, uri: &Uri) -> bool {
        uri.authority().is_some_and(|authority| authority.as_str() == &*self.authority)
            && match uri.scheme_str() {
                Some("https") => self.https,
                Some("http") => !self.https,
                _ => false,
            }
            && (self.https || has_path(uri))
    }
}

/// Whether the URI names an origin in another spelling (case, default port, userinfo).
#[cold]
#[inline(never)]
fn matches_other_spelling(origins: &[Origin], uri: &Uri) -> bool {
    OriginParts::of(uri)
        .is_some_and(|parts| (parts.is_https() || has_path(uri)) && contains(origins, parts))
}

/// Whether the list contains this origin.
fn contains(origins: &[Origin], parts: OriginParts<'_>) -> bool {
    origins.iter().any(|origin| {
        OriginParts::new(origin.scheme(), &origin.authority).is_some_and(|origin| origin == parts)
    })
}

#[cold]
#[inline(never)]
fn is_loopback(uri: &Uri) -> bool {
    has_path(uri) && OriginParts::of(uri).is_some_and(|parts| parts.is_loopback())
}

/// Whether the path begins with a slash. The path of `OPTIONS *` does not. A proxy of plain http gets
/// the URI as text, and would read `http://api.example*` as another host. Over TLS the connection
/// decides, so only plain http is checked.
#[cold]
#[inline(never)]
fn has_path(uri: &Uri) -> bool {
    uri.path().starts_with('/')
}

/// A refused origin for an error message, without anything that could be a credential.
fn redacted(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    if text.contains('@') {
        return "(not shown, because it contains an @)".to_owned();
    }
    format!("'{}'", sanitise(&text[..end]))
}

impl fmt::Display for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Rule::Named(origins) => {
                for (index, origin) in origins.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{}://{}", origin.scheme(), origin.authority)?;
                }
                Ok(())
            }
            Rule::Any => f.write_str("any https origin, and loopback"),
            Rule::FixedUpstream => f.write_str("the fixed upstream"),
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origins({self})")
    }
}
