//! Certificates of a test authority, and TLS settings that require them.

use std::{
    env, fs,
    future::Future,
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tower_oauth2_client_credentials::transport::{
    ChainAndKey, ClientIdentity, HyperTransport, HyperTransportBuilder,
};

/// A generous timeout that turns a hang into a failure.
pub async fn bounded<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("the test hangs")
}

/// A certificate with its key.
pub struct Pair {
    pub chain: String,
    pub key: String,
    pub der: Bytes,
}

impl Pair {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let der = certificate.der().to_vec().into();
        Self { chain: certificate.pem(), key: key.serialize_pem(), der }
    }

    pub fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Self::new(&params.self_signed(&key).unwrap(), &key)
    }

    pub fn identity(&self) -> ClientIdentity {
        ClientIdentity::from_pem(ChainAndKey { chain: &self.chain, key: &self.key }).unwrap()
    }
}

/// A certificate authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pub pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let pem = certificate.pem();
        Self { certificate: certificate.into(), issuer: Issuer::new(params, key), pem }
    }

    pub fn certify(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        Pair::new(&params.signed_by(&key, &self.issuer).unwrap(), &key)
    }

    /// Requires a certificate of this authority.
    pub fn asking(&self, required: bool) -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        if required { builder } else { builder.allow_unauthenticated() }.build().unwrap()
    }

    /// TLS for a server on 127.0.0.1.
    pub fn server(&self, asking: Arc<dyn ClientCertVerifier>) -> Arc<ServerConfig> {
        let pair = self.certify("127.0.0.1");
        let key =
            PrivateKeyDer::Pkcs8(KeyPair::from_pem(&pair.key).unwrap().serialize_der().into());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(asking)
            .with_single_cert(vec![CertificateDer::from(pair.der.to_vec())], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// A transport that trusts this authority and uses no proxy.
    pub fn client(&self) -> HyperTransportBuilder {
        HyperTransport::builder().only_root_certificates_pem(&self.pem).proxy_from_env(false)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Requires any certificate, as a server does that knows its clients' self-signed ones.
#[derive(Debug)]
pub struct Any;

impl ClientCertVerifier for Any {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Certificate and key in separate files.
pub struct Files {
    pub chain: PathBuf,
    pub key: PathBuf,
}

impl Files {
    pub fn new(pair: &Pair) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            |kind| env::temp_dir().join(format!("toacc-mtls-{}-{number}.{kind}", process::id()));
        let files = Self { chain: path("crt"), key: path("key") };
        files.replace(pair);
        files
    }

    pub fn replace(&self, pair: &Pair) {
        fs::write(&self.chain, &pair.chain).unwrap();
        fs::write(&self.key, &pair.key).unwrap();
    }

    pub fn identity(&self) -> ClientIdentity {
        ClientIdentity::from_files(ChainAndKey { chain: &self.chain, key: &self.key }).unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.chain);
        let _ = fs::remove_file(&self.key);
    }
}
