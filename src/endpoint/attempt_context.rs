//! The inputs of one attempt that discovery needs.

use std::time::{Duration, SystemTime};

use crate::{client_auth::ClientAuth, event::Observer, transport::Transport};

/// The inputs of one attempt.
pub(super) struct AttemptContext<'a> {
    pub(super) transport: &'a dyn Transport,
    pub(super) auth: &'a dyn ClientAuth,
    pub(super) grant_type: &'a str,
    pub(super) observer: &'a Observer,
    /// Maximum size of a body in bytes.
    pub(super) body_cap: usize,
    /// The authorization server's time, as far as it is known.
    pub(super) now: SystemTime,
    /// How long the attempt may take.
    pub(super) attempt_timeout: Duration,
    /// Whether a client certificate is configured.
    pub(super) has_client_certificate: bool,
}
