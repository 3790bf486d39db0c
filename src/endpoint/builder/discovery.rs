//! The settings of discovery.

use std::time::Duration;

use super::ClientCredentialsBuilder;
use crate::limits::MAX_SETTING;

impl ClientCredentialsBuilder {
    /// Sets how long discovered metadata is used before the next acquisition reads it again. More
    /// than a year counts as a year. Default: 24 h.
    ///
    /// This and the next two settings are only for
    /// [`discover`](crate::ClientCredentials::discover).
    pub fn metadata_max_age(mut self, max_age: Duration) -> Self {
        self.discovery.max_age = max_age.min(MAX_SETTING);
        self
    }

    /// Sets whether to fail if the server lists its methods of client authentication, or their
    /// signing algorithms, and this client's is missing. No token request is sent then, and the
    /// error shows the list. Default: no, since metadata is often wrong. An event warns, and the
    /// request is sent.
    pub fn strict_metadata(mut self, strict: bool) -> Self {
        self.discovery.strict = strict;
        self
    }

    /// Sets whether to use the token endpoint for connections with a client certificate
    /// (`mtls_endpoint_aliases`, RFC 8705 §5), if the metadata has it.
    ///
    /// Default: `false`, which still uses it when a certificate is known: with `client_identity`, with
    /// a `HyperTransport` that has a certificate, and with [`tls_client_auth`](Self::tls_client_auth)
    /// and [`self_signed_tls_client_auth`](Self::self_signed_tls_client_auth). Set it to `true` for
    /// another transport with a certificate.
    pub fn prefer_mtls_endpoint(mut self, prefer: bool) -> Self {
        self.discovery.mtls = prefer;
        self
    }
}
