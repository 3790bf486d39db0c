//! Files with a secret, a key, a client assertion or certificates.
//!
//! A file may never finish reading: a hung mount, or a FIFO without a writer. So files are read on
//! a bounded number of threads of this module, and never on the runtime's: see [`readers`].

mod error;
mod last_good;
mod readers;
mod regular;
#[cfg(test)]
mod tests;
mod text;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use zeroize::Zeroizing;

use self::readers::{Job, READERS};
use crate::event::Observer;

pub(crate) use error::{FileKind, ReadError};
pub(crate) use last_good::{LastGood, unreadable};
#[cfg(any(feature = "jwt", feature = "dpop"))]
pub(crate) use text::without_bom;
#[cfg(any(feature = "hyper", feature = "jwt", feature = "dpop"))]
pub(crate) use text::without_escapes;

/// Maximum size of a secret, key or assertion in bytes. Bounds memory when the path is wrong.
pub(crate) const MAX_BYTES: u64 = 64 * 1024;

/// Maximum size of certificates in bytes. A long chain of large ones is a tenth of it.
#[cfg(feature = "hyper")]
pub(crate) const MAX_CERTIFICATE_BYTES: u64 = 1024 * 1024;

/// How long a caller waits for a read. Half of the default attempt timeout, so that the error names
/// the file and not the authorization server.
pub(crate) const READ_LIMIT: Duration = Duration::from_secs(5);

/// What was read, without a byte order mark. Wiped when the last copy is dropped.
pub(crate) type Content = Arc<Zeroizing<Vec<u8>>>;

/// How long a read may take, and where its events go.
#[derive(Clone, Debug)]
pub(crate) struct ReadContext {
    pub(crate) limit: Duration,
    pub(crate) observer: Observer,
}

impl Default for ReadContext {
    fn default() -> Self {
        Self { limit: READ_LIMIT, observer: Observer::default() }
    }
}

/// A regular file, or a symbolic link to one. Anything else is refused.
#[derive(Clone)]
pub(crate) struct SecretFile {
    path: Arc<Path>,
    name: Arc<str>,
    max_bytes: u64,
}

impl SecretFile {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        let path: Arc<Path> = path.into().into();
        let name = path.display().to_string().into();
        Self { path, name, max_bytes: MAX_BYTES }
    }

    /// Shows this name in errors and `Debug` in place of the path.
    pub(crate) fn with_name(mut self, name: &str) -> Self {
        self.name = name.into();
        self
    }

    pub(crate) fn with_max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = max_bytes;
        self
    }

    /// How errors and events call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Reads the file. If a read of it is in flight, waits for that one first.
    ///
    /// # Errors
    ///
    /// At once when it is not a regular file, an earlier read of it is stuck, or too many files
    /// are; after `limit` when this read is.
    pub(crate) async fn read(&self, limit: Duration) -> Result<Content, ReadError> {
        if time_is_paused() {
            return READERS.read_blocking(&self.job(), limit);
        }
        READERS.read(&self.job(), limit).await
    }

    /// As [`read`](Self::read), blocking the thread for [`READ_LIMIT`] at most.
    pub(crate) fn read_blocking(&self) -> Result<Content, ReadError> {
        READERS.read_blocking(&self.job(), READ_LIMIT)
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

/// The content as text that is not blank.
///
/// # Errors
///
/// When it is not UTF-8, or is empty or only white space. A file is empty while it is being
/// written, and an attempt with an empty secret would count as a wrong one.
pub(crate) fn text(content: &[u8]) -> Result<&str, ReadError> {
    if content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff") {
        return Err(ReadError::Utf16);
    }
    let text = str::from_utf8(content).map_err(|_| ReadError::NotUtf8)?;
    if text.trim().is_empty() { Err(ReadError::Empty) } else { Ok(text) }
}

/// Whether tokio's clock is paused, or was. It then jumps to the next timeout while a thread of ours
/// reads, as it does not know that thread, so the read has to block.
fn time_is_paused() -> bool {
    let before = Instant::now();
    let tokio = tokio::time::Instant::now().into_std();
    tokio < before || tokio > Instant::now()
}
