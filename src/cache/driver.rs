//! Drives an acquisition in a task of its own, so that whoever started it may go away.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use tokio::time::Instant;
use tracing::Instrument;

use super::{Shared, flight::Flight, warm};
use crate::{
    error::{Error, ErrorKind},
    source::Acquire,
    sync::{Arc, Handle},
    token::Token,
};

/// Starts the task. Without a runtime, or on one that is shutting down, the flight ends at once
/// and its waiters look again.
pub(super) fn launch(shared: &Arc<Shared>, flight: Arc<Flight>) {
    let landing = Landing { shared: Arc::clone(shared), flight, landed: false };
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(landing.run());
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
    async fn run(mut self) {
        let span = tracing::debug_span!(
            "acquire_token",
            reason = self.flight.reason.as_str(),
            probe = self.flight.probe
        );
        let result = self.acquire().instrument(span).await;
        self.shared.land(&self.flight, Some(result));
        self.landed = true;
        if self.shared.settings.keep_warm {
            let (shared, flight) = (Arc::clone(&self.shared), self.flight.id);
            drop(self);
            warm::keep(shared, flight).await;
        }
    }

    async fn acquire(&self) -> Result<Token, Error> {
        if self.flight.starts_at > Instant::now() {
            tokio::time::sleep_until(self.flight.starts_at).await;
        }
        let acquire = Acquire {
            reason: self.flight.reason,
            single_attempt: self.flight.probe,
            deadline: Some(self.flight.ends_by),
            observer: self.shared.settings.observer.clone(),
        };
        let source = &self.shared.source;
        let acquiring = unpanicked(async { source.acquire_boxed(acquire).await });
        match tokio::time::timeout_at(self.flight.ends_by, acquiring).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(Error::new(ErrorKind::Panicked)),
            Err(_elapsed) => Err(Error::new(ErrorKind::AcquisitionTimeout)),
        }
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.landed {
            self.shared.land(&self.flight, None);
        }
    }
}

/// A future whose panic is a value.
async fn unpanicked<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
