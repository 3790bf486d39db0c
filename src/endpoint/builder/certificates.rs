//! The settings of client certificates.

use super::ClientCredentialsBuilder;
use crate::client_auth::TlsClientAuth;
#[cfg(feature = "hyper-transport")]
use crate::endpoint::certificate_binding::CertificateBinding;
#[cfg(feature = "hyper-transport")]
use crate::transport;

impl ClientCredentialsBuilder {
    /// `tls_client_auth`: a certificate of an authority that the server trusts identifies the client
    /// (RFC 8705 §2.1). The transport presents the certificate, see `client_identity`. The request
    /// contains only the id.
    pub fn tls_client_auth(self, id: impl Into<String>) -> Self {
        self.auth(id.into(), |id| TlsClientAuth { id, self_signed: false })
    }

    /// `self_signed_tls_client_auth`: a registered certificate identifies the client (RFC 8705 §2.2).
    /// Otherwise as [`tls_client_auth`](Self::tls_client_auth).
    pub fn self_signed_tls_client_auth(self, id: impl Into<String>) -> Self {
        self.auth(id.into(), |id| TlsClientAuth { id, self_signed: true })
    }

    /// The client certificate (RFC 8705), for [`tls_client_auth`](Self::tls_client_auth), or for tokens
    /// that are bound to it, with any client authentication.
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
