//! The settings of client certificates.

use super::ClientCredentialsBuilder;
use crate::client_auth::TlsClientAuth;
#[cfg(feature = "hyper-transport")]
use crate::endpoint::certificate_binding::CertificateBinding;
#[cfg(feature = "hyper-transport")]
use crate::transport;

impl ClientCredentialsBuilder {
    /// Authenticates with a certificate of an authority that the server trusts (`tls_client_auth`,
    /// RFC 8705 §2.1). The transport presents the certificate, see `client_identity`. The request
    /// contains only the id.
    pub fn tls_client_auth(self, id: impl Into<String>) -> Self {
        self.auth(id.into(), |id| TlsClientAuth { id, self_signed: false })
    }

    /// Authenticates with a registered certificate (`self_signed_tls_client_auth`, RFC 8705 §2.2).
    /// Otherwise it behaves like [`tls_client_auth`](Self::tls_client_auth).
    pub fn self_signed_tls_client_auth(self, id: impl Into<String>) -> Self {
        self.auth(id.into(), |id| TlsClientAuth { id, self_signed: true })
    }

    /// Sets the client certificate (RFC 8705), for [`tls_client_auth`](Self::tls_client_auth), or
    /// for tokens that are bound to it, with any client authentication. Default: none.
    ///
    /// The default transport uses it. Your own [`transport`](Self::transport) must use the same one.
    /// When the certificate is replaced, tokens that are bound to the old one are dropped.
    #[cfg(feature = "hyper-transport")]
    #[cfg_attr(docsrs, doc(cfg(feature = "hyper-transport")))]
    pub fn client_identity(mut self, identity: transport::ClientIdentity) -> Self {
        self.binding = Some(CertificateBinding::new(identity));
        self
    }

    /// The settings of the default transport, without the certificate.
    #[cfg(feature = "hyper-transport")]
    pub(crate) fn default_transport(mut self, settings: transport::HyperTransportBuilder) -> Self {
        self.default_transport = Some(settings);
        self
    }

    #[cfg(feature = "hyper-transport")]
    pub(crate) fn identity(&self) -> Option<&transport::ClientIdentity> {
        self.binding.as_ref().map(CertificateBinding::identity)
    }
}
