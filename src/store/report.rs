//! The lines that a shared store writes to the log.

use std::{error::Error as _, fmt};

use super::traits::StoreError;

pub(super) fn failed(client: &str, error: &StoreError) {
    let cause = error.source().map(|cause| cause.to_string());
    tracing::warn!(client, cause, "token store failed, tokens are not shared until it works");
}

pub(super) fn slow(client: &str) {
    tracing::warn!(client, "token store too slow, tokens are not shared until it answers in time");
}

pub(super) fn nothing_stored(client: &str) {
    tracing::warn!(client, "token store keeps no entry, check its memory and permissions");
}

pub(super) fn resumed(client: &str) {
    tracing::info!(client, "token store works, tokens are shared again");
}

pub(super) fn unreadable(client: &str, why: &dyn fmt::Display) {
    tracing::warn!(client, %why, "entry of the token store not used");
}

pub(super) fn from_future(client: &str) {
    tracing::warn!(client, "shared token issued in the future, synchronize the hosts' clocks");
}

#[cfg(feature = "redis")]
pub(super) fn not_announced(redis: &dyn fmt::Display) {
    tracing::warn!(%redis, "new shared tokens not announced, allow PUBLISH to this prefix");
}

#[cfg(feature = "redis")]
pub(super) fn not_subscribed(redis: &dyn fmt::Display, error: &dyn fmt::Display) {
    tracing::warn!(%redis, %error, "announcements of shared tokens not received, polling instead");
}
