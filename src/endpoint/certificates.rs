//! Client certificates among the settings of [`ClientCredentials`](super::ClientCredentials).

use super::ClientCredentialsBuilder;
#[cfg(feature = "hyper")]
use super::binding::Binding;
use crate::client_auth::TlsClientAuth;
#[cfg(feature = "hyper")]
use crate::transport;

impl ClientCredentialsBuilder {
    /// `tls_client_auth`: the client is known by a certificate of an authority that the server
    /// trusts (RFC 8705 §2.1). The certificate is in the transport, see `client_identity`; the
    /// request carries the id alone.
    pub fn tls_client_auth(self, id: impl Into<String>) -> Self {
        self.auth(id.into(), |id| TlsClientAuth { id, self_signed: false })
    }

    /// `self_signed_tls_client_auth`: the client is known by the certificate that was registered
    /// for it (RFC 8705 §2.2). As [`tls_client_auth`](Self::tls_client_auth) otherwise.
    pub fn self_signed_tls_client_auth(self, id: impl Into<String>) -> Self {
        self.auth(id.into(), |id| TlsClientAuth { id, self_signed: true })
    }

    /// The certificate that the client shows (RFC 8705), for
    /// [`tls_client_auth`](Self::tls_client_auth), or for tokens that are bound to it whatever the
    /// client authentication.
    ///
    /// The default transport is built with it; a [`transport`](Self::transport) of your own must
    /// show the same one. In both cases, when it is replaced, the tokens got with the old one are
    /// dropped.
    #[cfg(feature = "hyper")]
    #[cfg_attr(docsrs, doc(cfg(feature = "hyper")))]
    pub fn client_identity(mut self, identity: transport::ClientIdentity) -> Self {
        self.binding = Binding::to(identity);
        self
    }

    /// The settings of the default transport, without the certificate.
    #[cfg(feature = "hyper")]
    pub(crate) fn default_transport(mut self, settings: transport::HyperTransportBuilder) -> Self {
        self.connections = Some(settings);
        self
    }

    #[cfg(feature = "hyper")]
    pub(crate) fn identity(&self) -> Option<&transport::ClientIdentity> {
        self.binding.identity()
    }
}
