//! The synchronisation that the cache is built on, in one place so that a model checker can stand
//! in for it (`cache/model`).

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

    /// Never: nothing is broken outside of the model.
    pub(crate) const fn broken(_: crate::sync::Fault) -> bool {
        false
    }
}

pub(crate) use imp::{
    ArcSwapOption, AtomicBool, Guard, Handle, Mutex, MutexGuard, OnceLock, broken,
};

/// Locks, also after a panic: each critical section leaves its data whole at every step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A way to break the cache, for the model checker to show that it would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A flight closes its waiters before its outcome is set.
    ClosesEarly,
    /// A waiter registers with a flight whose waiters are closed.
    JoinsLate,
    /// A waiter that is polled with another waker keeps the old one.
    KeepsWaker,
    /// A step publishes its snapshot after it has released the state.
    PublishesUnlocked,
    /// The result of a flight that was replaced counts.
    LandsLate,
    /// A step publishes its snapshot before it marks the old one as replaced.
    MarksLate,
}
