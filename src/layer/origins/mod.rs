//! Where a token may go.

mod request;
mod target;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use http::{Uri, uri::Scheme};

pub(crate) use self::request::destination;
use crate::error::{Error, ErrorKind, sanitise};
use target::Target;

/// The origins that a token may go to: scheme, host and effective port (RFC 6454 §4).
///
/// The request's URI decides; its userinfo is ignored. A host is compared without regard to case,
/// but `api.example.com.` with its dot is another host than `api.example.com`.
///
/// A `Host` field must agree, because a shared front end routes by it (RFC 9110 §7.2). If it
/// differs from the URI's authority, it must name an allowed origin too. Case and the default port
/// make no difference. A request with several `Host` fields carries no token.
///
/// These requests are sent without a token: those to any other origin, those with the method
/// `TRACE` (RFC 9110 §9.3.8), `CONNECT` requests whose URI has no scheme, and over plain `http`
/// those whose path does not begin with a slash (`OPTIONS *`). An event says so, at most once a
/// minute for each reason and origin.
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

/// Kept as it was written: requests are mostly built from the same text, so that the first
/// comparison is one of bytes.
struct Origin {
    https: bool,
    authority: Box<str>,
}

impl Origins {
    /// The named origins, such as `https://api.example.com` or `https://api.example.com:8443`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for an empty list and for anything but a scheme, a host and maybe a
    /// port: an origin has no path (tokens are not restricted by path), query, fragment or
    /// userinfo, and no wildcards. Plain `http` is for loopback only (`localhost`, `127.0.0.0/8`,
    /// `[::1]`), unless [`parse_with_plain_http`](Self::parse_with_plain_http) is used.
    pub fn parse<I>(origins: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self::named(origins, false)
    }

    /// As [`parse`](Self::parse), but plain `http` may be named for any host.
    ///
    /// Everyone on the way can then read the token and use it. This is for a network that is
    /// encrypted below HTTP, such as a service mesh.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), but for plain `http` off loopback.
    pub fn parse_with_plain_http<I>(origins: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        Self::named(origins, true)
    }

    /// Any `https` origin, and `http` on loopback.
    ///
    /// For a client whose addresses all come from its own code. Whoever can choose a request's
    /// URI is sent the token: don't put the layer below a redirect follower with this, where any
    /// API that redirects chooses it, nor where users name addresses (web hooks).
    ///
    /// No list says which other host is trusted, so a request whose `Host` differs from its URI's
    /// authority carries no token. Name both origins with [`parse`](Self::parse) instead.
    pub fn any() -> Self {
        Self(Rule::Any)
    }

    /// URIs without an authority only, as a client for one fixed connection has them (a tonic
    /// `Channel`, `hyper::client::conn`): the connection below decides where they go, and has to
    /// be encrypted or local. `Host` is not compared, because there is no authority to compare it
    /// with.
    pub fn fixed_upstream() -> Self {
        Self(Rule::FixedUpstream)
    }

    fn named<I>(origins: I, plain_http: bool) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let origins = origins
            .into_iter()
            .map(|text| Origin::parse(text.as_ref(), plain_http))
            .collect::<Result<Arc<[_]>, _>>()?;
        if origins.is_empty() {
            return Err(Error::new(ErrorKind::Config)
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
                // Not `any()`, which is inlined or not as it happens.
                for origin in &**origins {
                    if origin.is_spelt_in(uri) {
                        return true;
                    }
                }
                any_matches(origins, uri)
            }
            Rule::Any => uri.scheme_str() == Some("https") || is_loopback(uri),
            Rule::FixedUpstream => uri.authority().is_none(),
        }
    }
}

impl Origin {
    fn parse(text: &str, plain_http: bool) -> Result<Self, Error> {
        let refuse = |why: &str| {
            Error::new(ErrorKind::Config).with_detail(format!("the origin {} {why}", shown(text)))
        };
        // `http::Uri` drops a fragment without a word, so the text itself is looked at.
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
            return Err(refuse("is neither https nor http"));
        }
        let target = Target::of(&uri)
            .filter(Target::has_plain_host)
            .ok_or_else(|| refuse("has no valid host and port (wildcards are not supported)"))?;
        if !(target.is_https() || target.is_loopback() || plain_http) {
            return Err(refuse(
                "would carry tokens in the clear; use https, or Origins::parse_with_plain_http \
                 if the network below is encrypted",
            ));
        }
        Ok(Self { https: target.is_https(), authority: authority.as_str().into() })
    }

    fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    /// The commonest case, a few compares: the URI names the origin as it was configured.
    #[inline(always)]
    fn is_spelt_in(&self, uri: &Uri) -> bool {
        uri.authority().is_some_and(|authority| authority.as_str() == &*self.authority)
            && match uri.scheme_str() {
                Some("https") => self.https,
                Some("http") => !self.https,
                _ => false,
            }
            && (self.https || has_path(uri))
    }
}

/// Another spelling of an origin (case, default port, userinfo), or another origin.
#[cold]
#[inline(never)]
fn any_matches(origins: &[Origin], uri: &Uri) -> bool {
    Target::of(uri)
        .is_some_and(|target| (target.is_https() || has_path(uri)) && named(origins, target))
}

/// Whether an origin is one of those that were named.
fn named(origins: &[Origin], target: Target<'_>) -> bool {
    origins.iter().any(|origin| {
        Target::new(origin.scheme(), &origin.authority).is_some_and(|origin| origin == target)
    })
}

#[cold]
#[inline(never)]
fn is_loopback(uri: &Uri) -> bool {
    has_path(uri) && Target::of(uri).is_some_and(|target| target.is_loopback())
}

/// Whether the URI goes on with a path after its authority, and not with `*`. Whoever prints it and
/// parses it again, as proxies of plain http are made to, finds another host in that. Asked of plain
/// http only: over TLS it is the connection that decides, and a proxy is told the authority alone.
#[cold]
#[inline(never)]
fn has_path(uri: &Uri) -> bool {
    uri.path().starts_with('/')
}

/// A refused origin in an error message: nothing that could be a credential.
fn shown(text: &str) -> String {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    if text.contains('@') {
        return "(not shown, it has an @)".to_owned();
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
