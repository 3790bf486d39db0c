//! What is set about discovery.

use std::time::Duration;

use crate::{endpoint::ClientCredentialsBuilder, limits::MAX_DURATION};

/// Endpoints move with announcements, not by the hour; and a day is what most servers allow their
/// metadata to be kept.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

pub(in crate::endpoint) struct DiscoverySettings {
    pub(in crate::endpoint) allow_plain_http: bool,
    pub(super) max_age: Duration,
    pub(super) strict: bool,
    /// Use the endpoint for client certificates, even if no certificate is known of.
    pub(super) mtls: bool,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        Self { allow_plain_http: false, max_age: MAX_AGE, strict: false, mtls: false }
    }
}

impl ClientCredentialsBuilder {
    /// How long discovered metadata is used before it is read again, with the next acquisition.
    /// Default: 24 h. Only for [`discover`](crate::ClientCredentials::discover), as are the next two.
    pub fn metadata_max_age(mut self, max_age: Duration) -> Self {
        self.discovery.max_age = max_age.min(MAX_DURATION);
        self
    }

    /// Makes no token request where the server lists ways of client authentication, or its
    /// signing algorithms, and this client's is not among them; the error names what is listed.
    /// Default: no, as metadata is often wrong: an event warns, and the request is made.
    pub fn strict_metadata(mut self, strict: bool) -> Self {
        self.discovery.strict = strict;
        self
    }

    /// Uses the token endpoint for connections with a client certificate
    /// (`mtls_endpoint_aliases`, RFC 8705 §5), if the server names one.
    ///
    /// The client uses it in any case when it knows of a certificate: with `client_identity`, with
    /// a `HyperTransport` that has one, and with [`tls_client_auth`](Self::tls_client_auth) and
    /// [`self_signed_tls_client_auth`](Self::self_signed_tls_client_auth). Set this for another
    /// transport that shows a certificate. Default: `false`.
    pub fn prefer_mtls_endpoint(mut self, prefer: bool) -> Self {
        self.discovery.mtls = prefer;
        self
    }
}
