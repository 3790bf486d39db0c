//! The files that settings name.

use std::path::{Component, Path, PathBuf};

use super::{ClientCredentialsConfig, read::config};
use crate::{
    error::{BoxError, Error},
    secret_file::{FileKind, MAX_BYTES, ReadError, SecretFile, text},
};

impl ClientCredentialsConfig {
    /// Checks the settings and the files that they name, more strictly than
    /// [`builder`](Self::builder): each file must be there now, be readable, and hold what its
    /// setting is for. Keys, certificates and assertions are parsed.
    ///
    /// Without it, a missing file is a warning at first, as something else may create the file
    /// later. A wrong key is an error of the first acquisition.
    ///
    /// Reads files on the calling thread, for 5 s at most each.
    ///
    /// # Errors
    ///
    /// Kind `Config`: as for [`builder`](Self::builder), and naming the setting whose file cannot be
    /// used.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[cfg(feature = "hyper")] {
    /// use tower_oauth2_client_credentials::ClientCredentialsConfig;
    ///
    /// let config = ClientCredentialsConfig::from_env();
    /// config.check()?;
    /// let tokens = config.into_cache()?;
    /// # let _ = tokens;
    /// # }
    /// # Ok::<(), tower_oauth2_client_credentials::Error>(())
    /// ```
    pub fn check(&self) -> Result<(), Error> {
        let _ = self.builder()?;
        self.check_parameter_files()?;
        self.check_credential_files()
    }

    /// The file that a setting names. It need not be there yet.
    pub(super) fn file(&self, setting: &str) -> Result<Option<SecretFile>, Error> {
        let Some(file) = self.located(setting, MAX_BYTES)? else { return Ok(None) };
        if let Err(error) = &file.read {
            self.warn_unread(setting, error);
        }
        Ok(Some(file.file))
    }

    /// A file whose path is a part of a setting. It need not be there yet, if its folder is.
    pub(super) fn file_at(&self, setting: &str, path: &str) -> Result<SecretFile, Error> {
        let Located { file, read } = self.locate(setting, path, MAX_BYTES)?;
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

    /// The file that a setting names, and what reading it ended with.
    ///
    /// # Errors
    ///
    /// When it is not a path of a file and will not become one.
    pub(super) fn located(&self, setting: &str, max_bytes: u64) -> Result<Option<Located>, Error> {
        let Some(text) = self.text(setting)? else { return Ok(None) };
        self.locate(setting, &text, max_bytes).map(Some)
    }

    /// As [`located`](Self::located), with the path as text.
    fn locate(&self, setting: &str, path: &str, max_bytes: u64) -> Result<Located, Error> {
        let path = PathBuf::from(path);
        let file = SecretFile::new(&path).with_max_bytes(max_bytes);
        let read = file.read_blocking().map(drop);
        match read {
            Err(ReadError::NotRegular(FileKind::Directory)) => {
                Err(self.wrong(setting, "it is a directory"))
            }
            Err(error) if !error.may_pass() => Err(self.unusable_file(setting, error.into())),
            Err(_) if !is_in_a_folder(&path) => {
                // The path is not shown: it may be a secret that belongs into another setting.
                let file = file.with_name(&self.name(setting));
                Ok(Located { file, read })
            }
            _ => Ok(Located { file, read }),
        }
    }

    pub(super) fn warn_unread(&self, setting: &str, error: &ReadError) {
        let setting = self.name(setting);
        tracing::warn!(setting, %error, "file not read yet, it is read again when needed");
    }

    /// Checks what is in the file of a setting, if that is set.
    pub(super) fn check_file(
        &self,
        setting: &str,
        parse: impl FnOnce(&str) -> Result<(), BoxError>,
    ) -> Result<(), Error> {
        let Some(file) = self.located(setting, MAX_BYTES)? else { return Ok(()) };
        let content = file.file.read_blocking().map_err(BoxError::from);
        content
            .and_then(|content| parse(text(&content)?))
            .map_err(|cause| self.unusable_file(setting, cause))
    }

    fn check_parameter_files(&self) -> Result<(), Error> {
        const SETTING: &str = "parameter_files";
        for (_, path) in self.pairs(SETTING)? {
            let Located { file, .. } = self.locate(SETTING, path.trim(), MAX_BYTES)?;
            let content = file.read_blocking().and_then(|content| text(&content).map(drop));
            content.map_err(|error| self.unusable_file(SETTING, error.into()))?;
        }
        Ok(())
    }

    pub(super) fn unusable_file(&self, setting: &str, cause: BoxError) -> Error {
        let setting = self.name(setting);
        let detail = match cause.downcast_ref::<Error>().and_then(Error::detail) {
            // A mistake of ours shows nothing of the file.
            Some(detail) => format!("{setting}: {detail}"),
            None => match cause.downcast_ref() {
                Some(ReadError::Io(error)) => {
                    format!("{setting}: no file can be read there ({error})")
                }
                _ => format!("{setting}: {cause}"),
            },
        };
        config(detail).with_source(cause)
    }
}

pub(super) struct Located {
    pub(super) file: SecretFile,
    pub(super) read: Result<(), ReadError>,
}

/// Whether a text names a file in a folder that is there, so that it is a path and not a secret.
fn is_in_a_folder(path: &Path) -> bool {
    let Some(folder) = path.parent() else { return false };
    let is_named = folder.components().any(|part| matches!(part, Component::Normal(_)));
    // As a file, so that a hung mount is waited for a bounded time.
    let read = || SecretFile::new(folder).read_blocking();
    is_named && matches!(read(), Err(ReadError::NotRegular(FileKind::Directory)))
}
