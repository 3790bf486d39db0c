//! Other users of the machine.
#![cfg(unix)]

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
};

use tower_oauth2_client_credentials::store::{FileStore, Store as _};

use crate::{
    file::Directory,
    support::{MINUTE, cause, entry, granted, id, owner},
};

#[tokio::test]
async fn only_the_user_can_read_it() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let directory = Directory::new("mode");
    let (store, id) = (directory.store(), id());
    granted(store.lease(id, owner(1), MINUTE).await.unwrap());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    assert_eq!(mode(&directory.path()), 0o700);
    for kind in ["entry", "lease", "lock"] {
        assert_eq!(mode(&directory.file(kind)), 0o600, "{kind}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
    // Others could replace the files.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let text = cause(&store.read(id).await.unwrap_err());
    assert!(text.contains("mode 770") && text.contains("0700"), "{text}");
}

/// Root can give a directory away. For any other user, `/` is a directory of another user.
#[tokio::test]
async fn a_directory_of_another_user_is_refused() {
    let directory = Directory::new("owner");
    fs::create_dir_all(directory.path()).unwrap();
    let user = fs::metadata(directory.path()).unwrap().uid();
    let foreign = match chown(directory.path(), Some(user.wrapping_add(12_345)), None) {
        Ok(()) => directory.path(),
        Err(_not_root) => PathBuf::from("/"),
    };
    assert_ne!(fs::metadata(&foreign).unwrap().uid(), user);
    let (store, id) = (FileStore::new(&foreign), id());
    for error in [
        store.read(id).await.unwrap_err(),
        store.lease(id, owner(1), MINUTE).await.unwrap_err(),
        store.write(id, entry(1, "s3cret"), MINUTE).await.unwrap_err(),
    ] {
        let text = cause(&error);
        assert!(text.contains("another user owns it") && text.contains("must belong"), "{text}");
    }
    assert!(!foreign.join(format!("{id}.lock")).exists());
}

#[tokio::test]
async fn symbolic_links_are_not_followed() {
    let directory = Directory::new("links");
    let (store, id) = (directory.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    granted(store.lease(id, owner(1), MINUTE).await.unwrap());
    let elsewhere = directory.path().with_file_name("elsewhere");
    for kind in ["lock", "entry", "lease"] {
        let path = directory.path().join(format!("{id}.{kind}"));
        let content = fs::read(&path).unwrap();
        // To a file that would be valid, and to one that does not exist.
        for target in [Some(&content), None] {
            let _ = fs::remove_file(&elsewhere);
            if let Some(content) = target {
                fs::write(&elsewhere, content).unwrap();
            }
            fs::remove_file(&path).unwrap();
            symlink(&elsewhere, &path).unwrap();
            let text = cause(&store.lease(id, owner(2), MINUTE).await.unwrap_err());
            let expected = format!("{id}.{kind} is a symbolic link; delete it");
            assert!(text.contains(&expected), "{text}");
            assert_eq!(fs::read(&elsewhere).ok().as_ref(), target);
        }
        fs::remove_file(&path).unwrap();
        fs::write(&path, content).unwrap();
    }
    // The name under which new content is written first.
    symlink(&elsewhere, directory.path().join(format!("{id}.new"))).unwrap();
    assert!(store.write(id, entry(2, "y"), MINUTE).await.unwrap());
    assert!(!elsewhere.exists());
    assert_eq!(store.read(id).await.unwrap(), Some(entry(2, "y")));
}
