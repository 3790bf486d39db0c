//! A value that is read from a file again for each use.

use std::fmt;

use super::{context::ReadContext, file::SecretFile, text::text};
use crate::{
    error::{BoxError, Error, Problem},
    event::EventKind,
    sync::{Mutex, lock},
};

/// The value in a file. While the file cannot be read, as on a hung mount, the value that was read
/// last is used. A file that was removed or has invalid content is an error.
pub(crate) struct FileValue<T> {
    /// The name of the value in messages: `client secret`.
    name: &'static str,
    file: SecretFile,
    last_good: Mutex<Option<T>>,
}

impl<T: Clone> FileValue<T> {
    pub(crate) fn new(name: &'static str, file: SecretFile) -> Self {
        Self { name, file, last_good: Mutex::new(None) }
    }

    /// Reads the file and makes the value of its text.
    ///
    /// # Errors
    ///
    /// Kind `Credentials`, naming the file.
    pub(crate) async fn read(
        &self,
        context: &ReadContext,
        parse: impl FnOnce(&str) -> Result<T, BoxError>,
    ) -> Result<T, Error> {
        let unreadable = |cause| unreadable(self.name, &self.file, cause);
        let content = match self.file.read(context.timeout).await {
            Ok(content) => content,
            Err(cause) => {
                let last_good = lock(&self.last_good).clone().filter(|_| cause.allows_last_good());
                let error = unreadable(cause.into());
                let Some(value) = last_good else { return Err(error) };
                let from = self.file.name().to_owned();
                context.observer.emit(EventKind::StaleCredentialUsed { from, error });
                return Ok(value);
            }
        };
        let value = text(&content).map_err(BoxError::from).and_then(parse).map_err(unreadable)?;
        *lock(&self.last_good) = Some(value.clone());
        Ok(value)
    }

    /// Same as [`read`](Self::read), but blocks, and does not use the last good value.
    #[cfg(feature = "jwt")]
    pub(crate) fn check(
        &self,
        parse: impl FnOnce(&str) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        parse(text(&self.file.read_blocking()?)?)
    }
}

/// The error of a file that cannot be used.
pub(crate) fn unreadable(name: &str, file: &SecretFile, cause: BoxError) -> Error {
    // The text of our own error names its kind, which would then appear twice.
    let why = match cause.downcast_ref::<Error>().and_then(Error::detail) {
        Some(detail) => detail.to_owned(),
        None => cause.to_string(),
    };
    Error::of(Problem::Credentials)
        .with_detail(format!("{name} file {}: {why}", file.name()))
        .with_source(cause)
}

impl<T> fmt::Debug for FileValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}
