//! Waiting for an acquisition with a time limit.

use std::{
    future::Future as _,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::{Instant, Sleep, sleep_until};

use super::acquisition::{Acquisition, Outcome, Waiter};
use crate::{
    error::{Error, Problem},
    sync::{Arc, Handle},
};

/// A waiter with a time limit.
///
/// It has a timer if the acquisition runs on another runtime, which may be stalled, or if the limit is
/// earlier than the time at which the acquisition counts as stuck. Otherwise the timer of the acquisition
/// wakes it.
#[derive(Default)]
pub(super) struct TimedWaiter {
    waiter: Option<Waiter>,
    /// It was registered on the runtime of the acquisition's timer.
    is_watched: bool,
    /// Boxed, since it is large, and not needed with default settings.
    timer: Option<Pin<Box<Sleep>>>,
}

impl TimedWaiter {
    pub(super) fn join(&mut self, acquisition: Arc<Acquisition>) {
        self.waiter = Some(Waiter::new(acquisition));
    }

    pub(super) fn leave(&mut self) {
        self.waiter = None;
    }

    /// When the acquisition counts as abandoned; `None` if there is no acquisition to wait for.
    pub(super) fn abandoned_at(&self) -> Option<Instant> {
        self.waiter.as_ref().map(|waiter| waiter.acquisition().plan.abandoned_at)
    }

    /// The outcome, or `None` once `until` has passed.
    pub(super) fn poll(
        &mut self,
        until: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<&Outcome>, Error>> {
        if let Some(waiter) = &mut self.waiter {
            if waiter.poll(cx).is_ready() {
                return Poll::Ready(Ok(waiter.outcome()));
            }
            if waiter.take_waker_changed() {
                // The timer may belong to a stalled runtime. It would never fire.
                self.timer = None;
                self.is_watched = waiter.acquisition().watchdog.is_here();
            }
            let acquisition = waiter.acquisition();
            if self.is_watched && until == acquisition.plan.abandoned_at {
                if !acquisition.watchdog.has_fired() {
                    return Poll::Pending;
                }
                if Instant::now() >= until {
                    return Poll::Ready(Ok(None));
                }
            }
        }
        if let Some(timer) = &mut self.timer
            && let Some(polled) = poll_timer(timer, until, cx)
        {
            return polled.map(|()| Ok(None));
        }
        // The runtime of the timer has ended. This future may run on another one now.
        self.timer = new_timer(until).map(Box::pin);
        let polled = self.timer.as_mut().and_then(|timer| poll_timer(timer, until, cx));
        match polled {
            Some(polled) => polled.map(|()| Ok(None)),
            None => Poll::Ready(Err(Error::of(Problem::Runtime))),
        }
    }
}

/// `None` if the runtime of the timer has ended. tokio panics then.
fn poll_timer(
    timer: &mut Pin<Box<Sleep>>,
    until: Instant,
    cx: &mut Context<'_>,
) -> Option<Poll<()>> {
    catch_unwind(AssertUnwindSafe(|| {
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx)
    }))
    .ok()
}

/// A timer on the current runtime. `None` without a runtime or without its time driver. tokio panics
/// then, and has no way to check for a time driver.
pub(super) fn new_timer(until: Instant) -> Option<Sleep> {
    Handle::try_current().ok()?;
    catch_unwind(|| sleep_until(until)).ok()
}
