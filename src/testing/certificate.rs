//! Names in certificates.

use rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName},
    server::ParsedCertificate,
};

/// Whether a certificate is for a DNS name (`tls_client_auth_san_dns`, RFC 8705 §2.1.2).
pub(super) fn is_for(certificate: &[u8], name: &str) -> bool {
    let certificate = CertificateDer::from(certificate);
    match (ParsedCertificate::try_from(&certificate), ServerName::try_from(name)) {
        (Ok(certificate), Ok(name)) => verify_server_name(&certificate, &name).is_ok(),
        _ => false,
    }
}
