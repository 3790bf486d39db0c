//! A runtime for programs without one: [`TokenCache::get_blocking`](super::TokenCache::get_blocking).

use std::{
    future::{Future, pending},
    io, process,
    sync::LazyLock,
    thread,
};

use tokio::runtime::{Builder, Handle};

use crate::{
    error::{Error, Problem},
    sync::{Mutex, lock},
};

const INSIDE_A_RUNTIME: &str = "get_blocking was called inside an async context, which it would \
     block; await get(), or on a blocking thread use Handle::current().block_on(cache.get())";

const NOT_STARTED: &str = "the thread that acquires tokens for get_blocking could not be started; \
     check the limits of the process for threads and files";

/// The runtime, and the process that it runs in: a fork does not copy its thread.
static RUNTIME: LazyLock<Mutex<Option<(u32, Handle)>>> = LazyLock::new(|| Mutex::new(None));

/// Waits for the future on the calling thread. Another thread runs the acquisitions.
pub(super) fn block_on<T>(future: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = runtime()
        .map_err(|why| Error::of(Problem::Runtime).with_advice(NOT_STARTED).with_source(why))?;
    runtime.block_on(future)
}

/// An error within a runtime, where blocking would stop other tasks, or panic.
pub(super) fn check_outside_of_runtimes() -> Result<(), Error> {
    match Handle::try_current() {
        Ok(_) => Err(Error::of(Problem::Runtime).with_advice(INSIDE_A_RUNTIME)),
        Err(_) => Ok(()),
    }
}

fn runtime() -> io::Result<Handle> {
    let mut running = lock(&RUNTIME);
    match &*running {
        Some((process, handle)) if *process == process::id() => Ok(handle.clone()),
        _ => {
            let handle = start()?;
            *running = Some((process::id(), handle.clone()));
            Ok(handle)
        }
    }
}

fn start() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("oauth-tokens".into())
        .spawn(move || runtime.block_on(pending::<()>()))?;
    Ok(handle)
}
