//! Root certificates: the platform's, additional ones, or others instead.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::{ResolvesClientCert, Resumption, WebPkiServerVerifier, danger::ServerCertVerifier},
    crypto::CryptoProvider,
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use rustls_platform_verifier::Verifier;

use crate::{
    error::{Error, Problem},
    limits::MAX_CERTIFICATE_BYTES,
    secret_file::{SecretFile, without_escapes},
};

pub(super) const NO_ROOTS: &str = "this machine has no root certificates to check a server with; \
     install ca-certificates, or point SSL_CERT_FILE or only_root_certificates_pem at a PEM bundle";

/// The settings of TLS connections, and an error text if there are no root certificates.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) config: ClientConfig,
    pub(super) missing_roots: Option<&'static str>,
}

impl Tls {
    /// `only` replaces the platform's root certificates. `extra` are trusted in addition.
    pub(super) fn new(
        only: Option<Vec<CertificateDer<'static>>>,
        extra: Vec<CertificateDer<'static>>,
    ) -> Result<Self, Error> {
        // Passed explicitly: the process-wide default may be missing, or of another library.
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = match only {
            Some(roots) => Some(webpki_verifier(roots.into_iter().chain(extra), &provider)?),
            None => platform_verifier(extra, &provider)?,
        };
        let missing_roots = verifier.is_none().then_some(NO_ROOTS);
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(cannot_set_up)?;
        let config = match verifier {
            Some(verifier) => {
                builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()
            }
            // Not used for a handshake: the connector fails earlier, with a better error.
            None => builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth(),
        };
        Ok(Self { config, missing_roots })
    }
}

/// Adds a client certificate. Sessions are not shared with the original, since a resumed session
/// presents the certificate of its first handshake.
pub(super) fn with_client_certificate(
    config: &ClientConfig,
    certificate: Arc<dyn ResolvesClientCert>,
    resumption: Resumption,
) -> ClientConfig {
    let mut config = config.clone();
    config.client_auth_cert_resolver = certificate;
    config.resumption = resumption;
    config
}

fn webpki_verifier(
    roots: impl IntoIterator<Item = CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root).map_err(cannot_set_up)?;
    }
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::clone(provider));
    Ok(verifier.build().map_err(cannot_set_up)?)
}

/// Returns `None` if the platform has no root certificates and there are no extra ones.
#[cfg(not(target_os = "android"))]
fn platform_verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>, Error> {
    super::platform::check_roots_file()?;
    let alone = extra.is_empty();
    match Verifier::new_with_extra_roots(extra, Arc::clone(provider)) {
        Ok(verifier) => Ok(Some(Arc::new(verifier))),
        // Without extra certificates, the only cause is that the platform has none.
        Err(_) if alone => Ok(None),
        Err(error) => Err(cannot_set_up(error)),
    }
}

#[cfg(target_os = "android")]
fn platform_verifier(
    extra: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ServerCertVerifier>>, Error> {
    if !extra.is_empty() {
        return Err(Error::of(Problem::Config).with_detail(
            "extra_root_certificates_pem: Android's verifier takes no extra root certificates; use \
             only_root_certificates_pem",
        ));
    }
    Ok(Verifier::new(Arc::clone(provider)).ok().map(|verifier| Arc::new(verifier) as _))
}

fn cannot_set_up(cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::of(Problem::Config)
        .with_detail("TLS cannot be set up; check the root certificates, and the cause")
        .with_source(cause)
}

/// The text of a file with root certificates.
///
/// # Errors
///
/// The path, and why it cannot be read.
pub(super) fn read_pem(path: &Path) -> Result<Vec<u8>, String> {
    let file = SecretFile::new(path).with_max_bytes(MAX_CERTIFICATE_BYTES);
    let content = file.read_blocking();
    content.map(|it| it.to_vec()).map_err(|why| format!("{}: {why}", path.display()))
}

/// The certificates in a PEM text; other sections, such as keys, are skipped.
///
/// # Errors
///
/// The parser's own errors are not shown: they may quote a line of a private key.
pub(super) fn parse_pem(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let mut certificates = Vec::new();
    let pem = without_escapes(pem);
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| "it is damaged PEM")?;
        RootCertStore::empty()
            .add(certificate.clone())
            .map_err(|_| "one of the certificates is not an X.509 certificate")?;
        certificates.push(certificate);
    }
    if certificates.is_empty() { Err("it has no certificate in PEM") } else { Ok(certificates) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(pem: &str) -> &'static str {
        parse_pem(pem.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_pem_without_a_certificate_is_an_error() {
        assert_eq!(mistake(""), "it has no certificate in PEM");
        let key = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
        assert_eq!(mistake(key), "it has no certificate in PEM");
    }

    #[test]
    fn damaged_certificates_are_told_apart_and_not_shown() {
        assert_eq!(mistake("-----BEGIN CERTIFICATE-----\nc2VjcmV0"), "it is damaged PEM");
        let other = "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n";
        assert!(mistake(other).ends_with("is not an X.509 certificate"));
    }

    #[test]
    fn the_advice_is_short_enough_to_survive_a_failure() {
        assert_eq!(crate::error::sanitise(NO_ROOTS), NO_ROOTS);
    }
}
