//! The proxies of the environment, compiled again.

#[allow(dead_code, reason = "the transports use the rest")]
#[path = "../../src/transport/proxy/mod.rs"]
mod proxy;

use std::{env, ffi::OsStr, os::unix::ffi::OsStrExt as _};

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

/// The variables that are read.
pub(crate) const VARIABLES: [&str; 9] = [
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
    "REQUEST_METHOD",
];

pub(crate) fn set_variable(name: &str, value: &[u8]) {
    // SAFETY: libFuzzer and the replay run targets on one thread, and no other one reads variables.
    unsafe { env::set_var(name, OsStr::from_bytes(value)) };
}
