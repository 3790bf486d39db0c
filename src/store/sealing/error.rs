//! The errors of opening an envelope.

use std::fmt;

/// Why an envelope does not open. Such an envelope is never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenError {
    /// Sealed by a key that is not configured here.
    UnknownKey,
    /// Changed, truncated, or copied from another entry or generation.
    Damaged,
    /// Of a format that this version of the crate does not know.
    Version(u8),
    /// Plain text, where only sealed entries are accepted.
    PlainText,
    /// Sealed, where only plain text is accepted.
    Sealed,
    /// Longer than any envelope.
    TooLong,
    /// Of a generation that is far in the future.
    FromFuture,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey => f.write_str("entry sealed by another key: set a namespace"),
            Self::Damaged => f.write_str(
                "entry damaged or copied from another one: check what else writes to the store",
            ),
            Self::Version(version) => write!(
                f,
                "entry in format {version}, which this version does not know: update this process"
            ),
            Self::PlainText => f.write_str(
                "entry in plain text, but this process has a key: give all processes the same keys",
            ),
            Self::Sealed => f.write_str(
                "entry sealed, but this process has no key: give all processes the same keys",
            ),
            Self::FromFuture => f.write_str(
                "entry of a time that is far in the future: check the clock of the store",
            ),
            Self::TooLong => f.write_str("entry too long: check what else writes to the store"),
        }
    }
}

impl std::error::Error for OpenError {}
