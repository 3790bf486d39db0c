//! The settings of a store in Redis.

use std::{fmt, path::Path, time::Duration};

use super::{
    address::ParsedUrl, connect::Connector, connection::SharedConnection, scripts::Names,
    store::RedisStore,
};
use crate::{
    client_auth::Secret,
    error::{Error, Problem},
    transport::{ClientIdentity, HyperTransport, HyperTransportBuilder, ProxySettings},
};

/// A connection takes a name lookup, a TCP and a TLS handshake, and a login: up to five round trips.
/// Callers give up earlier. The attempt goes on in the background for later callers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A script takes less than a millisecond, and the rest is for the network. It exceeds the default
/// `store_timeout`, which normally ends the wait first.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

const PREFIX: &str = "oauth2-tokens";
const MAX_PREFIX_BYTES: usize = 128;

/// The settings of a [`RedisStore`]. [`build`](Self::build) reports the first mistake.
///
/// # Examples
///
/// ```no_run
/// use tower_oauth2_client_credentials::{client_auth::Secret, store::RedisStore};
///
/// let store = RedisStore::builder("rediss://tokens@redis.internal:6379")
///     .password(Secret::from_file("/run/secrets/redis-password"))
///     .extra_root_certificates_file("/etc/ssl/internal-ca.pem")
///     .prefix("billing-tokens")
///     .build()?;
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[must_use = "nothing happens before `build`"]
pub struct RedisStoreBuilder {
    url: Result<ParsedUrl, &'static str>,
    password: Option<Secret>,
    prefix: String,
    tls: HyperTransportBuilder,
    connect_timeout: Duration,
    response_timeout: Duration,
}

impl RedisStore {
    /// A store with the default settings. It starts to connect as [`build`](RedisStoreBuilder::build)
    /// does.
    ///
    /// `url` is `redis://`, `rediss://` (TLS) or `unix://` as in
    /// `rediss://user:password@host:6379/0` or `unix:///run/redis.sock?db=0&user=user&pass=password`.
    /// User, password, port (6379) and database (0) are optional. `valkey://` and `valkeys://` are
    /// accepted too. Certificates are checked against the platform's roots.
    ///
    /// `redis://` is not encrypted: the password can be read on the network. Sealed tokens cannot.
    ///
    /// # Errors
    ///
    /// As [`RedisStoreBuilder::build`].
    pub fn new(url: impl AsRef<str>) -> Result<Self, Error> {
        Self::builder(url).build()
    }

    /// Starts with the defaults, to change some of them. The URL is the one of [`new`](Self::new).
    pub fn builder(url: impl AsRef<str>) -> RedisStoreBuilder {
        RedisStoreBuilder {
            url: ParsedUrl::parse(url.as_ref()),
            password: None,
            prefix: PREFIX.to_owned(),
            tls: HyperTransport::builder().proxy_settings(ProxySettings::direct()),
            connect_timeout: CONNECT_TIMEOUT,
            response_timeout: RESPONSE_TIMEOUT,
        }
    }
}

impl RedisStoreBuilder {
    /// The password, instead of one in the URL. A file or closure is read for each new connection, so
    /// that a password can change while the process runs. The copies that the `redis` crate makes of a
    /// password are not wiped from memory.
    pub fn password(mut self, password: impl Into<Secret>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The beginning of the names of keys and channels, followed by a colon. Default:
    /// `oauth2-tokens`, which an ACL can name. 1 to 128 visible ASCII characters except braces and
    /// those that are special in patterns (`*?[]\`).
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Trusts the certificates in this PEM text, in addition to the platform's. Can be repeated.
    pub fn extra_root_certificates_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.tls = self.tls.extra_root_certificates_pem(pem);
        self
    }

    /// As [`extra_root_certificates_pem`](Self::extra_root_certificates_pem), with the text of a file
    /// of at most 1 MiB, which is read here.
    pub fn extra_root_certificates_file(mut self, path: impl AsRef<Path>) -> Self {
        self.tls = self.tls.extra_root_certificates_file(path);
        self
    }

    /// Trusts the certificates in this PEM text instead of the platform's. Can be repeated.
    pub fn only_root_certificates_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.tls = self.tls.only_root_certificates_pem(pem);
        self
    }

    /// Shows this certificate to a server that requests one.
    pub fn client_identity(mut self, identity: ClientIdentity) -> Self {
        self.tls = self.tls.client_identity(identity);
        self
    }

    /// Maximum duration of connecting, with the login. Default: 2 s. Callers give up earlier (by
    /// default after 250 ms). The attempt goes on in the background for later callers. Zero is an error of
    /// [`build`](Self::build).
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Maximum time until an answer. Default: 1 s. Callers wait for less (by default 250 ms). After
    /// this time, the next operation uses another connection. Zero is an error of
    /// [`build`](Self::build).
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
    }

    /// Builds the store. In a tokio runtime, it starts to connect in the background, so that the first
    /// operation does not wait for the whole connection. Otherwise the first operation connects.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config): a URL that is malformed, a prefix with
    /// characters that are not allowed, a timeout of zero, or certificates that cannot be used. The
    /// message shows nothing of the URL.
    pub fn build(self) -> Result<RedisStore, Error> {
        let ParsedUrl { address, login } =
            self.url.map_err(|why| mistake(format!("url: {why}")))?;
        let allowed = |c: char| c.is_ascii_graphic() && !"{}*?[]\\".contains(c);
        if self.prefix.is_empty()
            || self.prefix.len() > MAX_PREFIX_BYTES
            || !self.prefix.chars().all(allowed)
        {
            return Err(mistake(
                "prefix: it is empty, longer than 128 characters, or has a character that is not \
                 allowed; use letters, digits, - and :",
            ));
        }
        for (name, timeout) in
            [("connect_timeout", self.connect_timeout), ("response_timeout", self.response_timeout)]
        {
            if timeout.is_zero() {
                return Err(mistake(format!(
                    "{name}: it is zero, so no operation would succeed; set 100 ms or more"
                )));
            }
        }
        let names = Names::new(&self.prefix, login.db());
        // Shorter than the timeout of the whole attempt, because its error says which step is slow.
        let dialing = self.connect_timeout.mul_f64(0.9);
        let streams = self.tls.connect_timeout(dialing).build_stream_connector()?;
        Ok(RedisStore::from_parts(
            SharedConnection::new(Connector {
                address,
                // `CLIENT SETINFO` would be one more permission.
                login: login.set_skip_set_lib_name(),
                password: self.password,
                streams,
                connect_timeout: self.connect_timeout,
                response_timeout: self.response_timeout,
            }),
            names,
        ))
    }
}

fn mistake(detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::of(Problem::Config).with_detail(detail)
}

impl fmt::Debug for RedisStoreBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.url.as_ref().map(|location| location.address.to_string());
        f.debug_struct("RedisStoreBuilder")
            .field("address", &address)
            .field("password", &self.password)
            .field("prefix", &self.prefix)
            .field("tls", &self.tls)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const URL: &str = "redis://me:s3cret@cache.test/0";

    fn mistake_of(builder: RedisStoreBuilder) -> String {
        let shown = format!("{builder:?}");
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let all = format!("{shown} {error:?}");
        assert!(!all.contains("s3cret"), "{all}");
        error.to_string()
    }

    #[test]
    fn build_reports_a_mistake_without_the_url() {
        for (builder, expected) in [
            (RedisStore::builder("s3cret"), "url: it is not a URL of Redis; use redis://"),
            (RedisStore::builder(URL).prefix(""), "prefix: it is empty"),
            (RedisStore::builder(URL).prefix("a{b}"), "prefix: "),
            (RedisStore::builder(URL).prefix("a b"), "prefix: "),
            (RedisStore::builder(URL).prefix("ä"), "prefix: "),
            (RedisStore::builder(URL).prefix("a".repeat(129)), "prefix: "),
            (
                RedisStore::builder(URL).connect_timeout(Duration::ZERO),
                "connect_timeout: it is zero",
            ),
            (
                RedisStore::builder(URL).response_timeout(Duration::ZERO),
                "response_timeout: it is zero",
            ),
            (
                RedisStore::builder(URL).extra_root_certificates_pem("s3cret"),
                "it has no certificate in PEM",
            ),
        ] {
            let mistake = mistake_of(builder);
            assert!(mistake.contains(expected), "{mistake}");
        }
    }

    #[test]
    fn debug_shows_the_address_and_no_secret() {
        let builder = RedisStore::builder(URL).password("s3cret").prefix("billing:tokens");
        let shown = format!("{builder:?}");
        let shown = shown + &format!("{:?}", builder.build().unwrap());
        assert!(shown.contains("cache.test:6379") && shown.contains("billing:tokens"), "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("me:"), "{shown}");
    }
}
