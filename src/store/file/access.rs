//! Keeps other users away from the files.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    path::Path,
};

/// Creates a directory, if it does not exist, with its parents.
///
/// # Errors
///
/// If another user owns it or can write to it. That user could delete or replace the files.
pub(super) fn prepare(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = directory.metadata()?;
        let user = rustix::process::geteuid().as_raw();
        check_owner_and_mode(metadata.uid(), metadata.mode(), user)
            .map_err(|why| io::Error::new(io::ErrorKind::PermissionDenied, why))?;
    }
    Ok(())
}

#[cfg(unix)]
fn check_owner_and_mode(owner: u32, mode: u32, user: u32) -> Result<(), String> {
    if owner != user {
        Err(format!("another user owns it (user id {owner}, this process has {user})"))
    } else if mode & 0o022 != 0 {
        Err(format!("other users can write to it (mode {:o})", mode & 0o7777))
    } else {
        Ok(())
    }
}

/// Opens a file. A new one has mode 0600.
///
/// # Errors
///
/// Kind `InvalidData`, if it is a symbolic link: a file elsewhere would be read or created.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW);
    }
    let opened = options.open(path);
    // The BSDs have another code than Linux and macOS.
    #[cfg(unix)]
    if let Err(error) = &opened
        && matches!(error.raw_os_error(), Some(libc::ELOOP | libc::EMLINK))
    {
        let why = format!("{} is a symbolic link; delete it", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    opened
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_directory_must_belong_to_the_user_and_be_writable_by_nobody_else() {
        for (owner, mode, user) in [(1000, 0o40700, 1000), (0, 0o40755, 0), (7, 0o700, 7)] {
            assert_eq!(check_owner_and_mode(owner, mode, user), Ok(()));
        }
        for (owner, user) in [(0, 1000), (1000, 0), (1000, 1001), (u32::MAX, 0)] {
            let why = check_owner_and_mode(owner, 0o40700, user).unwrap_err();
            assert!(why.contains("another user owns it"), "{why}");
        }
        for (mode, shown) in [(0o40770, "770"), (0o40702, "702"), (0o41777, "1777")] {
            let why = check_owner_and_mode(0, mode, 0).unwrap_err();
            assert_eq!(why, format!("other users can write to it (mode {shown})"));
        }
    }
}
