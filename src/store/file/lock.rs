//! The lock of an entry, which excludes other processes and other threads.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use fs4::{FileExt, TryLockError};

use super::access;

/// Maximum wait for a lock. Its holder needs milliseconds, unless it is stopped.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);

const MIN_PAUSE: Duration = Duration::from_millis(1);
const MAX_PAUSE: Duration = Duration::from_millis(20);

/// An exclusive lock. It ends when it is dropped, and with the process.
#[derive(Debug)]
pub(super) struct EntryLock {
    _file: File,
}

impl EntryLock {
    /// Waits for the lock, as long as `is_wanted` returns true.
    ///
    /// # Errors
    ///
    /// Kind `TimedOut`, if another process holds it for 2 s.
    pub(super) fn acquire(path: &Path, is_wanted: impl Fn() -> bool) -> io::Result<Self> {
        let start = Instant::now();
        let mut pause = MIN_PAUSE;
        loop {
            if let Some(lock) = Self::try_acquire(path)? {
                return Ok(lock);
            }
            if !is_wanted() || start.elapsed() > LOCK_TIMEOUT {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0));
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    fn try_acquire(path: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = access::open(&mut options, path)?;
        match FileExt::try_lock(&file) {
            // If the file was deleted and created again, two processes could lock one each.
            Ok(()) if is_still_at(path, &file)? => Ok(Some(Self { _file: file })),
            // Deleted in the meantime, or held: try again.
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(unix)]
fn is_still_at(path: &Path, file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let opened = file.metadata()?;
    match path.symlink_metadata() {
        Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// An open file cannot be deleted there.
#[cfg(not(unix))]
fn is_still_at(_: &Path, _: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_removed_or_replaced_is_not_the_one_of_that_name() {
        let path = std::env::temp_dir().join(format!("toacc-lock-{}", std::process::id()));
        let create = || File::create(&path).unwrap();
        let opened = create();
        assert!(is_still_at(&path, &opened).unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(!is_still_at(&path, &opened).unwrap());
        let other = create();
        assert!(!is_still_at(&path, &opened).unwrap() && is_still_at(&path, &other).unwrap());
        assert!(is_still_at(&path.join("below"), &opened).is_err(), "a file is not a directory");
        std::fs::remove_file(&path).unwrap();
    }
}
