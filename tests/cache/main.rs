//! The cache by itself: settings, readiness, and sources that change its token. In virtual time.

mod blocking;
mod cache_handle;
mod destructors;
mod expiry;
mod readiness;
mod regressions;
mod settings;
mod shared_source;
#[path = "../promises/support.rs"]
#[allow(dead_code)] // The promises use the rest.
mod support;
