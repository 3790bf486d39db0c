//! The directory of a store, and its files.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{access, record::MAX_FILE_BYTES};
use crate::store::traits::EntryId;

/// Whether a file is synced to the disk before it gets its name.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Durability {
    /// After a power loss, the file has the old or the new content.
    Synced,
    /// After a power loss, the file may be empty.
    Unsynced,
}

/// The files of one entry.
pub(super) struct Files {
    directory: PathBuf,
    id: EntryId,
}

impl Files {
    pub(super) fn new(directory: &Path, id: EntryId) -> Self {
        Self { directory: directory.to_owned(), id }
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.path("lock")
    }

    pub(super) fn entry_path(&self) -> PathBuf {
        self.path("entry")
    }

    pub(super) fn lease_path(&self) -> PathBuf {
        self.path("lease")
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.directory.join(format!("{}.{kind}", self.id))
    }

    /// # Errors
    ///
    /// If the directory cannot be created, or another user can change it.
    pub(super) fn prepare(&self) -> io::Result<()> {
        access::prepare(&self.directory)
    }

    /// Replaces a file atomically. The caller holds the lock.
    pub(super) fn replace(
        &self,
        path: &Path,
        content: &[u8],
        durability: Durability,
    ) -> io::Result<()> {
        let temporary = self.path("new");
        // A process that was killed may have left one.
        remove(&temporary)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let written = access::open(&mut options, &temporary).and_then(|mut file| {
            file.write_all(content)?;
            if durability == Durability::Synced { file.sync_data() } else { Ok(()) }
        });
        let replaced = written.and_then(|()| fs::rename(&temporary, path));
        if replaced.is_err() {
            // A part of it may be on a full disk. The first error is the one to report.
            let _ = remove(&temporary);
        }
        replaced
    }
}

/// The content of a file, cut off after the maximum length and one byte. `None`: there is no file.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match access::open(OpenOptions::new().read(true), path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut content)?;
    Ok(Some(content))
}

/// Removes a file, if it exists.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_up_to_the_limit_and_a_missing_one_is_no_error() {
        let path = std::env::temp_dir().join(format!("toacc-read-{}", std::process::id()));
        for (length, is_read) in [(0, true), (MAX_FILE_BYTES, true), (MAX_FILE_BYTES + 1, false)] {
            fs::write(&path, vec![7; length]).unwrap();
            match read(&path) {
                Ok(content) => assert_eq!((content.unwrap().len(), true), (length, is_read)),
                Err(error) => {
                    assert_eq!((error.kind(), false), (io::ErrorKind::InvalidData, is_read));
                }
            }
        }
        // A path below a file is an error. It does not mean that there is no entry.
        assert!(read(&path.join("below")).is_err());
        fs::remove_file(&path).unwrap();
        assert_eq!(read(&path).unwrap(), None);
    }
}
