//! A certificate chain and its key, from PEM or from files.

use std::{fmt, path::PathBuf, time::Duration};

use rustls::{Error as TlsError, InconsistentKeys, crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use zeroize::Zeroizing;

use crate::{
    limits::MAX_CERTIFICATE_BYTES,
    secret_file::{Content, ReadError, SecretFile, without_escapes},
};

type Read = Result<Content, ReadError>;

/// The certificate or its key cannot be loaded.
pub(super) struct LoadError {
    pub(super) text: String,
    /// Whether the files may be created later.
    pub(super) may_appear_later: bool,
}

/// Where the certificate chain and the key are. They may be one file.
pub(super) struct Files {
    pub(super) chain: SecretFile,
    pub(super) key: SecretFile,
}

impl Files {
    pub(super) fn new(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let file = |path| SecretFile::new(path).with_max_bytes(MAX_CERTIFICATE_BYTES);
        Self { chain: file(chain.into()), key: file(key.into()) }
    }

    /// The content of the files, if the certificates differ from `known`. The key cannot change
    /// without its certificate. Waits for `timeout` for each file.
    ///
    /// # Errors
    ///
    /// Also if only one of the two files was replaced so far.
    pub(super) async fn load(
        &self,
        known: &[CertificateDer<'static>],
        timeout: Duration,
    ) -> Result<Option<CertifiedKey>, LoadError> {
        let chain = self.chain(self.chain.read(timeout).await)?;
        if chain == known {
            return Ok(None);
        }
        self.certify(chain, self.key.read(timeout).await).map(Some)
    }

    /// Same as [`load`](Self::load), but blocks the thread for a bounded time.
    pub(super) fn load_blocking(&self) -> Result<CertifiedKey, LoadError> {
        let chain = self.chain(self.chain.read_blocking())?;
        self.certify(chain, self.key.read_blocking())
    }

    fn chain(&self, read: Read) -> Result<Vec<CertificateDer<'static>>, LoadError> {
        let content = read.map_err(|why| unread(&self.chain, &why))?;
        parse_chain(&content).map_err(|why| unusable(&self.chain, why))
    }

    fn certify(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: Read,
    ) -> Result<CertifiedKey, LoadError> {
        let content = key.map_err(|why| unread(&self.key, &why))?;
        certify(chain, &content).map_err(|why| unusable(&self.key, why))
    }
}

fn unread(file: &SecretFile, why: &ReadError) -> LoadError {
    LoadError { text: format!("{}: {why}", file.name()), may_appear_later: why.may_appear_later() }
}

fn unusable(file: &SecretFile, why: impl fmt::Display) -> LoadError {
    LoadError { text: format!("{}: {why}", file.name()), may_appear_later: false }
}

/// # Errors
///
/// The parser's own errors are not shown: they may quote a line of a key.
pub(super) fn parse(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, &'static str> {
    certify(parse_chain(chain)?, key)
}

fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let pem = without_escapes(pem);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let chain = chain.map_err(|_| "it is damaged PEM")?;
    if chain.is_empty() { Err("it has no certificate in PEM") } else { Ok(chain) }
}

fn certify(chain: Vec<CertificateDer<'static>>, key: &[u8]) -> Result<CertifiedKey, &'static str> {
    const NO_KEY: &str = "it has no private key in PEM that is not encrypted (PKCS#8, PKCS#1 or \
                          SEC1)";
    let key = without_escapes(key);
    let key = Zeroizing::new(PrivateKeyDer::from_pem_slice(&key).map_err(|_| NO_KEY)?);
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| "its private key is damaged, or not RSA, ECDSA or Ed25519")?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(TlsError::InconsistentKeys(_)) => {
            Err("its private key does not belong to the first certificate of the chain")
        }
        Err(_) => Err("the first certificate of the chain is not an X.509 certificate"),
    }
}
