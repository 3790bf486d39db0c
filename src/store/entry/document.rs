//! All that an entry holds.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{
    budget::{self, StoredBudget},
    clocks::BothClocks,
    failure::{self, StoredFailure},
    fields::{FieldReader, FieldWriter},
    token::{self, StoredToken},
};
use crate::{limits::MAX_LIFETIME, timing::BackoffSettings};

/// Added to each TTL, because the store's clock may run faster than this process's clock.
const MARGIN: Duration = Duration::from_secs(60);

/// The content of an entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Document {
    pub(crate) token: Option<StoredToken>,
    /// The last acquisition failed.
    pub(crate) failure: Option<StoredFailure>,
    pub(crate) budget: StoredBudget,
}

impl Document {
    pub(crate) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let token = self.token.as_ref().map_or(0, StoredToken::encoded_len);
        let mut fields = FieldWriter::with_capacity(
            token + failure::BYTES + budget::BYTES,
            token::FIELDS + failure::FIELDS + budget::FIELDS,
        );
        if let Some(token) = &self.token {
            token.write(&mut fields);
        }
        if let Some(failure) = &self.failure {
            failure.write(&mut fields);
        }
        self.budget.write(&mut fields);
        fields.finish()
    }

    /// `None`: it is damaged, or of a version that this crate does not know.
    pub(crate) fn decode(content: &[u8]) -> Option<Self> {
        let fields = FieldReader::new(content)?;
        let token = StoredToken::read(&fields);
        if token.is_none() && !StoredToken::is_absent(&fields) {
            return None;
        }
        Some(Self {
            token,
            failure: StoredFailure::read(&fields),
            budget: StoredBudget::read(&fields)?,
        })
    }

    /// The minimum time for which a store keeps the entry.
    pub(crate) fn ttl(&self, settings: &BackoffSettings, now: BothClocks) -> Duration {
        let token = self.token.as_ref().map_or(Duration::ZERO, |it| now.time_until(it.expires_at));
        let failure = self.failure.as_ref().map_or(Duration::ZERO, |it| it.ttl(settings, now));
        token.max(failure).max(self.budget.ttl(now)).min(MAX_LIFETIME) + MARGIN
    }
}
