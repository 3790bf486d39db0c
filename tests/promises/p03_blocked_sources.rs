//! P3 with a source that blocks a thread of its runtime, so that the time limits of its acquisition do
//! nothing.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{Mutex, mpsc},
    task::Poll,
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Handle};
use tower_oauth2_client_credentials::{Error, Token, TokenCache, source::AcquireContext};

/// No test waits this long, except in a hang.
const GUARD: Duration = Duration::from_secs(20);

/// A cache whose source blocks until the sender is dropped. The receiver is notified of each call.
fn blocked() -> (TokenCache, mpsc::Sender<()>, mpsc::Receiver<()>) {
    let (asked, was_asked) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let cache = TokenCache::new(move |_: AcquireContext| {
        let _ = asked.send(());
        let _ = released.lock().unwrap().recv();
        async { Ok(Token::bearer("late")?.with_lifetime(Duration::from_secs(3600))) }
    });
    (cache, release, was_asked)
}

/// Waits on a thread. The first message says that it waits, the second one is the result.
fn wait_on(runtime: Handle, cache: &TokenCache) -> mpsc::Receiver<Poll<Result<Token, Error>>> {
    let (report, reports) = mpsc::channel();
    let get = cache.get();
    thread::spawn(move || {
        runtime.block_on(async {
            let mut get = pin!(get);
            let first = poll_fn(|cx| Poll::Ready(get.as_mut().poll(cx))).await;
            report.send(first).unwrap();
            report.send(Poll::Ready(get.await)).unwrap();
        });
    });
    assert!(reports.recv_timeout(GUARD).unwrap().is_pending());
    reports
}

/// The task of the acquisition blocks, and is not dropped with its runtime.
#[test]
fn p3_a_runtime_that_shuts_down_ends_no_blocked_acquisition() {
    let (cache, release, was_asked) = blocked();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    drop(runtime.spawn(cache.get()));
    was_asked.recv_timeout(GUARD).unwrap();
    let other = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let waiting = wait_on(other.handle().clone(), &cache);
    runtime.shutdown_background();
    assert!(waiting.try_recv().is_err(), "it goes on waiting");
    assert!(was_asked.try_recv().is_err(), "P1: the first acquisition has not ended");

    drop(release);
    let Poll::Ready(Ok(token)) = waiting.recv_timeout(GUARD).expect("it hangs") else { panic!() };
    assert_eq!(token.secret(), "late");
    assert!(was_asked.try_recv().is_err());
}
