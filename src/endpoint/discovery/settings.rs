//! The settings of discovery.

use std::time::Duration;

/// Endpoints rarely move without an announcement, and most servers allow their metadata to be cached
/// for a day.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

pub(in crate::endpoint) struct DiscoverySettings {
    pub(in crate::endpoint) allow_plain_http: bool,
    pub(in crate::endpoint) max_age: Duration,
    pub(in crate::endpoint) strict: bool,
    /// Whether to use the endpoint for client certificates without a known certificate.
    pub(in crate::endpoint) mtls: bool,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        Self { allow_plain_http: false, max_age: MAX_AGE, strict: false, mtls: false }
    }
}
