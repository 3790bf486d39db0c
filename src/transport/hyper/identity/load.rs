//! A certificate chain and its key, from PEM or from files.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use rustls::{Error as TlsError, InconsistentKeys, crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use zeroize::Zeroizing;

/// A long chain of large certificates is a tenth of it; bounds memory when the path is wrong.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Where the certificate chain and the key are. They may be one file.
pub(super) struct Files {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
}

impl Files {
    /// What is in the files, if the certificates are others than `known`. The key alone cannot
    /// change: the certificate is for it.
    ///
    /// # Errors
    ///
    /// What is wrong, also if only one of the two files is replaced yet.
    pub(super) fn load(
        &self,
        known: &[CertificateDer<'static>],
    ) -> Result<Option<CertifiedKey>, String> {
        let chain = parse_chain(&read(&self.chain)?)
            .map_err(|why| format!("{}: {why}", self.chain.display()))?;
        if chain == known {
            return Ok(None);
        }
        let key = read(&self.key)?;
        certify(chain, &key).map(Some).map_err(|why| format!("{}: {why}", self.key.display()))
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, String> {
    let failed = |why: std::io::Error| format!("{}: {why}", path.display());
    let file = fs::File::open(path).map_err(failed)?;
    let expected = file.metadata().map_err(failed)?.len().min(MAX_FILE_BYTES);
    // Room for all of it: a vector that grows leaves copies behind.
    let room = usize::try_from(expected).unwrap_or_default() + 32;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("{}: it is longer than 1 MiB", path.display()));
    }
    Ok(bytes)
}

/// # Errors
///
/// What is wrong. The parser's own errors are not shown: they may quote a line of a key.
pub(super) fn parse(chain: &[u8], key: &[u8]) -> Result<CertifiedKey, &'static str> {
    certify(parse_chain(chain)?, key)
}

fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|_| "it is damaged PEM")?;
    if chain.is_empty() { Err("it has no certificate in PEM") } else { Ok(chain) }
}

fn certify(chain: Vec<CertificateDer<'static>>, key: &[u8]) -> Result<CertifiedKey, &'static str> {
    const NO_KEY: &str = "it has no private key in PEM that is not encrypted (PKCS#8, PKCS#1 or \
                          SEC1)";
    let key = Zeroizing::new(PrivateKeyDer::from_pem_slice(key).map_err(|_| NO_KEY)?);
    let key = aws_lc_rs::sign::any_supported_type(&key)
        .map_err(|_| "its private key is damaged, or neither RSA, ECDSA nor Ed25519")?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(TlsError::InconsistentKeys(_)) => {
            Err("its private key does not belong to the first certificate of the chain")
        }
        Err(_) => Err("the first certificate of the chain is not an X.509 certificate"),
    }
}
