//! The store in files.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tower_oauth2_client_credentials::store::{FileStore, Store as _};

use crate::{
    conformance::conforms,
    support::{MINUTE, cause, entry, granted, id, owner},
};

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("toacc-{}-store-{name}", std::process::id())))
    }

    fn store(&self) -> FileStore {
        FileStore::new(self.0.join("nested"))
    }

    fn file(&self, kind: &str) -> PathBuf {
        let mut files = fs::read_dir(self.0.join("nested")).unwrap();
        let suffix = format!(".{kind}");
        files
            .find_map(|file| {
                let path = file.unwrap().path();
                path.to_str().unwrap().ends_with(&suffix).then_some(path)
            })
            .unwrap_or_else(|| panic!("there is no {kind}"))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn it_conforms() {
    let directory = Directory::new("conforms");
    conforms(directory.store(), directory.store()).await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let directory = Directory::new("mode");
    let (store, id) = (directory.store(), id());
    granted(store.lease(id, owner(1), MINUTE).await.unwrap());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    assert_eq!(mode(&directory.0.join("nested")), 0o700);
    for kind in ["entry", "lease", "lock"] {
        assert_eq!(mode(&directory.file(kind)), 0o600, "{kind}");
    }
    assert_eq!(fs::read_dir(directory.0.join("nested")).unwrap().count(), 3);
    // Others could replace the files.
    fs::set_permissions(directory.0.join("nested"), fs::Permissions::from_mode(0o770)).unwrap();
    let text = cause(&store.read(id).await.unwrap_err());
    assert!(text.contains("mode 770") && text.contains("0700"), "{text}");
}

#[tokio::test]
async fn a_damaged_entry_is_an_error_and_stays() {
    let directory = Directory::new("damaged");
    let (store, id) = (directory.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    let path = directory.file("entry");
    for damage in [&b""[..], b"toaccen", b"{}", &[b'x'; 1024 * 1024]] {
        fs::write(&path, damage).unwrap();
        for error in [
            store.read(id).await.unwrap_err(),
            store.lease(id, owner(1), MINUTE).await.unwrap_err(),
            store.write(id, entry(2, "y"), MINUTE).await.unwrap_err(),
        ] {
            let text = cause(&error);
            assert!(text.contains("nested") && text.contains("write to it"), "{text}");
        }
        assert_eq!(fs::read(&path).unwrap(), damage);
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(store.read(id).await.unwrap(), None);
}

#[tokio::test]
async fn a_damaged_lease_is_free() {
    let directory = Directory::new("damaged-lease");
    let (store, id) = (directory.store(), id());
    granted(store.lease(id, owner(1), MINUTE).await.unwrap());
    fs::write(directory.file("lease"), "x").unwrap();
    assert!(!store.renew(id, owner(1), MINUTE).await.unwrap());
    granted(store.lease(id, owner(2), MINUTE).await.unwrap());
}

#[tokio::test]
async fn the_rest_of_an_interrupted_write_is_replaced() {
    let directory = Directory::new("interrupted");
    let (store, id) = (directory.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    fs::write(directory.file("entry").with_extension("new"), "toaccen1 half").unwrap();
    assert_eq!(store.read(id).await.unwrap(), Some(entry(1, "x")));
    store.write(id, entry(2, "y"), MINUTE).await.unwrap();
    assert_eq!(store.read(id).await.unwrap(), Some(entry(2, "y")));
    assert!(!directory.file("entry").with_extension("new").exists());
}

#[tokio::test]
async fn a_directory_that_is_deleted_is_created_again() {
    let directory = Directory::new("deleted");
    let (store, id) = (directory.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    fs::remove_dir_all(directory.0.join("nested")).unwrap();
    assert_eq!(store.read(id).await.unwrap(), None);
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    assert_eq!(store.read(id).await.unwrap(), Some(entry(1, "x")));
}

#[tokio::test]
async fn an_unusable_directory_is_an_error_that_names_it() {
    let directory = Directory::new("unusable");
    fs::write(&directory.0, "a file").unwrap();
    let text = cause(&directory.store().read(id()).await.unwrap_err());
    assert!(text.contains("store-unusable/nested") && text.contains("; check"), "{text}");
    fs::remove_file(&directory.0).unwrap();
}

#[tokio::test]
async fn a_lock_that_is_held_is_waited_for_at_most_2_s() {
    let directory = Directory::new("locked");
    let (store, id) = (directory.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    let file = fs::File::open(directory.file("lock")).unwrap();
    fs4::FileExt::lock(&file).unwrap();
    // A caller that waits for less leaves nothing behind: the next one has its turn.
    let limit = Duration::from_millis(50);
    tokio::time::timeout(limit, store.read(id)).await.unwrap_err();
    let start = std::time::Instant::now();
    let text = cause(&store.read(id).await.unwrap_err());
    assert!(text.contains("another process holds the lock"), "{text}");
    assert!((2..4).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    drop(file);
    assert_eq!(store.read(id).await.unwrap(), Some(entry(1, "x")));
}

#[test]
fn a_runtime_does_not_wait_for_it_at_shutdown() {
    let directory = Directory::new("shutdown");
    let (store, id) = (directory.store(), id());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(store.write(id, entry(1, "x"), MINUTE)).unwrap();
    let file = fs::File::open(directory.file("lock")).unwrap();
    fs4::FileExt::lock(&file).unwrap();
    let limit = Duration::from_millis(50);
    runtime.block_on(async { tokio::time::timeout(limit, store.read(id)).await }).unwrap_err();
    let start = std::time::Instant::now();
    drop(runtime);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}
