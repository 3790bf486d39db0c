//! The connections of a reqwest client: proxies, `localhost`, and silent peers.

use std::sync::Arc;

use reqwest::{ClientBuilder, Proxy, Url};
use zeroize::Zeroizing;

use crate::{
    error::{Error, Problem},
    net::LOCALHOST,
    transport::{
        ping::{PING_INTERVAL, PING_TIMEOUT},
        proxy::{ProxyServer, ProxySettings},
    },
};

/// # Errors
///
/// Kind `Config`: the builder has a proxy, or the settings have one that cannot be used.
pub(super) fn configure(
    builder: ClientBuilder,
    proxy: &ProxySettings,
) -> Result<ClientBuilder, Error> {
    if has_proxy(&builder) {
        return Err(Error::of(Problem::Config).with_detail(
            "proxy: reqwest's builder has one, which would receive loopback traffic too; pass it to \
             ReqwestService::with_proxy instead",
        ));
    }
    let proxies = Arc::new(proxy.resolve()?);
    // reqwest would silently bypass a proxy whose URL it cannot read.
    if proxies.servers().any(|server| url(server).is_none()) {
        return Err(Error::of(Problem::Config).with_detail(
            "proxy: reqwest cannot read its URL; check its host, and percent-encode special \
             characters in the user or password",
        ));
    }
    let select = move |destination: &Url| {
        url(proxies.select(destination.scheme() == "https", destination.host_str()?)?)
    };
    Ok(builder
        .no_proxy()
        .proxy(Proxy::custom(select))
        .resolve_to_addrs("localhost", &LOCALHOST)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT))
}

/// reqwest parses it twice, as a URL and as a URI.
fn url(server: &ProxyServer) -> Option<Url> {
    let url = Url::parse(&server.url()).ok()?;
    url.as_str().parse::<http::Uri>().is_ok().then_some(url)
}

/// reqwest shows them only in `Debug`. The environment's proxies are not in the builder yet.
fn has_proxy(builder: &ClientBuilder) -> bool {
    Zeroizing::new(format!("{builder:?}")).contains("proxies: [")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_of_the_builder_is_refused_and_not_dropped() {
        let with = [
            reqwest::Client::builder().proxy(Proxy::all("http://u:hunter2@p.test:1").unwrap()),
            reqwest::Client::builder().proxy(Proxy::custom(|_| None::<Url>)),
        ];
        for builder in with {
            let error = configure(builder, &ProxySettings::direct()).unwrap_err();
            assert_eq!(error.problem(), Problem::Config);
            assert!(error.to_string().contains("ReqwestService::with_proxy"), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        for builder in [reqwest::Client::builder(), reqwest::Client::builder().no_proxy()] {
            assert!(configure(builder, &ProxySettings::direct()).is_ok());
        }
    }

    #[test]
    fn a_malformed_proxy_is_an_error_of_the_client() {
        for (url, why) in [
            ("http://user:hunter2@ss@p.test", "ambiguous"),
            ("http://user:hunter2@1.2.3.456", "reqwest cannot read its URL"),
        ] {
            let proxy = ProxySettings::fixed(url);
            let error = configure(reqwest::Client::builder(), &proxy).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(!format!("{error} {error:?} {proxy:?}").contains("hunter2"));
        }
    }
}
