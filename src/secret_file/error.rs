//! Why a file cannot be read.

use std::{fmt, io, sync::Arc, time::Duration};

/// Why a file cannot be read or used. Shows nothing of its content.
#[derive(Clone, Debug)]
pub(crate) enum ReadError {
    Io(Arc<io::Error>),
    /// The path leads to this instead of a regular file.
    NotRegular(FileKind),
    /// Longer than this many bytes.
    TooLong(usize),
    /// The read did not finish within this time limit.
    Slow(Duration),
    /// An earlier read of the same file has not finished yet, and has taken too long.
    Stuck,
    /// Reads of this many files are stuck, and no thread is free.
    Overloaded(usize),
    NoThread(Arc<io::Error>),
    NotUtf8,
    Utf16,
    Empty,
}

/// A file that is not regular.
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
    /// Whether the file may appear later without a change of the settings.
    pub(crate) fn may_appear_later(&self) -> bool {
        match self {
            Self::Io(error) => !matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename
            ),
            Self::NotRegular(_) => false,
            _ => true,
        }
    }

    /// Whether the value that was read last may be used. It may not after the file was removed, or
    /// when its content is invalid: both are treated as deliberate.
    pub(super) fn allows_last_good(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() != io::ErrorKind::NotFound,
            Self::NotRegular(_) | Self::Slow(_) | Self::Stuck | Self::Overloaded(_) => true,
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
            Self::Io(error) => {
                write!(f, "{error}; check the path and the permissions of this process")
            }
            Self::NotRegular(kind) => write!(
                f,
                "it is {kind}, and only regular files are read; pass a regular file or a closure"
            ),
            Self::TooLong(bytes) if bytes % (1024 * 1024) == 0 => {
                write!(f, "it is longer than {} MiB; check the path", bytes / (1024 * 1024))
            }
            Self::TooLong(bytes) => {
                write!(f, "it is longer than {} KiB; check the path", bytes / 1024)
            }
            Self::Slow(timeout) => {
                write!(f, "reading it took longer than {timeout:?}; check its mount")
            }
            Self::Stuck => f.write_str("an earlier read of it has not finished; check its mount"),
            Self::Overloaded(threads) => {
                write!(f, "reads of {threads} other files have not finished; check their mounts")
            }
            Self::NoThread(error) => write!(
                f,
                "no thread to read it could be started: {error}; check the limits of this process"
            ),
            Self::NotUtf8 => f.write_str("it is not UTF-8; save it as UTF-8"),
            Self::Utf16 => f.write_str("it is UTF-16; save it as UTF-8"),
            Self::Empty => f.write_str("it is empty; write the value to it"),
        }
    }
}

impl std::error::Error for ReadError {}
