//! Several copies of one value, so that threads do not write to the same one.

use std::{
    cell::Cell,
    sync::{
        LazyLock, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

/// A copy for each stripe of threads, made by the first thread that reads it.
pub(crate) struct Striped<T>(OnceLock<Box<[OnceLock<T>]>>);

impl<T> Striped<T> {
    /// The copy of this thread's stripe.
    pub(crate) fn here(&self, make: impl FnOnce() -> T) -> &T {
        let all = self.0.get_or_init(|| (0..stripes()).map(|_| OnceLock::new()).collect());
        all[stripe()].get_or_init(make)
    }
}

/// A clone has no copies yet.
impl<T> Clone for Striped<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl<T> Default for Striped<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

/// The number of stripes: a power of two, the available parallelism rounded up, at most 64.
pub(crate) fn stripes() -> usize {
    static STRIPES: LazyLock<usize> = LazyLock::new(|| {
        available_parallelism().map_or(1, usize::from).min(64).next_power_of_two()
    });
    *STRIPES
}

/// This thread's stripe, below [`stripes`]. Threads get the stripes in turn.
#[inline]
pub(crate) fn stripe() -> usize {
    const UNSET: usize = usize::MAX;
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static STRIPE: Cell<usize> = const { Cell::new(UNSET) });
    STRIPE.with(|stripe| {
        if stripe.get() == UNSET {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) & (stripes() - 1));
        }
        stripe.get()
    })
}
