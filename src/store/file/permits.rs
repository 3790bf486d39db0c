//! How many operations run at the same time.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::{
    store::traits::EntryId,
    sync::{Mutex, lock},
};

/// Maximum number of threads of a store. A hung file system stops that many.
const MAX_THREADS: usize = 16;

/// One operation at a time for each entry, so that operations that wait for the lock of one entry
/// leave threads for others.
#[derive(Debug)]
pub(super) struct Permits {
    threads: Arc<Semaphore>,
    /// Of the entries in use.
    entries: Mutex<HashMap<EntryId, Arc<Semaphore>>>,
}

impl Permits {
    pub(super) fn new() -> Self {
        Self { threads: Arc::new(Semaphore::new(MAX_THREADS)), entries: Mutex::default() }
    }

    /// Waits until an operation on an entry may use a thread.
    pub(super) async fn acquire(self: &Arc<Self>, id: EntryId) -> Result<Permit, AcquireError> {
        let semaphore = {
            let mut entries = lock(&self.entries);
            let new = || Arc::new(Semaphore::new(1));
            Arc::clone(entries.entry(id).or_insert_with(new))
        };
        let user = EntryUser { permits: Arc::clone(self), id, semaphore: Some(semaphore.clone()) };
        let entry = semaphore.acquire_owned().await?;
        let thread = Arc::clone(&self.threads).acquire_owned().await?;
        Ok(Permit { _thread: thread, _entry: entry, _user: user })
    }
}

/// The permission to use a thread for an entry. Fields are dropped in this order.
pub(super) struct Permit {
    _thread: OwnedSemaphorePermit,
    _entry: OwnedSemaphorePermit,
    _user: EntryUser,
}

/// An operation that has a permit for an entry, or waits for it. The last one removes the entry.
struct EntryUser {
    permits: Arc<Permits>,
    id: EntryId,
    /// `None`: it is being dropped.
    semaphore: Option<Arc<Semaphore>>,
}

impl Drop for EntryUser {
    fn drop(&mut self) {
        let mut entries = lock(&self.permits.entries);
        // Under the lock, so that one of several users sees that it is the last.
        self.semaphore = None;
        if entries.get(&self.id).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
            entries.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;

    const ID: fn(usize) -> EntryId = |number| EntryId::new([u8::try_from(number).unwrap(); 32]);

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn is_ready(permits: &Arc<Permits>, number: usize) -> bool {
        poll(pin!(permits.acquire(ID(number)))).is_ready()
    }

    #[test]
    fn an_entry_has_one_permit_and_leaves_the_others_alone() {
        let permits = Arc::new(Permits::new());
        let Poll::Ready(Ok(first)) = poll(pin!(permits.acquire(ID(1)))) else { panic!() };
        let mut next = pin!(permits.acquire(ID(1)));
        assert!(poll(next.as_mut()).is_pending());
        assert!(is_ready(&permits, 2));
        drop(first);
        assert!(poll(next.as_mut()).is_ready());
    }

    #[test]
    fn threads_are_limited() {
        let permits = Arc::new(Permits::new());
        let held: Vec<_> =
            (0..MAX_THREADS).map(|number| poll(pin!(permits.acquire(ID(number))))).collect();
        assert!(held.iter().all(Poll::is_ready));
        assert!(!is_ready(&permits, MAX_THREADS));
        drop(held);
        assert!(is_ready(&permits, MAX_THREADS));
    }

    #[test]
    fn entries_that_are_not_in_use_are_removed() {
        let permits = Arc::new(Permits::new());
        let held = poll(pin!(permits.acquire(ID(1))));
        assert!(!is_ready(&permits, 1));
        for number in 2..200 {
            assert!(is_ready(&permits, number));
        }
        assert_eq!(lock(&permits.entries).len(), 1);
        drop(held);
        assert_eq!(lock(&permits.entries).len(), 0);
    }
}
