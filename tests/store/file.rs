//! The store in files.

use std::{env, fs, future::Future, path::PathBuf, time::Duration};

use tower_oauth2_client_credentials::store::{FileStore, Store as _};

use crate::{
    conformance::conforms,
    support::{MINUTE, cause, entry, granted, id, owner},
};

/// A directory of a test, with the store in another one in it.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("toacc-{}-store-{name}", std::process::id())))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("nested")
    }

    pub(crate) fn store(&self) -> FileStore {
        FileStore::new(self.path())
    }

    pub(crate) fn file(&self, kind: &str) -> PathBuf {
        let mut files = fs::read_dir(self.path()).unwrap();
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

#[tokio::test]
async fn a_directory_that_is_deleted_is_created_again() {
    let directory = Directory::new("deleted");
    let (store, id) = (directory.store(), id());
    store.write(id, entry(1, "x"), MINUTE).await.unwrap();
    fs::remove_dir_all(directory.path()).unwrap();
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
    // A caller that gives up releases its permit, so the next operation starts.
    let limit = Duration::from_millis(50);
    tokio::time::timeout(limit, store.read(id)).await.unwrap_err();
    let start = std::time::Instant::now();
    let text = cause(&store.read(id).await.unwrap_err());
    assert!(text.contains("another process holds the lock"), "{text}");
    assert!((2..4).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    drop(file);
    assert_eq!(store.read(id).await.unwrap(), Some(entry(1, "x")));
}

/// Operations on other entries go on, however many wait for the lock.
#[tokio::test]
async fn a_lock_that_is_held_stops_its_entry_only() {
    let directory = Directory::new("other-entries");
    let (store, stuck) = (directory.store(), id());
    store.write(stuck, entry(1, "x"), MINUTE).await.unwrap();
    let file = fs::File::open(directory.file("lock")).unwrap();
    fs4::FileExt::lock(&file).unwrap();
    let mut waiting: Vec<_> = (0..100).map(|_| Box::pin(store.read(stuck))).collect();
    let mut all_wait = async || {
        let poll = |cx: &mut std::task::Context<'_>| {
            let mut operations = waiting.iter_mut();
            std::task::Poll::Ready(operations.all(|it| it.as_mut().poll(cx).is_pending()))
        };
        std::future::poll_fn(poll).await
    };
    assert!(all_wait().await);
    for number in 0..3 {
        granted(store.lease(id(), owner(number), MINUTE).await.unwrap());
    }
    assert!(all_wait().await);
    drop(file);
    for read in waiting {
        assert_eq!(read.await.unwrap(), Some(entry(1, "x")));
    }
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
