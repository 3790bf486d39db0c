//! Waiting for an acquisition with a time limit.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::acquisition::{Acquisition, Outcome, Waiter};
use crate::{
    error::{Error, Problem},
    sync::{Arc, Handle},
};

pin_project! {
    /// A waiter with its own timer. The acquisition may run on a runtime that has ended or is
    /// stalled, so the waiter must be able to stop waiting by its own clock.
    #[derive(Default)]
    pub(super) struct TimedWaiter {
        waiter: Option<Waiter>,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl TimedWaiter {
    pub(super) fn join(self: Pin<&mut Self>, acquisition: Arc<Acquisition>) {
        *self.project().waiter = Some(Waiter::new(acquisition));
    }

    pub(super) fn leave(self: Pin<&mut Self>) {
        *self.project().waiter = None;
    }

    /// When the acquisition counts as abandoned; `None` if there is no acquisition to wait for.
    pub(super) fn abandoned_at(&self) -> Option<Instant> {
        self.waiter.as_ref().map(|waiter| waiter.acquisition().plan.abandoned_at)
    }

    /// The outcome, or `None` once `until` has passed.
    pub(super) fn poll<'a>(
        self: Pin<&'a mut Self>,
        until: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<&'a Outcome>, Error>> {
        let mut this = self.project();
        if let Some(waiter) = this.waiter {
            if waiter.poll(cx).is_ready() {
                return Poll::Ready(Ok(waiter.outcome()));
            }
            if waiter.take_waker_changed() {
                // The timer may belong to a stalled runtime. It would never fire.
                this.timer.set(None);
            }
        }
        if let Some(mut timer) = this.timer.as_mut().as_pin_mut() {
            // tokio panics if the timer's runtime has ended. This future then runs on another one, and
            // needs a new timer.
            let polled = catch_unwind(AssertUnwindSafe(|| {
                if timer.deadline() != until {
                    timer.as_mut().reset(until);
                }
                timer.as_mut().poll(cx)
            }));
            if let Ok(polled) = polled {
                return polled.map(|()| Ok(None));
            }
        }
        let Some(timer) = new_timer(until) else {
            return Poll::Ready(Err(Error::of(Problem::Runtime)));
        };
        this.timer.set(Some(timer));
        let timer = this.timer.as_pin_mut().expect("it was just set");
        timer.poll(cx).map(|()| Ok(None))
    }
}

/// A timer on the current runtime. `None` without a runtime or without its time driver. tokio panics
/// then, and has no way to check for a time driver.
pub(super) fn new_timer(until: Instant) -> Option<Sleep> {
    Handle::try_current().ok()?;
    catch_unwind(|| sleep_until(until)).ok()
}
