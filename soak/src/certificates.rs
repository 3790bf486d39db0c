//! The certificates of the run's servers.

use std::{fs, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::aws_lc_rs};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

use crate::Failure;

const LEAF: &str = "leaf.pem";
const KEY: &str = "leaf.key";
/// The authority, which the service trusts.
pub const AUTHORITY: &str = "authority.pem";

/// Writes an authority and a certificate for loopback.
pub fn create(directory: &Path) -> Result<(), Failure> {
    let key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    fs::write(directory.join(AUTHORITY), authority.self_signed(&key)?.pem())?;
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()])?.signed_by(&key, &issuer)?;
    fs::write(directory.join(LEAF), leaf.pem())?;
    fs::write(directory.join(KEY), key.serialize_pem())?;
    Ok(())
}

/// TLS for a server, with these protocols in ALPN.
pub fn acceptor(directory: &Path, protocols: &[&str]) -> Result<TlsAcceptor, Failure> {
    let chain = vec![CertificateDer::from_pem_file(directory.join(LEAF))?];
    let key = PrivateKeyDer::from_pem_file(directory.join(KEY))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}
