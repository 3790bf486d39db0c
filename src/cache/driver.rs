//! Drives an acquisition in a task of its own, so that whoever started it may go away.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::Instant;
use tracing::Instrument;

use super::{Shared, flight::Flight, suspend::Baseline, wait, warm};
use crate::{
    error::{Error, ErrorKind},
    source::{Acquire, BoxFuture, ErasedSource},
    sync::{Arc, Handle},
    token::Token,
};

/// Starts the task. Without a runtime, or on one that is shutting down or has no timers, the flight
/// ends at once and its waiters look again.
pub(super) fn launch(shared: &Arc<Shared>, flight: Arc<Flight>) {
    let landing = Landing { shared: Arc::clone(shared), flight, landed: false };
    // On a runtime without timers the task would only panic, or wait to be driven and then panic.
    if let Ok(runtime) = Handle::try_current()
        && wait::new_timer(landing.flight.ends_by).is_some()
    {
        // All requests share it: it follows from the one that started it, and is no part of it.
        let span = tracing::debug_span!(
            parent: None,
            "acquire_token",
            reason = landing.flight.reason.as_str(),
            probe = landing.flight.probe
        );
        span.follows_from(tracing::Span::current());
        runtime.spawn(landing.run(span));
    }
}

/// Ends its flight whatever happens to the task: with the result, or when it is dropped (the
/// runtime shut down) without one.
struct Landing {
    shared: Arc<Shared>,
    flight: Arc<Flight>,
    landed: bool,
}

impl Landing {
    async fn run(mut self, span: tracing::Span) {
        let acquisition = async {
            let result = self.acquire().await;
            self.shared.land(&self.flight, result);
            self.landed = true;
        };
        acquisition.instrument(span).await;
        if self.shared.settings.keep_warm {
            let (shared, flight) = (Arc::clone(&self.shared), self.flight.id);
            drop(self);
            warm::keep(shared, flight).await;
        }
    }

    /// `None`: it was not driven until its time was over.
    async fn acquire(&self) -> Option<Result<Token, Error>> {
        if self.flight.starts_at > Instant::now() {
            tokio::time::sleep_until(self.flight.starts_at).await;
        }
        // Its waiters have given it up, or are about to: it must not ask beside its successor.
        if Instant::now() >= self.flight.ends_by {
            return None;
        }
        let acquire = Acquire {
            reason: self.flight.reason,
            single_attempt: self.flight.probe,
            deadline: Some(self.flight.ends_by),
            observer: self.shared.settings.observer.clone(),
        };
        self.flight.asked.get_or_init(|| Baseline::now(&self.shared.settings.clock));
        let acquiring = Unpanicked::new(&*self.shared.source, acquire);
        Some(match tokio::time::timeout_at(self.flight.ends_by, acquiring).await {
            Ok(result) => result,
            Err(_elapsed) => Err(Error::new(ErrorKind::AcquisitionTimeout)),
        })
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.landed {
            self.shared.land(&self.flight, None);
        }
    }
}

/// A source's future whose panics are an error, wherever they come from. One from its destructor is
/// swallowed: the result that came before counts.
struct Unpanicked<'a>(Option<BoxFuture<'a, Result<Token, Error>>>);

impl<'a> Unpanicked<'a> {
    fn new(source: &'a dyn ErasedSource, acquire: Acquire) -> Self {
        Self(catch_unwind(AssertUnwindSafe(|| source.acquire_boxed(acquire))).ok())
    }
}

impl Future for Unpanicked<'_> {
    type Output = Result<Token, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self
            .0
            .as_mut()
            .and_then(|future| catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))).ok());
        polled.unwrap_or_else(|| Poll::Ready(Err(Error::new(ErrorKind::Panicked))))
    }
}

impl Drop for Unpanicked<'_> {
    fn drop(&mut self) {
        let future = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}
