//! Why a file cannot be read.

use std::{fmt, io, sync::Arc, time::Duration};

use super::readers::MAX_THREADS;

/// Why a file cannot be read or used. Shows nothing of its content.
#[derive(Clone, Debug)]
pub(crate) enum ReadError {
    Io(Arc<io::Error>),
    /// It is this instead of a regular file.
    NotRegular(FileKind),
    /// Longer than this many bytes.
    TooLong(u64),
    /// The read did not finish within this time.
    Slow(Duration),
    /// An earlier read has not finished for so long that another would not either.
    Stuck,
    /// Reads of as many files as there are threads are stuck.
    Overloaded,
    NoThread(Arc<io::Error>),
    NotUtf8,
    Utf16,
    Empty,
}

/// What a path leads to, if not to a regular file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Directory,
    Fifo,
    Socket,
    Device,
    Other,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Directory => "a directory",
            Self::Fifo => "a FIFO",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Other => "of another kind",
        })
    }
}

impl ReadError {
    /// Whether the file may come later: nobody has to change a setting for that.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Io(error) => !matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename
            ),
            Self::NotRegular(_) => false,
            _ => true,
        }
    }

    /// Whether the last good value may be used: the failure says nothing about the file's content.
    /// Removal and invalid content are treated as deliberate.
    pub(super) fn is_fault(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() != io::ErrorKind::NotFound,
            Self::NotRegular(_) | Self::Slow(_) | Self::Stuck | Self::Overloaded => true,
            Self::NoThread(_) => true,
            Self::TooLong(_) | Self::NotUtf8 | Self::Utf16 | Self::Empty => false,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotRegular(kind) => {
                write!(f, "it is {kind}, and only regular files are read; for others use a closure")
            }
            Self::TooLong(bytes) if bytes % (1024 * 1024) == 0 => {
                write!(f, "it is longer than {} MiB", bytes / (1024 * 1024))
            }
            Self::TooLong(bytes) => write!(f, "it is longer than {} KiB", bytes / 1024),
            Self::Slow(limit) => {
                write!(f, "reading it took longer than {limit:?}; check the mount that it is on")
            }
            Self::Stuck => {
                f.write_str("an earlier read of it does not finish; check the mount that it is on")
            }
            Self::Overloaded => write!(
                f,
                "reads of {MAX_THREADS} other files do not finish, so it is not read; check the \
                 mounts that those are on"
            ),
            Self::NoThread(error) => write!(f, "no thread to read it could be started: {error}"),
            Self::NotUtf8 => f.write_str("it is not UTF-8"),
            Self::Utf16 => f.write_str("it is UTF-16; save it as UTF-8"),
            Self::Empty => f.write_str("it is empty"),
        }
    }
}

impl std::error::Error for ReadError {}
