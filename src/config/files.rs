//! Files that are named by settings.

use std::path::{Component, Path, PathBuf};

use super::{ClientCredentialsConfig, read::config_error};
use crate::{
    error::{BoxError, Error},
    limits::MAX_CREDENTIAL_BYTES,
    secret_file::{FileKind, ReadError, SecretFile, text},
};

impl ClientCredentialsConfig {
    /// Checks the settings and the files that they name, more strictly than
    /// [`source_builder`](Self::source_builder). Each file must exist, be readable and have valid content. Keys,
    /// certificates and assertions are parsed.
    ///
    /// Without this check a missing file is only a warning, since it may be created later. A wrong key
    /// is an error of the first acquisition.
    ///
    /// Reads files on the calling thread, for 5 s at most each.
    ///
    /// # Errors
    ///
    /// Same errors as [`source_builder`](Self::source_builder). Also kind `Config`, naming the setting, if its
    /// file cannot be used.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[cfg(feature = "hyper-transport")] {
    /// use tower_oauth2_client_credentials::config::ClientCredentialsConfig;
    ///
    /// let config = ClientCredentialsConfig::from_env();
    /// config.check()?;
    /// let tokens = config.into_cache()?;
    /// # let _ = tokens;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let _ = self.source_builder()?;
        self.check_parameter_files()?;
        self.check_credential_files()
    }

    /// The file that a setting names. It may be missing.
    pub(super) fn file(&self, setting: &str) -> Result<Option<SecretFile>, Error> {
        let Some(file) = self.located(setting, MAX_CREDENTIAL_BYTES)? else { return Ok(None) };
        if let Err(error) = &file.read {
            self.warn_unread(setting, error);
        }
        Ok(Some(file.file))
    }

    /// A file whose path is part of a setting. It may be missing if its folder exists.
    pub(super) fn file_at(&self, setting: &str, path: &str) -> Result<SecretFile, Error> {
        let Located { file, read } = self.locate(setting, path, MAX_CREDENTIAL_BYTES)?;
        match read {
            Ok(()) => Ok(file),
            Err(error) if is_in_a_folder(Path::new(path)) => {
                self.warn_unread(setting, &error);
                Ok(file)
            }
            // Errors of requests show the parameter's name, which may be a misplaced secret.
            Err(error) => Err(self.unusable_file(setting, error.into())),
        }
    }

    /// The file that a setting names, and the outcome of reading it.
    ///
    /// # Errors
    ///
    /// An error if the setting cannot be the path of a file.
    pub(super) fn located(
        &self,
        setting: &str,
        max_bytes: usize,
    ) -> Result<Option<Located>, Error> {
        let Some(text) = self.text(setting)? else { return Ok(None) };
        self.locate(setting, &text, max_bytes).map(Some)
    }

    /// Same as [`located`](Self::located), with the path as text.
    fn locate(&self, setting: &str, path: &str, max_bytes: usize) -> Result<Located, Error> {
        let path = PathBuf::from(path);
        let file = SecretFile::new(&path).with_max_bytes(max_bytes);
        let read = file.read_blocking().map(drop);
        match read {
            Err(ReadError::NotRegular(FileKind::Directory)) => {
                Err(self.wrong(setting, "it is a directory"))
            }
            Err(error) if !error.may_appear_later() => {
                Err(self.unusable_file(setting, error.into()))
            }
            Err(_) if !is_in_a_folder(&path) => {
                // The path is not shown: it may be a misplaced secret.
                let file = file.with_name(&self.name(setting));
                Ok(Located { file, read })
            }
            _ => Ok(Located { file, read }),
        }
    }

    pub(super) fn warn_unread(&self, setting: &str, error: &ReadError) {
        let setting = self.name(setting);
        tracing::warn!(
            target: crate::event::TARGET,
            setting,
            error = error as &dyn std::error::Error,
            "file not read yet, it is read again when needed"
        );
    }

    /// Checks the content of the file that a setting names, if the setting is set.
    pub(super) fn check_file(
        &self,
        setting: &str,
        parse: impl FnOnce(&str) -> Result<(), BoxError>,
    ) -> Result<(), Error> {
        let Some(file) = self.located(setting, MAX_CREDENTIAL_BYTES)? else { return Ok(()) };
        let content = file.file.read_blocking().map_err(BoxError::from);
        content
            .and_then(|content| parse(text(&content)?))
            .map_err(|cause| self.unusable_file(setting, cause))
    }

    fn check_parameter_files(&self) -> Result<(), Error> {
        const SETTING: &str = "parameter_files";
        for (_, path) in self.pairs(SETTING)? {
            let Located { file, .. } = self.locate(SETTING, path.trim(), MAX_CREDENTIAL_BYTES)?;
            let content = file.read_blocking().and_then(|content| text(&content).map(drop));
            content.map_err(|error| self.unusable_file(SETTING, error.into()))?;
        }
        Ok(())
    }

    pub(super) fn unusable_file(&self, setting: &str, cause: BoxError) -> Error {
        let setting = self.name(setting);
        let detail = match cause.downcast_ref::<Error>().and_then(Error::detail) {
            // This crate's own errors show nothing of the file's content.
            Some(detail) => format!("{setting}: {detail}"),
            None => match cause.downcast_ref() {
                Some(ReadError::Io(error)) => {
                    format!("{setting}: no file can be read there ({error}); check the path")
                }
                _ => format!("{setting}: {cause}"),
            },
        };
        config_error(detail).with_source(cause)
    }
}

pub(super) struct Located {
    pub(super) file: SecretFile,
    pub(super) read: Result<(), ReadError>,
}

/// Whether a text names a file in an existing folder. Then it is a path, and not a misplaced secret.
fn is_in_a_folder(path: &Path) -> bool {
    let Some(folder) = path.parent() else { return false };
    let is_named = folder.components().any(|part| matches!(part, Component::Normal(_)));
    // Read as a file, so that the wait for a hung mount is bounded.
    let read = || SecretFile::new(folder).read_blocking();
    is_named && matches!(read(), Err(ReadError::NotRegular(FileKind::Directory)))
}
