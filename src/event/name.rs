//! The names of events.

use super::kind::EventKind;

impl EventKind {
    /// A short name, such as `acquisition_failed`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::AcquisitionStarted { .. } => "acquisition_started",
            Self::Acquired { .. } => "acquired",
            Self::Refreshed { .. } => "refreshed",
            Self::Kept { .. } => "kept",
            Self::Discarded { .. } => "discarded",
            Self::AcquisitionFailed { .. } => "acquisition_failed",
            Self::Waited { .. } => "waited",
            Self::CooldownEntered { .. } => "cooldown_entered",
            Self::CooldownLeft { .. } => "cooldown_left",
            Self::ReadinessChanged { .. } => "readiness_changed",
            Self::Rejected { .. } => "rejected",
            Self::Replayed { .. } => "replayed",
            Self::NonceRequired { .. } => "nonce_required",
            Self::ScopeNarrowed { .. } => "scope_narrowed",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::MetadataMismatch { .. } => "metadata_mismatch",
            Self::StaleMetadataUsed { .. } => "stale_metadata_used",
            Self::SuspendDetected { .. } => "suspend_detected",
            Self::Cleared => "cleared",
            Self::Offered { .. } => "offered",
            Self::Abandoned { .. } => "abandoned",
            Self::StaleCredentialUsed { .. } => "stale_credential_used",
            Self::ShortSecret { .. } => "short_secret",
            Self::TokenWithheld { .. } => "token_withheld",
            Self::NotReplayed { .. } => "not_replayed",
            Self::RedirectedToOtherOrigin { .. } => "redirected_to_other_origin",
            Self::ClockSkew { .. } => "clock_skew",
            Self::StoreUsed { .. } => "store_used",
            Self::SharingStopped { .. } => "sharing_stopped",
            Self::SharingResumed => "sharing_resumed",
            Self::EntryNotUsed { .. } => "entry_not_used",
            Self::SharedTokenFromFuture { .. } => "shared_token_from_future",
            Self::AnnouncementsStopped { .. } => "announcements_stopped",
            Self::Closed => "closed",
        }
    }
}
