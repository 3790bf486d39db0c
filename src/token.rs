//! The access token, as a [`TokenSource`](crate::TokenSource) returns it and a
//! [`TokenCache`](crate::TokenCache) caches it.

mod proof;
mod shared;
mod sharing_info;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::time::Instant;
use zeroize::Zeroizing;

pub(crate) use self::{proof::DPOP, sharing_info::SharingInfo};
use crate::{
    error::{Error, Problem, sanitise},
    limits::MAX_CREDENTIAL_BYTES,
};

/// How a token is presented to the API (RFC 6749 §7.1).
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::token::{Token, TokenType};
///
/// let token = Token::new(TokenType::Dpop, "2YotnFZFEjr1zCsicMWpAA")?;
/// assert_eq!(token.token_type().scheme(), "DPoP");
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenType {
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer,
    /// `Authorization: DPoP …` with a proof (RFC 9449).
    Dpop,
}

impl TokenType {
    /// The authentication scheme as it is sent: always our own constant, never the server's
    /// spelling.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// An access token with its lifetime and scope, as far as the server stated them.
///
/// Cheap to clone. `Debug` never shows the token itself.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use tower_oauth2_client_credentials::Token;
///
/// let token = Token::bearer("2YotnFZFEjr1zCsicMWpAA")?.with_lifetime(Duration::from_secs(3600));
/// assert_eq!(token.lifetime(), Some(Duration::from_secs(3600)));
/// assert!(!format!("{token:?}").contains("2Yotn"));
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
pub struct Token {
    inner: Arc<Inner>,
}

/// The alignment keeps the reference count in front of it on a separate pair of cache lines.
#[derive(Clone)]
#[repr(align(128))]
struct Inner {
    /// The text that is sent: the scheme, a space, the token.
    text: Arc<Zeroizing<String>>,
    token_type: TokenType,
    lifetime: Option<Duration>,
    refresh_in: Option<Duration>,
    issued_at: Option<Instant>,
    /// The same moment on the wall clock.
    issued_at_wall: Option<SystemTime>,
    age: Duration,
    scope: Option<Arc<str>>,
    proof: Option<Arc<dyn ProofOfPossession>>,
    /// Boxed, since few tokens have any.
    shared: Option<Box<SharingInfo>>,
    /// Created on first use.
    header: OnceLock<HeaderValue>,
}

impl Token {
    /// A bearer token (RFC 6750).
    ///
    /// # Errors
    ///
    /// Kind [`InvalidResponse`](crate::ErrorKind::InvalidResponse) if the token is empty, is above
    /// 64 KiB, or has a byte outside `0x21..=0x7E`. A space, a line break or a NUL would let a
    /// token endpoint write header fields into the caller's requests.
    pub fn bearer(secret: impl Into<String>) -> Result<Self, Error> {
        Self::new(TokenType::Bearer, secret)
    }

    /// A token of the given type.
    ///
    /// # Errors
    ///
    /// Same errors as [`Token::bearer`].
    pub fn new(token_type: TokenType, secret: impl Into<String>) -> Result<Self, Error> {
        let secret = Zeroizing::new(secret.into());
        if secret.is_empty() {
            return Err(Error::of(Problem::MissingAccessToken));
        }
        if secret.len() > MAX_CREDENTIAL_BYTES {
            return Err(Error::of(Problem::InvalidTokenValue)
                .with_detail("the token is longer than 64 KiB"));
        }
        if !secret.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            return Err(Error::of(Problem::InvalidTokenValue)
                .with_detail("the token has a byte that must not be in a header field"));
        }
        let scheme = token_type.scheme();
        let mut text = Zeroizing::new(String::with_capacity(scheme.len() + 1 + secret.len()));
        text.push_str(scheme);
        text.push(' ');
        text.push_str(&secret);
        Ok(Self {
            inner: Arc::new(Inner {
                text: Arc::new(text),
                token_type,
                lifetime: None,
                refresh_in: None,
                issued_at: None,
                issued_at_wall: None,
                age: Duration::ZERO,
                scope: None,
                proof: None,
                shared: None,
                header: OnceLock::new(),
            }),
        })
    }

    /// Sets the token's lifetime, from [`issued_at`](Self::with_issued_at) (`expires_in`, RFC 6749
    /// §5.1). Default: none. A cache then uses its
    /// [`default_lifetime`](crate::cache::TokenCacheBuilder::default_lifetime).
    #[must_use]
    pub fn with_lifetime(self, lifetime: Duration) -> Self {
        self.with(|inner| inner.lifetime = Some(lifetime))
    }

    /// Sets a hint to refresh this long after [`issued_at`](Self::with_issued_at). It can only move
    /// the refresh earlier. Default: none.
    #[must_use]
    pub fn with_refresh_in(self, refresh_in: Duration) -> Self {
        self.with(|inner| inner.refresh_in = Some(refresh_in))
    }

    /// Sets when the token was issued: just before its request was sent. Default: just before the
    /// cache called its source.
    #[must_use]
    pub fn with_issued_at(self, issued_at: Instant) -> Self {
        let ago = issued_at.elapsed();
        self.with(|inner| {
            inner.issued_at = Some(issued_at);
            inner.issued_at_wall = SystemTime::now().checked_sub(ago);
        })
    }

    /// Sets the age of the response, if it states no lifetime to subtract the age from.
    pub(crate) fn with_age(self, age: Duration) -> Self {
        self.with(|inner| inner.age = age)
    }

    /// Sets the granted scope, space-separated (RFC 6749 §3.3). Default: none.
    #[must_use]
    pub fn with_scope(self, scope: impl Into<String>) -> Self {
        let scope = scope.into().into();
        self.with(|inner| inner.scope = Some(scope))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.inner));
        self
    }

    /// The token itself. Treat it as a password: use it in an `Authorization` field only.
    pub fn secret(&self) -> &str {
        &self.inner.text[self.inner.token_type.scheme().len() + 1..]
    }

    /// How the token is presented.
    pub fn token_type(&self) -> TokenType {
        self.inner.token_type
    }

    /// The lifetime that the server stated, if it did.
    pub fn lifetime(&self) -> Option<Duration> {
        self.inner.lifetime
    }

    /// When the token expires, by the system's clock: its lifetime after
    /// [`issued_at`](Self::with_issued_at). `None` if the server stated no lifetime, or if
    /// `issued_at` was not set by the source or a cache.
    ///
    /// It is a timestamp for metrics, logs and the libraries that take a token with its expiry. A cache
    /// stops using the token earlier, by the [leeway](crate::cache::TokenCacheBuilder::leeway).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_oauth2_client_credentials::{Error, TokenCache};
    ///
    /// /// The value of a gauge: seconds since 1970, or 0 without a token.
    /// fn expiry_timestamp(tokens: &TokenCache) -> u64 {
    ///     let expires_at = tokens.peek().and_then(|token| token.expires_at());
    ///     let since = expires_at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    ///     since.as_ref().map_or(0, Duration::as_secs)
    /// }
    /// # use tower_oauth2_client_credentials::{Token, source::AcquireContext};
    /// # let tokens = TokenCache::new(|_: AcquireContext| async {
    /// #     Ok(Token::bearer("abc")?.with_lifetime(Duration::from_secs(3600)))
    /// # });
    /// # assert_eq!(expiry_timestamp(&tokens), 0);
    /// # tokens.get_blocking()?;
    /// # assert!(expiry_timestamp(&tokens) > 1_700_000_000);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.inner.issued_at_wall?.checked_add(self.inner.lifetime?)
    }

    /// The server's refresh hint, if it gave one.
    pub fn refresh_in(&self) -> Option<Duration> {
        self.inner.refresh_in
    }

    /// The granted scope, if the server named it. A token response's scope above 16 KiB is not kept.
    pub fn scope(&self) -> Option<&str> {
        self.inner.scope.as_deref()
    }

    /// The value of an `Authorization` field: `Bearer …` or `DPoP …`, marked sensitive.
    ///
    /// A token that is bound to a key also needs a proof. [`authorize`](Self::authorize) adds both.
    pub fn header_value(&self) -> HeaderValue {
        self.inner.header.get_or_init(|| self.own_header_value()).clone()
    }

    /// Same as [`header_value`](Self::header_value), with a separate reference count on a separate
    /// cache line. Threads that clone different values do not contend.
    pub(crate) fn own_header_value(&self) -> HeaderValue {
        let bytes = Bytes::from_owner(HeaderBytes(Arc::clone(&self.inner.text)));
        let mut value = HeaderValue::from_maybe_shared(bytes)
            .expect("a token's bytes were checked when it was made");
        value.set_sensitive(true);
        value
    }

    /// The same token with a separate reference count and header value.
    pub(crate) fn copy(&self) -> Self {
        let inner = Inner { header: OnceLock::new(), ..Inner::clone(&self.inner) };
        Self { inner: Arc::new(inner) }
    }

    /// The same token without its proof of possession.
    pub(crate) fn without_proof(&self) -> Self {
        self.clone().with(|inner| inner.proof = None)
    }

    pub(crate) fn issued_at(&self) -> Option<Instant> {
        self.inner.issued_at
    }

    pub(crate) fn age(&self) -> Duration {
        self.inner.age
    }

    /// Whether both have the same bytes, which identify a token.
    pub(crate) fn same_secret(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner.text, &other.inner.text) || self.secret() == other.secret()
    }

    /// Whether both are clones of one token, with the same deadlines.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }
}

/// Makes the proofs for tokens that are bound to a key (DPoP, RFC 9449).
///
/// [`ClientCredentials`](crate::ClientCredentials) with a `DpopKey` (feature `dpop`) attaches an
/// implementation to its tokens. Implement this trait for your own
/// [`TokenSource`](crate::TokenSource), such as one whose key is in an HSM.
///
/// # Examples
///
/// ```
/// use std::sync::Arc;
///
/// use http::{HeaderMap, HeaderValue, Method, Uri};
/// use tower_oauth2_client_credentials::{Error, Token, token::{ProofOfPossession, TokenType}};
///
/// struct Hsm;
///
/// impl ProofOfPossession for Hsm {
///     fn prove(&self, method: &Method, uri: &Uri, token: &Token) -> Result<HeaderValue, Error> {
///         # let _ = (method, uri, token);
///         let mut proof = HeaderValue::from_static("header.payload.signature");
///         proof.set_sensitive(true);
///         Ok(proof)
///     }
///
///     fn observe(&self, _: &Uri, _: &HeaderMap) -> bool {
///         false
///     }
/// }
///
/// let token = Token::new(TokenType::Dpop, "Kz~8mXK1EalYznwH")?.with_proof(Arc::new(Hsm));
/// let mut headers = HeaderMap::new();
/// token.authorize(&Method::GET, &Uri::from_static("https://api.example.com/"), &mut headers)?;
/// assert_eq!(headers["authorization"], "DPoP Kz~8mXK1EalYznwH");
/// assert_eq!(headers["dpop"], "header.payload.signature");
/// # Ok::<(), Error>(())
/// ```
pub trait ProofOfPossession: Send + Sync + 'static {
    /// Makes the value of the `DPoP` field for one request. Called each time a request is sent, in
    /// the caller's task, so it must not block.
    ///
    /// # Errors
    ///
    /// An [`Error`] of any kind if there is no proof. The request is not sent then.
    fn prove(&self, method: &Method, uri: &Uri, token: &Token) -> Result<HeaderValue, Error>;

    /// Stores the nonce that a response of any status carries (RFC 9449 §8.2, §9). `uri` is the request's URI.
    ///
    /// Returns whether the response had a nonce. A request that was refused because of a missing
    /// nonce can be sent again then.
    fn observe(&self, uri: &Uri, headers: &HeaderMap) -> bool;
}

/// The owner of a header value's `Bytes`. The alignment gives the reference count in front of it
/// 128 bytes, so that neighboring allocations do not share its cache line.
#[repr(align(64))]
struct HeaderBytes(Arc<Zeroizing<String>>);

impl AsRef<[u8]> for HeaderBytes {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("secret", &"[redacted]")
            .field("token_type", &self.inner.token_type)
            .field("lifetime", &self.inner.lifetime)
            .field("refresh_in", &self.inner.refresh_in)
            .field("scope", &self.scope().map(sanitise))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_outside_the_visible_ascii_is_refused() {
        for byte in 0..=0x7f_u8 {
            let secret = format!("ab{}c", char::from(byte));
            assert_eq!(Token::bearer(secret).is_ok(), (0x21..=0x7e).contains(&byte), "{byte:#x}");
        }
        assert!(Token::bearer("tökén").is_err());
        assert!(Token::bearer("").is_err());
        assert!(Token::bearer("a".repeat(MAX_CREDENTIAL_BYTES)).is_ok());
        assert!(Token::bearer("a".repeat(MAX_CREDENTIAL_BYTES + 1)).is_err());
    }

    #[test]
    fn header_values_are_equal_sensitive_and_ours_in_scheme() {
        let token = Token::bearer("abc").unwrap();
        for value in [token.own_header_value(), token.header_value(), token.copy().header_value()] {
            assert_eq!(value.as_bytes(), b"Bearer abc");
            assert!(value.is_sensitive() && value.clone().is_sensitive());
        }
    }
}
