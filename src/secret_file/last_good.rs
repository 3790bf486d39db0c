//! A value that is read from a file again for each use, and bridges reads that do not finish.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{ReadContext, SecretFile};
use crate::{
    error::{BoxError, Error, ErrorKind},
    event::Event,
};

/// The value in a file. While a hung mount or the like keeps it from being read, the value that was
/// read last is used. Not when the file was removed or holds no value.
pub(crate) struct LastGood<T> {
    /// What the file holds, for messages: `client secret`.
    what: &'static str,
    file: SecretFile,
    value: Mutex<Option<T>>,
}

impl<T: Clone> LastGood<T> {
    pub(crate) fn new(what: &'static str, file: SecretFile) -> Self {
        Self { what, file, value: Mutex::new(None) }
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
        let unreadable = |cause| unreadable(self.what, &self.file, cause);
        let content = match self.file.read(context.limit).await {
            Ok(content) => content,
            Err(fault) => {
                let last_good = self.lock().clone().filter(|_| fault.is_fault());
                let error = unreadable(fault.into());
                let Some(value) = last_good else { return Err(error) };
                let from = self.file.name().to_owned();
                context.observer.emit(&Event::CredentialKept { from, error });
                return Ok(value);
            }
        };
        let text = super::text(&content).map_err(BoxError::from);
        let value = text.and_then(parse).map_err(unreadable)?;
        *self.lock() = Some(value.clone());
        Ok(value)
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`read`](Self::read), blocking and without the last good value.
    #[cfg(feature = "jwt")]
    pub(crate) fn check(
        &self,
        parse: impl FnOnce(&str) -> Result<T, BoxError>,
    ) -> Result<T, BoxError> {
        parse(super::text(&self.file.read_blocking()?)?)
    }
}

/// The error of a file that cannot be used.
pub(crate) fn unreadable(what: &str, file: &SecretFile, cause: BoxError) -> Error {
    // An error of ours says its kind too, which would be said twice.
    let why = match cause.downcast_ref::<Error>().and_then(Error::detail) {
        Some(detail) => detail.to_owned(),
        None => cause.to_string(),
    };
    Error::new(ErrorKind::Credentials)
        .with_detail(format!("{what} file {}: {why}", file.name()))
        .with_source(cause)
}

impl<T> fmt::Debug for LastGood<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}
