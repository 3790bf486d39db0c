//! A file, by its path.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    context::READ_TIMEOUT,
    error::ReadError,
    readers::READERS,
    regular::{Content, Job},
};
use crate::limits::MAX_CREDENTIAL_BYTES;

/// A regular file, or a symbolic link to one. Anything else is refused.
#[derive(Clone)]
pub(crate) struct SecretFile {
    path: Arc<Path>,
    name: Arc<str>,
    max_bytes: usize,
}

impl SecretFile {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        let path: Arc<Path> = path.into().into();
        let name = path.display().to_string().into();
        Self { path, name, max_bytes: MAX_CREDENTIAL_BYTES }
    }

    /// Shows this name in errors and `Debug` instead of the path.
    pub(crate) fn with_name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    pub(crate) fn with_max_bytes(mut self, max_bytes: usize) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// The name in errors and events.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads the file. If a read of it is in flight, waits for that one first.
    ///
    /// # Errors
    ///
    /// Fails at once if it is not a regular file, an earlier read of it is stuck, or the reads of
    /// too many files are stuck. Fails after `timeout` if this read has not finished.
    pub(crate) async fn read(&self, timeout: Duration) -> Result<Content, ReadError> {
        if tokio_time_is_paused() {
            return READERS.read_blocking(&self.job(), timeout);
        }
        READERS.read(&self.job(), timeout).await
    }

    /// Same as [`read`](Self::read), but blocks the thread for [`READ_TIMEOUT`] at most.
    pub(crate) fn read_blocking(&self) -> Result<Content, ReadError> {
        READERS.read_blocking(&self.job(), READ_TIMEOUT)
    }

    fn job(&self) -> Job {
        Job { path: Arc::clone(&self.path), max_bytes: self.max_bytes }
    }
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// Whether tokio's clock is paused, or was. A paused clock jumps to the next timeout while one of our
/// threads reads, because it does not know about that thread. So the read has to block.
fn tokio_time_is_paused() -> bool {
    let before = Instant::now();
    let tokio = tokio::time::Instant::now().into_std();
    tokio < before || tokio > Instant::now()
}
