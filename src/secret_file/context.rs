//! The bounds of a read.

use std::time::Duration;

use crate::event::Observer;

/// How long a caller waits for a read. Half of the default attempt timeout, so that the error names
/// the file and not the authorization server.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a read may take, and where its events go.
#[derive(Clone, Debug)]
pub(crate) struct ReadContext {
    pub(crate) timeout: Duration,
    pub(crate) observer: Observer,
}

impl Default for ReadContext {
    fn default() -> Self {
        Self { timeout: READ_TIMEOUT, observer: Observer::default() }
    }
}
