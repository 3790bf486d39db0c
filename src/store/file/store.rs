//! The store.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::{Semaphore, oneshot};

use super::{directory::Files, lock::EntryLock, operations};
use crate::store::traits::{EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry};

/// Stack size of a thread in bytes. An operation needs little, since its buffers are on the heap.
const STACK_BYTES: usize = 128 * 1024;

/// A store in files, for processes of one machine: command-line tools, and functions that keep a
/// directory.
///
/// The directory is created with mode 0700 when it is first used, and its files have mode 0600. On
/// Windows, they have the permissions of the parent directory. Files are replaced atomically, under
/// an advisory lock. Use a directory of a local file system.
///
/// Readers poll, since files announce nothing. Each operation runs on a separate thread. If the
/// file system hangs, one thread is stuck, and operations fail when their callers stop waiting.
///
/// A file of an expired entry is deleted when its entry is next used. Files of entries that are no
/// longer used remain. They can be deleted at any time.
///
/// # Examples
///
/// ```no_run
/// use std::path::PathBuf;
/// use tower_oauth2_client_credentials::store::FileStore;
///
/// let cache = PathBuf::from(std::env::var("XDG_CACHE_HOME")?);
/// let store = FileStore::new(cache.join("my-tool/tokens"));
/// # Ok::<(), std::env::VarError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileStore {
    directory: Arc<Path>,
    /// One operation at a time, so that a hung file system blocks one thread.
    turns: Arc<Semaphore>,
}

impl FileStore {
    /// A store in this directory, which is created when it is first used. Nothing else should be in
    /// it.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into().into(), turns: Arc::new(Semaphore::new(1)) }
    }

    async fn run<T: Send + 'static>(
        &self,
        id: EntryId,
        operation: impl FnOnce(&Files) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| StoreError::new("the store is closed"))?;
        let files = Files::new(&self.directory, id);
        let (sender, receiver) = oneshot::channel();
        // Not on the blocking pool, because a runtime waits for that when it shuts down.
        let work = move || {
            let result = files.prepare().and_then(|()| {
                let _lock = EntryLock::acquire(&files.lock(), || !sender.is_closed())?;
                operation(&files)
            });
            drop(turn);
            // The caller may have stopped waiting.
            let _ = sender.send(result);
        };
        let started = thread::Builder::new()
            .name("token-store-file".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(work);
        let failed = |error: &io::Error| StoreError::new(self.describe(error));
        started.map_err(|error| failed(&error))?;
        let result =
            receiver.await.unwrap_or_else(|_| Err(io::Error::other("its thread panicked")));
        result.map_err(|error| failed(&error))
    }

    /// `problem: cause; what to do`.
    fn describe(&self, error: &io::Error) -> String {
        let advice = match error.kind() {
            io::ErrorKind::TimedOut => {
                let at = self.directory.display();
                return format!(
                    "store directory {at}: another process holds the lock of an entry; end that \
                     process if it is stopped"
                );
            }
            io::ErrorKind::PermissionDenied => {
                "it must belong to the user of this process and have mode 0700"
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
            io::ErrorKind::ReadOnlyFilesystem => "choose a directory that can be written to",
            io::ErrorKind::InvalidData => "nothing else should write to it",
            _ => "check the path, its permissions and its file system",
        };
        format!("store directory {}: {error}; {advice}", self.directory.display())
    }
}

impl Store for FileStore {
    async fn read(&self, id: EntryId) -> Result<Option<StoredEntry>, StoreError> {
        self.run(id, operations::entry).await
    }

    async fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<Lease, StoreError> {
        self.run(id, move |files| operations::lease(files, owner, duration)).await
    }

    async fn renew(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        self.run(id, move |files| operations::renew(files, owner, duration)).await
    }

    async fn release(&self, id: EntryId, owner: LeaseOwner) -> Result<(), StoreError> {
        self.run(id, move |files| operations::release(files, owner)).await
    }

    async fn write(
        &self,
        id: EntryId,
        entry: StoredEntry,
        keep: Duration,
    ) -> Result<bool, StoreError> {
        self.run(id, move |files| operations::write(files, entry, keep)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_a_directory_says_what_to_do() {
        use io::ErrorKind as K;
        let store = FileStore::new("/var/lib/tokens");
        for (kind, advice) in [
            (K::TimedOut, "end that process if it is stopped"),
            (K::PermissionDenied, "mode 0700"),
            (K::StorageFull, "free some space"),
            (K::QuotaExceeded, "free some space"),
            (K::ReadOnlyFilesystem, "choose a directory that can be written to"),
            (K::InvalidData, "nothing else should write to it"),
            (K::NotADirectory, "check the path"),
        ] {
            let text = store.describe(&kind.into());
            assert!(text.starts_with("store directory /var/lib/tokens: "), "{text}");
            assert!(text.contains(advice), "{text}");
        }
    }
}
