//! The token in an entry.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    clocks::{BothClocks, millis},
    fields::{FieldReader, FieldWriter},
};
use crate::{
    limits::MAX_LIFETIME,
    timing::Deadlines,
    token::{SharingInfo, Token, TokenType},
};

const SECRET: u8 = 1;
const TYPE: u8 = 2;
const SCOPE: u8 = 3;
const LIFETIME: u8 = 4;
const REFRESH_IN: u8 = 5;
const ISSUED_AT: u8 = 6;
const EXPIRES_AT: u8 = 7;
const REFRESH_AT: u8 = 8;
const WAS_REJECTED: u8 = 9;

/// The number of fields.
pub(super) const FIELDS: usize = 9;
/// Bytes of all values but the secret and the scope.
const FIXED_BYTES: usize = 1 + 6 * 8;

const BEARER: &[u8] = b"b";
const DPOP: &[u8] = b"d";

/// A token, with its times on the wall clock.
#[derive(Clone, Debug)]
pub(crate) struct StoredToken {
    /// Without a proof of possession, which never leaves a process.
    pub(crate) token: Token,
    pub(crate) issued_at: u64,
    /// The end of its lifetime. A cache stops using it earlier.
    pub(crate) expires_at: u64,
    /// When one of the processes refreshes it.
    pub(crate) refresh_at: u64,
    /// An API rejected it, and no other token has replaced it. Its refresh does not refill the budget.
    pub(crate) was_rejected: bool,
}

impl StoredToken {
    /// A token that this process acquired. `issued_at`: when it was requested.
    pub(crate) fn new(
        token: &Token,
        issued_at: Instant,
        deadlines: &Deadlines,
        now: BothClocks,
    ) -> Self {
        Self {
            token: token.without_proof(),
            issued_at: now.wall_of(issued_at),
            expires_at: now.wall_of(issued_at + deadlines.lifetime),
            refresh_at: now.wall_of(deadlines.refresh_at),
            was_rejected: false,
        }
    }

    /// When it was issued, on this process's clock, and not in its future.
    pub(crate) fn issued_at(&self, now: BothClocks) -> Option<Instant> {
        now.instant_of(self.issued_at.min(now.wall))
    }

    /// How far its issue is in this process's future, if that is more than the clocks of hosts may
    /// differ.
    pub(crate) fn ahead_by(&self, skew: Duration, now: BothClocks) -> Option<Duration> {
        Some(now.time_until(self.issued_at)).filter(|by| *by > skew)
    }

    /// The token for a cache of this process. `skew`: by how much clocks of hosts may differ. At most
    /// half of the lifetime is allowed for it, so that tokens of a few seconds are shared too.
    pub(crate) fn for_cache(&self, generation: u64, skew: Duration, now: BothClocks) -> Token {
        let remaining = now.time_until(self.expires_at).min(MAX_LIFETIME);
        let lifetime = Duration::from_millis(self.expires_at.saturating_sub(self.issued_at));
        let skew = skew.min(lifetime / 2);
        let token = match self.issued_at(now) {
            Some(issued_at) => self.token.clone().with_issued_at(issued_at),
            // The machine started after the token was issued, and cannot express the time.
            None => self.token.clone().with_lifetime(remaining).with_issued_at(now.instant),
        };
        token.with_sharing_info(SharingInfo {
            generation: Some(generation),
            refresh_at: Some(now.instant_of(self.refresh_at).unwrap_or(now.instant)),
            expires_by: Some(now.instant + remaining.saturating_sub(skew)),
            is_free: true,
            ..SharingInfo::default()
        })
    }

    pub(super) fn encoded_len(&self) -> usize {
        FIXED_BYTES + self.token.secret().len() + self.token.scope().map_or(0, str::len)
    }

    pub(super) fn write(&self, fields: &mut FieldWriter) {
        let token = &self.token;
        fields.bytes(SECRET, token.secret().as_bytes());
        let token_type = match token.token_type() {
            TokenType::Bearer => BEARER,
            TokenType::Dpop => DPOP,
        };
        fields.bytes(TYPE, token_type);
        if let Some(scope) = token.scope() {
            fields.bytes(SCOPE, scope.as_bytes());
        }
        fields.optional(LIFETIME, token.lifetime().map(millis));
        fields.optional(REFRESH_IN, token.refresh_in().map(millis));
        fields.number(ISSUED_AT, self.issued_at);
        fields.number(EXPIRES_AT, self.expires_at);
        fields.number(REFRESH_AT, self.refresh_at);
        fields.number(WAS_REJECTED, self.was_rejected.into());
    }

    /// `None`: there is no token, or a field of it is missing or damaged.
    pub(super) fn read(fields: &FieldReader<'_>) -> Option<Self> {
        let token_type = match fields.bytes(TYPE)? {
            BEARER => TokenType::Bearer,
            DPOP => TokenType::Dpop,
            _ => return None,
        };
        let mut token = Token::new(token_type, fields.text(SECRET)?).ok()?;
        if let Some(scope) = fields.text(SCOPE) {
            token = token.with_scope(scope);
        }
        if let Some(lifetime) = fields.number(LIFETIME) {
            token = token.with_lifetime(Duration::from_millis(lifetime));
        }
        if let Some(refresh_in) = fields.number(REFRESH_IN) {
            token = token.with_refresh_in(Duration::from_millis(refresh_in));
        }
        Some(Self {
            token,
            issued_at: fields.number(ISSUED_AT)?,
            expires_at: fields.number(EXPIRES_AT)?,
            refresh_at: fields.number(REFRESH_AT)?,
            was_rejected: fields.number(WAS_REJECTED)? != 0,
        })
    }

    pub(super) fn is_absent(fields: &FieldReader<'_>) -> bool {
        fields.bytes(SECRET).is_none()
    }
}
