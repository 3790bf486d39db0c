//! Files with a secret, a key, a client assertion or certificates.
//!
//! A read may never finish, as on a hung mount or a FIFO without a writer. So files are read on a
//! bounded number of separate threads and never on the runtime's threads: see [`readers`].

mod context;
mod error;
mod file;
mod file_value;
mod readers;
mod regular;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use context::{READ_TIMEOUT, ReadContext};
pub(crate) use error::{FileKind, ReadError};
pub(crate) use file::SecretFile;
pub(crate) use file_value::{FileValue, unreadable};
#[cfg(feature = "hyper-transport")]
pub(crate) use regular::Content;
pub(crate) use text::text;
#[cfg(any(feature = "jwt", feature = "dpop"))]
pub(crate) use text::without_bom;
#[cfg(any(feature = "hyper-transport", feature = "jwt", feature = "dpop"))]
pub(crate) use text::without_escapes;
