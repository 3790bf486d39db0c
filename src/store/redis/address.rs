//! The URL of a Redis.

use std::fmt;
#[cfg(unix)]
use std::path::PathBuf;

use http::Uri;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisConnectionInfo};

/// The address of a Redis. `Display` shows host and port, or the path of a socket. It shows no secret.
#[derive(Clone, Debug)]
pub(super) enum Address {
    /// `uri` is `http://host:port/`, or `https` for TLS: the form that `StreamConnector` takes.
    Tcp { uri: Uri, name: String },
    #[cfg(unix)]
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { name, .. } => f.write_str(name),
            #[cfg(unix)]
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// The parts of a Redis URL.
pub(super) struct ParsedUrl {
    pub(super) address: Address,
    /// The user, password, database and protocol.
    pub(super) login: RedisConnectionInfo,
}

impl ParsedUrl {
    /// # Errors
    ///
    /// The mistake, and what to do. The text shows nothing of the URL, since it may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self, &'static str> {
        let url = url.trim();
        // The `redis` crate accepts the schemes for TLS only with its own TLS, which is not used.
        let without_tls = [("rediss://", "redis://"), ("valkeys://", "valkey://")];
        let tls = without_tls.iter().find_map(|(tls, plain)| {
            let rest = url.get(..tls.len()).filter(|it| it.eq_ignore_ascii_case(tls));
            rest.map(|_| format!("{plain}{}", &url[tls.len()..]))
        });
        let is_tls = tls.is_some();
        let parsed = redis::parse_redis_url(tls.as_deref().unwrap_or(url)).ok_or(
            "it is not a URL of Redis; use redis://, rediss:// (TLS) or unix:// as in \
             rediss://user:password@host:6379/0",
        )?;
        if parsed.fragment() == Some("insecure") {
            return Err("certificates are always checked; remove #insecure, and trust the \
                        authority with extra_root_certificates_pem");
        } else if parsed.fragment().is_some() {
            return Err("it has a fragment; encode # in a password as %23");
        }
        let known = if parsed.has_host() { &["protocol"][..] } else { &PARAMETERS_OF_SOCKETS };
        if parsed.query_pairs().any(|(name, _)| !known.contains(&&*name)) {
            return Err(
                "it has an unknown parameter; remove it, and encode ? in a password as %3F",
            );
        }
        // Its errors have no kinds. The tests below fail if the texts change.
        let info: ConnectionInfo =
            parsed.into_connection_info().map_err(|error| match error.to_string() {
                text if text.contains("database") => "its path is not the number of a database",
                text if text.contains("protocol") => "its protocol is not resp2 or resp3",
                text if text.contains("UTF-8") => "its user or password is not UTF-8",
                text if text.contains("wildcard") => {
                    "its host is a wildcard address; use 127.0.0.1"
                }
                _ => "it has no host or path that can be used; check it",
            })?;
        let address = match info.addr() {
            ConnectionAddr::Tcp(host, port) => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
                let name = format!("{host}:{port}");
                let uri = format!("http{}://{name}/", if is_tls { "s" } else { "" });
                let uri = uri.parse().map_err(|_| "its host is not a valid name; check it")?;
                Address::Tcp { uri, name }
            }
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => Address::Unix(path.clone()),
            _ => {
                return Err(
                    "its kind is not supported on this platform; use redis:// or rediss://",
                );
            }
        };
        Ok(Self { address, login: info.redis_settings().clone() })
    }
}

const PARAMETERS_OF_SOCKETS: [&str; 4] = ["db", "user", "pass", "protocol"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_an_address_a_login_and_a_database() {
        for (url, name, uri) in [
            ("redis://me:s3cret@cache.test:7000/3", "cache.test:7000", "http://cache.test:7000/"),
            ("rediss://me:s3cret@cache.test/3", "cache.test:6379", "https://cache.test:6379/"),
            ("REDISS://me:s3cret@[::1]/3?protocol=resp3", "[::1]:6379", "https://[::1]:6379/"),
            (" valkeys://me:s3cret@127.0.0.1/3\n", "127.0.0.1:6379", "https://127.0.0.1:6379/"),
            ("valkey://me:s3cret@localhost/3", "localhost:6379", "http://localhost:6379/"),
        ] {
            let ParsedUrl { address, login } = ParsedUrl::parse(url).unwrap();
            assert_eq!(address.to_string(), name);
            assert!(matches!(address, Address::Tcp { uri: it, .. } if it == uri), "{url}");
            assert_eq!((login.username(), login.password()), (Some("me"), Some("s3cret")));
            assert_eq!(login.db(), 3);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_url_names_a_socket() {
        let url = "unix:///run/redis.sock?db=2&user=me&pass=s3%26cret";
        let ParsedUrl { address, login } = ParsedUrl::parse(url).unwrap();
        assert_eq!(address.to_string(), "/run/redis.sock");
        assert_eq!((login.username(), login.password()), (Some("me"), Some("s3&cret")));
        assert_eq!(login.db(), 2);
    }

    #[test]
    fn a_mistake_is_named_and_the_url_is_not_shown() {
        for (url, why) in [
            ("", "not a URL of Redis"),
            ("http://s3cret@cache.test", "not a URL of Redis"),
            ("cache.test:6379", "not a URL of Redis"),
            ("redis://:s3cret@", "not a URL of Redis"),
            ("rediss://:s3cret@cache.test/#insecure", "certificates are always checked"),
            ("redis://:s3c#ret@cache.test", "not a URL of Redis"),
            ("redis://cache.test/#s3cret", "encode # in a password"),
            ("redis://cache.test/?s3cret=none", "unknown parameter"),
            ("redis://cache.test/?pass=s3cret", "unknown parameter"),
            ("redis://cache.test/s3cret", "number of a database"),
            ("redis://cache.test/?protocol=s3cret", "resp2 or resp3"),
            ("redis://:%ff@cache.test/", "not UTF-8"),
            ("redis://0.0.0.0/", "wildcard"),
        ] {
            let error = ParsedUrl::parse(url).err().unwrap_or_else(|| panic!("{url}"));
            assert!(error.contains(why), "{url}: {error}");
        }
    }
}
