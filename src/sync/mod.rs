//! The synchronization that the cache is built on. It is in one place so that the model check
//! (`cache/model`) can replace it.

mod stripe;

pub(crate) use std::sync::{Arc, Weak};

pub(crate) use self::stripe::{Striped, stripe, stripes};

#[cfg(all(test, oauth_loom))]
pub(crate) mod modelled;
#[cfg(all(test, oauth_loom))]
use self::modelled as imp;

#[cfg(not(all(test, oauth_loom)))]
mod imp {
    pub(crate) use std::sync::{Mutex, MutexGuard, OnceLock, atomic::AtomicBool};

    pub(crate) use arc_swap::{ArcSwapOption, Guard};
    pub(crate) use tokio::runtime::Handle;
}

pub(crate) use imp::{ArcSwapOption, AtomicBool, Guard, Handle, Mutex, MutexGuard, OnceLock};

/// Locks a mutex, also after a panic: each critical section leaves its data valid at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
