//! An acquisition without the store.

use std::time::Duration;

use tokio::time::Instant;

use super::{core::Core, health::Unavailable};
use crate::{
    error::Error,
    event::AcquisitionReason,
    limits::MAX_LIFETIME,
    source::{AcquireContext, TokenSource},
    token::{SharingInfo, Token},
};

/// The share of the remaining life over which the refreshes of a fleet are spread, if the store fails
/// when the refresh of their common token is due. The rest is for retries.
const SPREAD: f64 = 0.7;

/// Acquires a token for this process only.
pub(super) async fn acquire<S: TokenSource>(
    source: &S,
    core: &Core,
    mut context: AcquireContext,
    why: Unavailable,
) -> Result<Token, Error> {
    core.stopped(&context, why);
    if let Some(postponed) = postponed(&context) {
        return Ok(postponed);
    }
    context.deadline = context.deadline.map(|at| core.settings.source_deadline(at));
    let called_at = Instant::now();
    let token = source.acquire(context).await?;
    let token = if token.issued_at().is_none() { token.with_issued_at(called_at) } else { token };
    Ok(token.with_sharing_info(SharingInfo {
        took: Some(called_at.elapsed()),
        // All processes of the fleet acquire at about this time.
        spread: true,
        ..SharingInfo::default()
    }))
}

/// All processes refresh a shared token at the same time. Without the store, each draws its own time,
/// once for each token.
fn postponed(context: &AcquireContext) -> Option<Token> {
    if context.reason != AcquisitionReason::Refresh || context.rejected.is_some() {
        return None;
    }
    let current = context.current.clone()?;
    let info = *current.sharing_info()?;
    if info.generation.is_none() || info.postponed || context.is_budgeted {
        return None;
    }
    let expires_at = current.issued_at()? + current.lifetime()?.min(MAX_LIFETIME);
    let expires_at = info.expires_by.map_or(expires_at, |at| at.min(expires_at));
    let left = expires_at.saturating_duration_since(Instant::now());
    let delay: Duration = left.mul_f64(SPREAD * fastrand::f64());
    Some(current.with_sharing_info(SharingInfo {
        refresh_at: Some(Instant::now() + delay),
        from_store: false,
        is_kept: true,
        postponed: true,
        ..info
    }))
}
