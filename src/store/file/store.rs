//! The store.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::oneshot;

use super::{directory::Files, lock::EntryLock, operations, permits::Permits};
use crate::store::traits::{EntryId, Lease, LeaseOwner, Store, StoreError, StoredEntry};

/// Stack size of a thread in bytes. Buffers are on the heap.
const STACK_BYTES: usize = 128 * 1024;

/// A store in files, for processes of one machine: command-line tools, and functions that keep a
/// directory.
///
/// Use a directory of a local file system with nothing else in it. It is created with mode 0700 when it
/// is first used. It must belong to the user of the process, and nobody else may be able to write to it.
/// Its files have mode 0600, and symbolic links are not followed. On Windows, the directory and its files
/// have the permissions of the parent directory. Files are replaced atomically, under an advisory lock.
///
/// Readers poll, since files announce nothing. Operations run on separate threads: one at a time for an
/// entry, and at most 16 at a time. If the file system hangs, these are stuck, and operations fail when
/// their callers stop waiting.
///
/// # Damaged files
///
/// A file that is not a complete entry, for instance after a disk error, is never used. The operation
/// that finds it deletes it and returns an error, and the next one finds no entry. An entry that another
/// version of this crate wrote, or that is sealed by another key, is never used and never overwritten.
///
/// The file of an expired entry is deleted when the entry is next used. Files of entries that are no
/// longer used remain. Files can be deleted at any time.
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
    permits: Arc<Permits>,
}

impl FileStore {
    /// A store in this directory, which is created when it is first used.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into().into(), permits: Arc::new(Permits::new()) }
    }

    async fn run<T: Send + 'static>(
        &self,
        id: EntryId,
        operation: impl FnOnce(&Files) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = self.permits.acquire(id).await;
        let permit = permit.map_err(|_| StoreError::new("the store is closed"))?;
        let files = Files::new(&self.directory, id);
        let (sender, receiver) = oneshot::channel();
        // Not on the blocking pool, because a runtime waits for its threads at shutdown.
        let work = move || {
            let result = files.prepare().and_then(|()| {
                let _lock = EntryLock::acquire(&files.lock_path(), || !sender.is_closed())?;
                operation(&files)
            });
            drop(permit);
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
        let at = self.directory.display();
        let advice = match error.kind() {
            io::ErrorKind::TimedOut => {
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
            // Its text has the advice.
            io::ErrorKind::InvalidData => return format!("store directory {at}: {error}"),
            _ => "check the path, its permissions and its file system",
        };
        format!("store directory {at}: {error}; {advice}")
    }
}

impl Store for FileStore {
    async fn read(&self, id: EntryId) -> Result<Option<StoredEntry>, StoreError> {
        self.run(id, operations::read_entry).await
    }

    async fn lease(
        &self,
        id: EntryId,
        owner: LeaseOwner,
        duration: Duration,
    ) -> Result<Lease, StoreError> {
        self.run(id, move |files| operations::take_lease(files, owner, duration)).await
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
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.run(id, move |files| operations::write_entry(files, entry, ttl)).await
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
