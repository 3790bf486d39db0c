//! Calls a source for one acquisition: within `acquisition_timeout`, and with its panics caught.

use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::Instant;

use super::{acquisition::Acquisition, settings::Settings, suspend::ClockSample};
use crate::{
    error::{Error, Problem},
    event::Observer,
    source::{AcquireContext, BoxFuture, CacheStatus, ErasedSource, StopRetries},
    sync::Arc,
    token::Token,
};

/// The source's result. `None` means that this task was first polled after `acquisition_timeout` had
/// passed.
pub(super) async fn call_source(
    source: &dyn ErasedSource,
    client: &Arc<str>,
    acquisition: &Acquisition,
    settings: &Settings,
    observer: &Observer,
) -> Option<Result<Token, Error>> {
    let plan = &acquisition.plan;
    if plan.starts_at > Instant::now() {
        tokio::time::sleep_until(plan.starts_at).await;
    }
    // This task ran too late. Waiters may have abandoned the acquisition and started another one, and
    // both would request a token at the same time.
    if Instant::now() >= plan.ends_by {
        return None;
    }
    let context = AcquireContext {
        reason: plan.reason,
        single_attempt: plan.probe,
        deadline: Some(plan.ends_by),
        observer: observer.clone(),
        client: Arc::clone(client),
        rejected: plan.rejected.clone(),
        current: plan.current.clone(),
        issued_after: plan.issued_after,
        cache: CacheStatus {
            discarded: plan.discarded.clone(),
            recently_rejected: plan.recently_rejected.clone(),
            ends_cooldown: plan.ends_cooldown,
            is_budgeted: plan.is_budgeted,
            timing: settings.timing.clone(),
        },
        stop_retries: StopRetries::default(),
    };
    acquisition.called_at.get_or_init(|| ClockSample::now(&settings.clock));
    let acquiring = CatchPanic::new(source, context);
    Some(match tokio::time::timeout_at(plan.ends_by, acquiring).await {
        Ok(result) => result,
        Err(_elapsed) => Err(Error::of(Problem::AcquisitionTimeout)),
    })
}

/// A source's future whose panics become errors. `None` if the source panicked before it returned a
/// future. A panic in its destructor is ignored, because the result is known by then.
struct CatchPanic<'a>(Option<BoxFuture<'a, Result<Token, Error>>>);

impl<'a> CatchPanic<'a> {
    fn new(source: &'a dyn ErasedSource, context: AcquireContext) -> Self {
        Self(catch_unwind(AssertUnwindSafe(|| source.acquire_boxed(context))).ok())
    }
}

impl Future for CatchPanic<'_> {
    type Output = Result<Token, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self
            .0
            .as_mut()
            .and_then(|future| catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))).ok());
        polled.unwrap_or_else(|| Poll::Ready(Err(Error::of(Problem::Panicked))))
    }
}

impl Drop for CatchPanic<'_> {
    fn drop(&mut self) {
        let future = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    }
}
