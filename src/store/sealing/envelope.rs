//! The format of an envelope: see the parent module.

use aws_lc_rs::{
    aead::{MAX_TAG_LEN, NONCE_LEN},
    error::Unspecified,
};
use zeroize::Zeroizing;

use super::{
    error::OpenError,
    key::{ID_BYTES, SealingKey},
};
use crate::store::traits::EntryId;

const PLAIN_TEXT: u8 = 0;
const AES_256_GCM: u8 = 1;

/// Maximum length of the content in bytes. A token has at most 64 KiB.
pub(super) const MAX_CONTENT_BYTES: usize = 256 * 1024;

const ENTRY_ID_BYTES: usize = 32;
const PREFIX_BYTES: usize = 1 + ID_BYTES + NONCE_LEN;
const PLAIN_PREFIX_BYTES: usize = 1 + ENTRY_ID_BYTES;
const ASSOCIATED_BYTES: usize = 1 + ID_BYTES + ENTRY_ID_BYTES + size_of::<u64>();

/// The parts of an envelope.
#[derive(Debug)]
pub(super) enum Envelope<'a> {
    PlainText(&'a [u8]),
    Sealed(SealedEnvelope<'a>),
}

#[derive(Debug)]
pub(super) struct SealedEnvelope<'a> {
    key_id: &'a [u8; ID_BYTES],
    nonce: &'a [u8; NONCE_LEN],
    content_and_tag: &'a [u8],
}

impl<'a> Envelope<'a> {
    pub(super) fn parse(id: EntryId, envelope: &'a [u8]) -> Result<Self, OpenError> {
        if envelope.len() > PREFIX_BYTES.max(PLAIN_PREFIX_BYTES) + MAX_CONTENT_BYTES + MAX_TAG_LEN {
            return Err(OpenError::TooLong);
        }
        match envelope.split_first().ok_or(OpenError::Damaged)? {
            (&PLAIN_TEXT, rest) => match rest.strip_prefix(id.as_bytes()) {
                Some(content) => Ok(Self::PlainText(content)),
                None => Err(OpenError::Damaged),
            },
            (&AES_256_GCM, rest) => {
                let (key_id, rest) = rest.split_first_chunk().ok_or(OpenError::Damaged)?;
                let (nonce, content_and_tag) =
                    rest.split_first_chunk().ok_or(OpenError::Damaged)?;
                Ok(Self::Sealed(SealedEnvelope { key_id, nonce, content_and_tag }))
            }
            (&version, _) => Err(OpenError::Version(version)),
        }
    }
}

impl SealedEnvelope<'_> {
    /// Whether the envelope has the id of this key.
    pub(super) fn is_sealed_by(&self, key: &SealingKey) -> bool {
        self.key_id == key.id()
    }

    pub(super) fn open(
        &self,
        id: EntryId,
        generation: u64,
        key: &SealingKey,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let mut content = Zeroizing::new(self.content_and_tag.to_vec());
        let length = key
            .decrypt(&associated_data(id, generation, key), *self.nonce, &mut content)
            .map_err(|Unspecified| OpenError::Damaged)?;
        content.truncate(length);
        Ok(content)
    }
}

/// An envelope with the content as plain text.
pub(super) fn plain_text(id: EntryId, content: &[u8]) -> Vec<u8> {
    [&[PLAIN_TEXT], &id.as_bytes()[..], content].concat()
}

/// An envelope that only this key opens.
pub(super) fn seal(
    id: EntryId,
    generation: u64,
    key: &SealingKey,
    content: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    // Never reallocated, and wiped if the encryption fails.
    let mut envelope =
        Zeroizing::new(Vec::with_capacity(PREFIX_BYTES + content.len() + MAX_TAG_LEN));
    envelope.push(AES_256_GCM);
    envelope.extend_from_slice(key.id());
    envelope.extend_from_slice(&[0; NONCE_LEN]);
    envelope.extend_from_slice(content);
    let (nonce, tag) =
        key.encrypt(&associated_data(id, generation, key), &mut envelope[PREFIX_BYTES..])?;
    envelope[1 + ID_BYTES..PREFIX_BYTES].copy_from_slice(&nonce);
    envelope.extend_from_slice(&tag);
    Ok(std::mem::take(&mut *envelope))
}

fn associated_data(id: EntryId, generation: u64, key: &SealingKey) -> [u8; ASSOCIATED_BYTES] {
    let mut data = [AES_256_GCM; ASSOCIATED_BYTES];
    data[1..=ID_BYTES].copy_from_slice(key.id());
    data[1 + ID_BYTES..][..ENTRY_ID_BYTES].copy_from_slice(id.as_bytes());
    data[1 + ID_BYTES + ENTRY_ID_BYTES..].copy_from_slice(&generation.to_be_bytes());
    data
}
