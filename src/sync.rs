//! The synchronisation that the cache is built on, in one place so that a model checker can stand
//! in for it.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

/// Locks, also after a panic: each critical section leaves its data whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
