//! The keys of a fleet. The first one seals, and all open.

use bytes::Bytes;
use zeroize::Zeroizing;

use super::{
    envelope::{self, Envelope, MAX_CONTENT_BYTES},
    error::OpenError,
    key::SealingKey,
};
use crate::{
    error::{Error, Problem},
    store::traits::{EntryId, StoreError},
};

/// Seals and opens entries. A key can be replaced in three steps while the fleet runs: add the new key
/// after the old one; put it first when all processes have it; remove the old one.
#[derive(Clone, Debug)]
pub(crate) enum Sealing {
    /// The first key seals.
    Keys(Box<[SealingKey]>),
    /// Entries are not sealed. A reader of the store sees the tokens.
    PlainText,
}

impl Sealing {
    /// Seals with the first of these keys, and opens with all of them.
    ///
    /// # Errors
    ///
    /// Kind `Config`, if there is no key.
    pub(crate) fn new(keys: impl IntoIterator<Item = SealingKey>) -> Result<Self, Error> {
        let keys: Box<[_]> = keys.into_iter().collect();
        if keys.is_empty() {
            return Err(Error::of(Problem::Config)
                .with_detail("sealing keys: there are none; pass a key, or call plain_text"));
        }
        Ok(Self::Keys(keys))
    }

    /// # Errors
    ///
    /// If the content is longer than 256 KiB, or the random number generator fails.
    pub(crate) fn seal(
        &self,
        id: EntryId,
        generation: u64,
        content: &[u8],
    ) -> Result<Bytes, StoreError> {
        if content.len() > MAX_CONTENT_BYTES {
            let why = "the entry is longer than 256 KiB; ask for a token with fewer claims";
            return Err(StoreError::new(why));
        }
        let envelope = match self {
            Self::Keys(keys) => {
                envelope::seal(id, generation, &keys[0], content).map_err(|_| {
                    StoreError::new("sealing failed: the cryptographic library refused; restart")
                })?
            }
            Self::PlainText => envelope::plain_text(id, content),
        };
        Ok(envelope.into())
    }

    /// # Errors
    ///
    /// If the entry cannot be trusted.
    pub(crate) fn open(
        &self,
        id: EntryId,
        generation: u64,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        match (self, Envelope::parse(id, sealed)?) {
            (Self::Keys(keys), Envelope::Sealed(envelope)) => {
                // Two keys can have the same id, since an id has 64 bits.
                let mut opened = Err(OpenError::UnknownKey);
                for key in keys.iter().filter(|key| envelope.is_sealed_by(key)) {
                    opened = envelope.open(id, generation, key);
                    if opened.is_ok() {
                        break;
                    }
                }
                opened
            }
            (Self::PlainText, Envelope::PlainText(content)) => Ok(content.to_vec().into()),
            (Self::Keys(_), Envelope::PlainText(_)) => Err(OpenError::PlainText),
            (Self::PlainText, Envelope::Sealed(_)) => Err(OpenError::Sealed),
        }
    }
}
