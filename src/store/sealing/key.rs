//! A key that seals entries.

use std::{fmt, path::PathBuf, sync::Arc};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, MAX_TAG_LEN, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hmac,
};
use base64::{
    Engine as _,
    alphabet::{STANDARD, URL_SAFE},
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use zeroize::Zeroizing;

use crate::{
    error::{BoxError, Error, Problem},
    secret_file::{SecretFile, text},
};

/// Length of a key in bytes.
const KEY_BYTES: usize = 32;
/// Length of a key's id in bytes.
pub(super) const ID_BYTES: usize = 8;

/// The message whose HMAC is the id of a key. The id reveals nothing about the key.
const ID_LABEL: &[u8] = b"tower-oauth2-client-credentials sealing key id";

/// A key that seals the tokens in a store: 32 random bytes.
///
/// Entries are sealed by AES-256-GCM with random nonces. NIST SP 800-38D §8.3 allows 2^32 messages
/// for a key with random nonces. A fleet that writes an entry each second reaches that in 136 years. Use
/// a new key before that.
///
/// Make one with `openssl rand -base64 32`, and give it to all processes of the fleet. Cheap to
/// clone. The memory that holds it is wiped when the last clone is dropped. `Debug` shows the id of
/// the key, which is in each entry too. It shows nothing of the key.
///
/// # Examples
///
/// ```
/// use tower_oauth2_client_credentials::store::SealingKey;
///
/// # let variable = "bm90IGEgcmVhbCBrZXksIGp1c3QgYW4gZXhhbXBsZS4=";
/// let key = SealingKey::from_base64(variable)?;
/// assert!(!format!("{key:?}").contains("bm90"));
/// # Ok::<(), tower_oauth2_client_credentials::Error>(())
/// ```
#[derive(Clone)]
pub struct SealingKey(Arc<Inner>);

struct Inner {
    id: [u8; ID_BYTES],
    /// AWS-LC wipes the key when it is dropped.
    key: RandomizedNonceKey,
}

impl SealingKey {
    /// A key from its bytes. They must be random, such as from a key management service. A password
    /// is not a key.
    ///
    /// The bytes are not wiped in the caller's memory.
    ///
    /// # Errors
    ///
    /// Kind `Config`, if there are not 32 bytes, or all are equal.
    ///
    /// # Examples
    ///
    /// ```
    /// use tower_oauth2_client_credentials::store::SealingKey;
    ///
    /// # let data_key = *b"not a real key, just an example.";
    /// let key = SealingKey::from_bytes(data_key)?;
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::new(bytes.as_ref()).map_err(config_error)
    }

    /// A key from the base64 of its bytes (RFC 4648 §4 or §5, with or without padding), such as in
    /// an environment variable. White space around it is ignored.
    ///
    /// # Errors
    ///
    /// Kind `Config`, if it is not base64 of 32 bytes, or all are equal.
    pub fn from_base64(text: impl AsRef<str>) -> Result<Self, Error> {
        decode(text.as_ref()).map_err(config_error)
    }

    /// A key from a file that holds the base64 of its bytes, such as a mounted Kubernetes secret.
    ///
    /// The file is read once, here, on a thread of this crate. The caller blocks for at most 5 s.
    /// Call it when the process starts. Do not call it in a task.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, if the file can't be read or is not base64 of 32 bytes. The message names
    /// the file.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use tower_oauth2_client_credentials::store::SealingKey;
    ///
    /// let key = SealingKey::from_file("/run/secrets/token-store-key")?;
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn from_file(path: impl Into<PathBuf>) -> Result<Self, Error> {
        let file = SecretFile::new(path);
        let read = || -> Result<Self, BoxError> { Ok(decode(text(&file.read_blocking()?)?)?) };
        read().map_err(|cause| crate::secret_file::unreadable("sealing key", &file, cause))
    }

    fn new(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() != KEY_BYTES {
            return Err(format!("it has {} bytes; {ADVICE}", bytes.len()));
        }
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(format!("all its bytes are equal; {ADVICE}"));
        }
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, bytes), ID_LABEL);
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&tag.as_ref()[..ID_BYTES]);
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes)
            .map_err(|Unspecified| "the cryptographic library refused it".to_owned())?;
        Ok(Self(Arc::new(Inner { id, key })))
    }

    /// The id in the envelopes that this key seals.
    pub(super) fn id(&self) -> &[u8; ID_BYTES] {
        &self.0.id
    }

    /// Encrypts in place.
    pub(super) fn encrypt(
        &self,
        associated: &[u8],
        content: &mut [u8],
    ) -> Result<([u8; NONCE_LEN], [u8; MAX_TAG_LEN]), Unspecified> {
        let (nonce, tag) = self.0.key.seal_in_place_separate_tag(Aad::from(associated), content)?;
        Ok((*nonce.as_ref(), tag.as_ref().try_into().map_err(|_| Unspecified)?))
    }

    /// Decrypts in place, and returns the length of the content.
    pub(super) fn decrypt(
        &self,
        associated: &[u8],
        nonce: [u8; NONCE_LEN],
        content_and_tag: &mut [u8],
    ) -> Result<usize, Unspecified> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let content = self.0.key.open_in_place(nonce, Aad::from(associated), content_and_tag)?;
        Ok(content.len())
    }
}

const ADVICE: &str = "make a key of 32 bytes with `openssl rand -base64 32`";

fn decode(text: &str) -> Result<SealingKey, String> {
    let text = text.trim();
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false);
    let alphabet = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    let engine = GeneralPurpose::new(alphabet, config);
    let mut bytes = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    // The decoder's error is dropped, because it shows a byte of the text.
    let length =
        engine.decode_slice(text, &mut bytes).map_err(|_| format!("it is not base64; {ADVICE}"))?;
    SealingKey::new(&bytes[..length])
}

fn config_error(why: String) -> Error {
    Error::of(Problem::Config).with_detail(format!("sealing key: {why}"))
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(")?;
        self.id().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}
