//! The proxies of the environment, compiled again.

#[allow(dead_code, reason = "the transports use the rest")]
#[path = "../../src/transport/proxy/mod.rs"]
mod proxy;

use crate::error::Error;
use proxy::ProxySettings;

/// The proxies of the environment for destinations with plain http and with https.
pub(crate) fn proxies(host: &str) -> Result<[Option<String>; 2], Error> {
    let proxies = ProxySettings::from_env().resolve()?;
    Ok([false, true].map(|is_https| proxies.select(is_https, host).map(ToString::to_string)))
}

/// A given proxy, as it is shown.
pub(crate) fn fixed(url: &str) -> String {
    format!("{:?}", ProxySettings::fixed(url))
}
