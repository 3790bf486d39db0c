//! A box that is dropped out of line.

use std::pin::Pin;

/// What most futures don't have. Its drop is apart: else the end of each call makes room for it.
pub(super) struct Boxed<T>(Option<Pin<Box<T>>>);

impl<T> Boxed<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Some(Box::pin(value)))
    }

    pub(super) fn as_mut(&mut self) -> Pin<&mut T> {
        self.0.as_mut().expect("it is there until it is dropped").as_mut()
    }
}

impl<T> Drop for Boxed<T> {
    #[inline(always)]
    fn drop(&mut self) {
        #[cold]
        #[inline(never)]
        fn drop_apart<T>(boxed: Pin<Box<T>>) {
            drop(boxed);
        }
        if let Some(boxed) = self.0.take() {
            drop_apart(boxed);
        }
    }
}
