//! Which of several copies a thread uses, so that threads don't write to the same one.

use std::{
    cell::Cell,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::available_parallelism,
};

/// How many copies there are: a power of two, as many as threads run at once, at most 64.
pub(super) fn stripes() -> usize {
    static STRIPES: LazyLock<usize> = LazyLock::new(|| {
        available_parallelism().map_or(1, usize::from).min(64).next_power_of_two()
    });
    *STRIPES
}

/// This thread's, below [`stripes`]; handed out in turn.
#[inline]
pub(super) fn stripe() -> usize {
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
