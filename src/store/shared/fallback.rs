//! An acquisition without the store.

use std::time::Duration;

use tokio::time::Instant;

use super::{health::Unavailable, inner::SharedInner};
use crate::{
    error::Error,
    event::AcquisitionReason,
    limits::MAX_LIFETIME,
    source::{AcquireContext, TokenSource},
    token::{SharingInfo, Token},
};

/// The share of the token's remaining life over which postponed refreshes are spread. The rest is for
/// retries.
const SPREAD: f64 = 0.7;

/// Acquires a token for this process only.
pub(super) async fn acquire<S: TokenSource>(
    source: &S,
    inner: &SharedInner,
    mut context: AcquireContext,
    why: Unavailable,
) -> Result<Token, Error> {
    inner.record_stopped(&context, why);
    if let Some(postponed) = postpone_refresh(&context) {
        return Ok(postponed);
    }
    context.deadline = context.deadline.map(|at| inner.settings.source_deadline(at));
    let called_at = Instant::now();
    let token = source.acquire(context).await?;
    let token = if token.issued_at().is_none() { token.with_issued_at(called_at) } else { token };
    Ok(token.with_sharing_info(SharingInfo {
        took: Some(called_at.elapsed()),
        // All processes of the fleet acquire at about this time, as at their first start.
        spreads_refresh: true,
        ..SharingInfo::default()
    }))
}

/// Keeps the cached token until a random time in its remaining life, once for each token. Otherwise all
/// processes would send a token request when their common refresh is due.
fn postpone_refresh(context: &AcquireContext) -> Option<Token> {
    if context.reason != AcquisitionReason::Refresh || context.rejected.is_some() {
        return None;
    }
    let current = context.current.clone()?;
    let info = *current.sharing_info()?;
    if info.generation.is_none() || info.is_postponed || context.cache.is_budgeted {
        return None;
    }
    let expires_at = current.issued_at()? + current.lifetime()?.min(MAX_LIFETIME);
    let expires_at = info.expires_by.map_or(expires_at, |at| at.min(expires_at));
    let remaining = expires_at.saturating_duration_since(Instant::now());
    let delay: Duration = remaining.mul_f64(SPREAD * fastrand::f64());
    Some(current.with_sharing_info(SharingInfo {
        refresh_at: Some(Instant::now() + delay),
        is_free: false,
        is_kept: true,
        is_postponed: true,
        ..info
    }))
}
