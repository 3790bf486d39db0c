//! The proxy of a connection: from the environment, as curl 7.88 reads it, or a given one.

mod bypass;
#[cfg(all(test, unix))]
mod curl;
mod server;

use std::{env, ffi::OsString, fmt, sync::Arc};

#[cfg(any(feature = "hyper-transport", test))]
pub(super) use self::server::Protocol;
pub(super) use self::server::ProxyServer;
use crate::{
    error::{Error, Problem},
    net::is_loopback,
};

/// The proxies for a client's connections.
///
/// Connections to loopback (`localhost`, `127.0.0.0/8`, `[::1]`) never go through a proxy.
///
/// # The environment
///
/// [`from_env`](Self::from_env), which is the default, reads these variables as curl 7.88 does. An
/// empty variable counts as not set.
///
/// | destination | the first of these that is set |
/// | --- | --- |
/// | `http` | `http_proxy`, `HTTP_PROXY`, `all_proxy`, `ALL_PROXY` |
/// | `https` | `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY` |
///
/// The hosts in `no_proxy`, or otherwise in `NO_PROXY`, are reached directly.
///
/// `NO_PROXY` lists hosts between commas or spaces. A name stands for itself and its subdomains,
/// with or without a dot in front. IPv4 addresses may have a prefix length (`10.0.0.0/8`). IPv6
/// addresses are compared as text, without brackets, in their shortest form. A `*` alone means every
/// host. Ports are not supported.
///
/// A proxy URL without a scheme is `http`. Without a port it is 443 for `https` and 1080 for others.
///
/// The differences from curl:
///
/// - Loopback is reached directly.
/// - `HTTP_PROXY` is read, except in a CGI process (`REQUEST_METHOD` is set), where it may come from
///   the caller of the program.
/// - A malformed proxy URL is an error when the client is built, also for a destination that is never
///   connected to. So is a user or password with an unescaped `@`, `/`, `?` or `#`.
/// - Numeric IPv4 hosts in other forms than `a.b.c.d` are compared as names.
/// - Proxies with a host name outside ASCII are an error.
///
/// User and password in a proxy URL are percent-encoded, and are sent to the proxy as
/// `Proxy-Authorization` (Basic). `Debug` and errors do not show them.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::transport::ProxySettings;
///
/// let proxy = ProxySettings::fixed("http://user:s3cret@proxy.internal:3128");
/// assert!(!format!("{proxy:?}").contains("s3cret"));
/// ```
#[derive(Clone)]
pub struct ProxySettings(Choice);

#[derive(Clone)]
enum Choice {
    Env,
    Direct,
    /// `Err` has the error in the URL, which is reported when the client is built.
    Fixed(Result<Arc<ProxyServer>, &'static str>),
}

impl ProxySettings {
    /// The proxies of the environment, read when the client is built.
    #[must_use]
    pub fn from_env() -> Self {
        Self(Choice::Env)
    }

    /// No proxy.
    pub fn direct() -> Self {
        Self(Choice::Direct)
    }

    /// This proxy for every destination except loopback. The environment is not read.
    ///
    /// A malformed URL is an error when the client is built.
    pub fn fixed(url: impl AsRef<str>) -> Self {
        Self(Choice::Fixed(ProxyServer::parse(url.as_ref()).map(Arc::new)))
    }

    /// The error in a given URL.
    #[cfg(feature = "hyper-transport")]
    pub(crate) fn mistake(&self) -> Option<&'static str> {
        match &self.0 {
            Choice::Fixed(Err(why)) => Some(why),
            _ => None,
        }
    }

    /// # Errors
    ///
    /// Kind `Config`, with the name of the variable and without its value.
    pub(super) fn resolve(&self) -> Result<Proxies, Error> {
        match &self.0 {
            Choice::Direct => Ok(Proxies::default()),
            Choice::Env => Proxies::from_vars(|name| env::var_os(name)),
            Choice::Fixed(Ok(server)) => {
                let server = Some(Arc::clone(server));
                Ok(Proxies { http: server.clone(), https: server, no_proxy: String::new() })
            }
            Choice::Fixed(Err(why)) => Err(mistake("the proxy", why)),
        }
    }
}

/// Without credentials.
impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Choice::Env => f.write_str("from the environment"),
            Choice::Direct => f.write_str("none"),
            Choice::Fixed(Ok(server)) => write!(f, "{server}"),
            Choice::Fixed(Err(_)) => f.write_str("malformed"),
        }
    }
}

/// The proxies in effect for one client.
#[derive(Default)]
pub(super) struct Proxies {
    http: Option<Arc<ProxyServer>>,
    https: Option<Arc<ProxyServer>>,
    no_proxy: String,
}

impl Proxies {
    /// # Errors
    ///
    /// Same errors as [`ProxySettings::resolve`].
    fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        // The caller of a CGI program sets `HTTP_PROXY` by the header field `Proxy`. Windows does
        // not distinguish the case of names.
        let http: &[&'static str] = match var("REQUEST_METHOD") {
            Some(_) if cfg!(windows) => &[],
            Some(_) => &["http_proxy"],
            None => &["http_proxy", "HTTP_PROXY"],
        };
        let no_proxy = match first(&var, &["no_proxy", "NO_PROXY"])? {
            Some((_, list)) if list == "*" => return Ok(Self::default()),
            Some((_, list)) => list,
            None => String::new(),
        };
        let (http, https) = (server(&var, http)?, server(&var, &["https_proxy", "HTTPS_PROXY"])?);
        let all = match (&http, &https) {
            (Some(_), Some(_)) => None,
            _ => server(&var, &["all_proxy", "ALL_PROXY"])?,
        };
        Ok(Self { http: http.or_else(|| all.clone()), https: https.or(all), no_proxy })
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn servers(&self) -> impl Iterator<Item = &ProxyServer> {
        self.http.iter().chain(&self.https).map(|server| &**server)
    }

    /// The proxy for a destination. `host` is written as in a URI, so IPv6 is in brackets.
    pub(super) fn select(&self, is_https: bool, host: &str) -> Option<&Arc<ProxyServer>> {
        let server = if is_https { &self.https } else { &self.http };
        let server = server.as_ref()?;
        // For a proxy, loopback is the proxy's machine.
        let direct = is_loopback(host) || bypass::matches(&self.no_proxy, host);
        (!direct).then_some(server)
    }
}

/// The first variable that is set and not empty.
fn first(
    var: &impl Fn(&str) -> Option<OsString>,
    names: &[&'static str],
) -> Result<Option<(&'static str, String)>, Error> {
    let found = names.iter().find_map(|name| {
        let value = var(name).filter(|value| !value.is_empty())?;
        Some((*name, value))
    });
    let Some((name, value)) = found else { return Ok(None) };
    match value.into_string() {
        Ok(value) => Ok(Some((name, value))),
        Err(_) => Err(mistake(name, "it is not UTF-8")),
    }
}

fn server(
    var: &impl Fn(&str) -> Option<OsString>,
    names: &[&'static str],
) -> Result<Option<Arc<ProxyServer>>, Error> {
    let Some((name, url)) = first(var, names)? else { return Ok(None) };
    match ProxyServer::parse(&url) {
        Ok(server) => Ok(Some(Arc::new(server))),
        Err(why) => Err(mistake(name, why)),
    }
}

fn mistake(name: &str, why: &str) -> Error {
    Error::of(Problem::Config).with_detail(format!(
        "{name}: {why}; use a URL such as http://proxy.example.com:3128 (the value is not shown, \
         since it may contain a password)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn read(vars: &[(&str, &str)]) -> Result<Proxies, Error> {
        Proxies::from_vars(|name| {
            let found = vars.iter().find(|(it, _)| *it == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn chosen(vars: &[(&str, &str)], is_https: bool, host: &str) -> Option<String> {
        read(vars).unwrap().select(is_https, host).map(ToString::to_string)
    }

    #[test]
    fn an_empty_variable_does_not_hide_the_other_spelling() {
        for (lower, upper, is_https) in [
            ("http_proxy", "HTTP_PROXY", false),
            ("https_proxy", "HTTPS_PROXY", true),
            ("all_proxy", "ALL_PROXY", true),
        ] {
            for (empty, set) in [(lower, upper), (upper, lower)] {
                let vars = [(empty, ""), (set, "http://p.test:1")];
                let chosen = chosen(&vars, is_https, "a.test");
                assert_eq!(chosen.as_deref(), Some("http://p.test:1"), "{vars:?}");
            }
        }
    }

    #[test]
    fn a_cgi_process_ignores_the_variable_that_a_caller_can_set() {
        let http = ("HTTP_PROXY", "http://evil.test:1");
        assert!(chosen(&[http], false, "a.test").is_some());
        let cgi = ("REQUEST_METHOD", "GET");
        assert_eq!(chosen(&[http, cgi], false, "a.test"), None);
        let vars =
            [http, cgi, ("https_proxy", "http://p.test:1"), ("all_proxy", "http://q.test:1")];
        assert_eq!(chosen(&vars, false, "a.test").as_deref(), Some("http://q.test:1"));
        assert_eq!(chosen(&vars, true, "a.test").as_deref(), Some("http://p.test:1"));
    }

    #[test]
    fn loopback_has_no_proxy() {
        let fixed = ProxySettings::fixed("http://p.test:1").resolve().unwrap();
        let env = read(&[("ALL_PROXY", "http://p.test:1")]).unwrap();
        for proxies in [fixed, env] {
            for is_https in [true, false] {
                for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]"] {
                    assert!(proxies.select(is_https, host).is_none(), "{host}");
                }
                for host in ["localhost.", "a.localhost", "[::ffff:127.0.0.1]", "128.0.0.1"] {
                    assert!(proxies.select(is_https, host).is_some(), "{host}");
                }
            }
        }
    }

    #[test]
    fn a_mistake_names_the_variable_and_shows_no_credentials() {
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy"] {
            for url in ["http://user:hunter2@host@p.test", "\"http://user:hunter2@p.test\""] {
                let error = read(&[(name, url)]).err().expect(name);
                assert_eq!(error.problem(), Problem::Config);
                let text = format!("{error} {error:?}");
                assert!(text.contains(&format!("{name}: ")), "{text}");
                assert!(!text.contains("hunter2") && !text.contains("user:"), "{text}");
            }
        }
        // A variable that is not in effect is not judged.
        let vars = [
            ("https_proxy", "http://p.test:1"),
            ("HTTPS_PROXY", "bad url"),
            ("http_proxy", "http://p.test:1"),
            ("all_proxy", "bad url"),
        ];
        assert!(read(&vars).is_ok());
        assert!(read(&[("https_proxy", "bad url"), ("no_proxy", "*")]).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_text_is_a_mistake() {
        use std::os::unix::ffi::OsStringExt as _;

        let set = |it| {
            Proxies::from_vars(move |name| (name == it).then(|| OsString::from_vec(vec![0xff])))
        };
        for name in ["https_proxy", "NO_PROXY"] {
            let error = set(name).err().expect(name);
            assert!(error.to_string().contains(&format!("{name}: it is not UTF-8")), "{error}");
        }
    }
}
