//! Limits that several modules share.

use std::time::Duration;

/// Maximum duration of a setting, a year. Longer ones could overflow an `Instant`.
pub(crate) const MAX_SETTING: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Maximum lifetime of a token, 10 years: far above any real one, and far below the overflow of an
/// `Instant`.
pub(crate) const MAX_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Maximum size of an access token, secret, key or assertion in bytes.
pub(crate) const MAX_CREDENTIAL_BYTES: usize = 64 * 1024;

/// Maximum size of certificates in bytes. Long chains of large certificates have a tenth of it.
#[cfg(feature = "hyper-transport")]
pub(crate) const MAX_CERTIFICATE_BYTES: usize = 1024 * 1024;
