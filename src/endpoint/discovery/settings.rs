//! What is set about discovery.

use std::time::Duration;

use crate::endpoint::ClientCredentialsBuilder;

/// Endpoints move with announcements, not by the hour; and a day is what most servers allow their
/// metadata to be kept.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// No setting may push an `Instant` over its edge.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

pub(in crate::endpoint) struct DiscoverySettings {
    pub(in crate::endpoint) allow_plain_http: bool,
    pub(super) max_age: Duration,
    pub(super) strict: bool,
    /// The endpoint meant for client certificates, whatever the client authentication.
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
        self.discovery.max_age = max_age.min(LONGEST);
        self
    }

    /// Makes no token request where the server lists ways of client authentication, or its
    /// signing algorithms, and this client's is not among them; the error names what is listed.
    /// Default: no, as metadata is often wrong: an event warns, and the request is made.
    pub fn strict_metadata(mut self, strict: bool) -> Self {
        self.discovery.strict = strict;
        self
    }

    /// Uses the token endpoint that is meant for connections with a client certificate
    /// (`mtls_endpoint_aliases`, RFC 8705 §5), if the server names one: for tokens bound to a
    /// certificate where the client authenticates in another way. Default: with
    /// [`tls_client_auth`](Self::tls_client_auth) and its self-signed sibling only.
    pub fn prefer_mtls_endpoint(mut self, prefer: bool) -> Self {
        self.discovery.mtls = prefer;
        self
    }
}
