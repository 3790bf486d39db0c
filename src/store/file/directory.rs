//! The directory of a store and its files. Only its user can read them.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::record::MAX_FILE_BYTES;
use crate::store::traits::EntryId;

/// Whether a file is written to the disk before it gets its name.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Durability {
    /// A file of a machine that lost power is complete, or is the one before.
    Synced,
    /// It may be empty then.
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

    pub(super) fn lock(&self) -> PathBuf {
        self.path("lock")
    }

    pub(super) fn entry(&self) -> PathBuf {
        self.path("entry")
    }

    pub(super) fn lease(&self) -> PathBuf {
        self.path("lease")
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.directory.join(format!("{}.{kind}", self.id))
    }

    /// Creates the directory, if it does not exist, with its parents.
    ///
    /// # Errors
    ///
    /// If other users can write to it: they could delete or replace the files.
    pub(super) fn prepare(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.directory)?;
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::MetadataExt::mode(&self.directory.metadata()?);
            if mode & 0o022 != 0 {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!("other users can write to it (mode {:o})", mode & 0o7777),
                ));
            }
        }
        Ok(())
    }

    /// Replaces a file. A reader sees the old content or the new one. The lock must be held.
    pub(super) fn replace(
        &self,
        path: &Path,
        content: &[u8],
        durability: Durability,
    ) -> io::Result<()> {
        let temporary = self.path("new");
        // Of a process that was killed.
        remove(&temporary)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&temporary).and_then(|mut file| {
            file.write_all(content)?;
            if durability == Durability::Synced { file.sync_data() } else { Ok(()) }
        });
        let replaced = written.and_then(|()| fs::rename(&temporary, path));
        if replaced.is_err() {
            // A full disk leaves a part of it. The first error is the one to report.
            let _ = remove(&temporary);
        }
        replaced
    }
}

/// The content of a file. `None`: there is no file.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut content)?;
    if content.len() > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a file in it is too long"));
    }
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
