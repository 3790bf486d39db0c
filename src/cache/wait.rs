//! Waiting for a flight, but not for ever.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use super::flight::{Flight, Outcome, Seat};
use crate::{
    error::{Error, ErrorKind},
    sync::Arc,
};

pin_project! {
    /// A seat in a flight and a timer of its own: a flight may be driven by a runtime that is gone
    /// or stands still, so whoever waits for it must be able to give it up on its own clock.
    #[derive(Default)]
    pub(super) struct Wait {
        seat: Option<Seat>,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl Wait {
    pub(super) fn sit(self: Pin<&mut Self>, flight: Arc<Flight>) {
        *self.project().seat = Some(Seat::new(flight));
    }

    pub(super) fn leave(self: Pin<&mut Self>) {
        *self.project().seat = None;
    }

    /// When the flight that is waited for counts as abandoned.
    pub(super) fn abandoned_at(&self) -> Option<Instant> {
        self.seat.as_ref().map(|seat| seat.flight().abandoned_at)
    }

    /// The outcome, or `None` once `until` has come.
    pub(super) fn poll<'a>(
        self: Pin<&'a mut Self>,
        until: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<&'a Outcome>, Error>> {
        let mut this = self.project();
        if let Some(seat) = this.seat {
            if seat.poll(cx).is_ready() {
                return Poll::Ready(Ok(seat.outcome()));
            }
            if seat.take_moved() {
                // The timer's runtime may be one that stands still: it would never fire.
                this.timer.set(None);
            }
        }
        if let Some(mut timer) = this.timer.as_mut().as_pin_mut() {
            // tokio panics here if the timer's runtime is gone: this future was moved to another.
            let on_its_runtime = catch_unwind(AssertUnwindSafe(|| {
                if timer.deadline() != until {
                    timer.as_mut().reset(until);
                }
                timer.as_mut().poll(cx)
            }));
            if let Ok(polled) = on_its_runtime {
                return polled.map(|()| Ok(None));
            }
        }
        let Some(timer) = new_timer(until) else {
            return Poll::Ready(Err(Error::new(ErrorKind::Runtime)));
        };
        this.timer.set(Some(timer));
        let timer = this.timer.as_pin_mut().expect("it was just set");
        timer.poll(cx).map(|()| Ok(None))
    }
}

/// A timer of the runtime at hand. tokio panics where there is none, or where its time driver is
/// off, and has no way to ask beforehand; here both are an error of the caller's.
pub(super) fn new_timer(until: Instant) -> Option<Sleep> {
    catch_unwind(|| sleep_until(until)).ok()
}
