//! Passes the certificate to rustls.

use std::sync::Arc;

use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};

use super::ClientIdentity;

/// Shows the current certificate on each new connection. The authorities that the server names are
/// ignored, since a self-signed certificate has none of them.
#[derive(Debug)]
pub(in crate::transport::hyper) struct IdentityResolver(
    pub(in crate::transport::hyper) ClientIdentity,
);

impl ResolvesClientCert for IdentityResolver {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.read_in_background();
        self.0.current().key.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
