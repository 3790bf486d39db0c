//! How rustls is given the certificate.

use std::sync::Arc;

use rustls::{SignatureScheme, client::ResolvesClientCert, sign::CertifiedKey};

use super::ClientIdentity;

/// Shows whatever certificate is current when the connection is made, whatever authorities the
/// server names: a self-signed certificate has none of them.
#[derive(Debug)]
pub(in crate::transport::hyper) struct Following(pub(in crate::transport::hyper) ClientIdentity);

impl ResolvesClientCert for Following {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.look();
        self.0.current().key.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
