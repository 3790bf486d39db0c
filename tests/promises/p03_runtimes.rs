//! P3 with runtimes that end, that are stalled, or that do not exist.

use std::{
    pin::pin,
    sync::{Arc, LazyLock, Mutex, mpsc},
    task::Poll,
    thread,
    time::Duration,
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{Notify, oneshot},
    time::{Instant, advance, timeout},
};
use tower::{Service, ServiceExt};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Token, TokenCache, event::EventKind, source::AcquireContext,
};

use crate::support::{
    Api, Idp, call, layered, poll_once, poll_outside, request, secs, settle, since,
};

/// No test waits this long, except in a hang.
const GUARD: Duration = Duration::from_secs(20);

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn paused() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn named(secret: &str) -> Result<Token, Error> {
    Ok(Token::bearer(secret)?.with_lifetime(secs(3600.0)))
}

/// Hangs the first time, and reports that. Then answers at once.
fn hangs_once() -> (TokenCache, mpsc::Receiver<usize>) {
    let (asked, was_asked) = mpsc::channel();
    let count = Mutex::new(0);
    let cache = TokenCache::new(move |_: AcquireContext| {
        let nth = {
            let mut count = count.lock().unwrap();
            *count += 1;
            *count
        };
        asked.send(nth).unwrap();
        async move {
            if nth == 1 {
                std::future::pending::<()>().await;
            }
            named("second")
        }
    });
    (cache, was_asked)
}

#[test]
fn p3_a_runtime_dropped_mid_acquisition_does_not_block_waiters_on_another() {
    let (cache, was_asked) = hangs_once();
    let first = Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    first.spawn(cache.get());
    assert_eq!(was_asked.recv_timeout(GUARD), Ok(1));

    let (waits, is_waiting) = mpsc::channel();
    let waiters: Vec<_> = (0..4)
        .map(|_| {
            let (cache, waits) = (cache.clone(), waits.clone());
            thread::spawn(move || {
                current_thread().block_on(async {
                    let mut get = Box::pin(cache.get());
                    assert!(poll_once(&mut get).await.is_pending());
                    waits.send(()).unwrap();
                    timeout(GUARD, get).await.expect("it hangs")
                })
            })
        })
        .collect();
    for _ in 0..4 {
        is_waiting.recv_timeout(GUARD).unwrap();
    }
    drop(first);
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap().unwrap().secret(), "second");
    }
    assert_eq!(was_asked.try_iter().count(), 1, "one replacement for all of them");
}

/// The same for requests that wait in the layer, one of them for a replacement.
#[test]
fn p3_a_runtime_dropped_mid_acquisition_does_not_block_the_layer() {
    let (cache, was_asked) = hangs_once();
    let first = current_thread();
    first.block_on(async {
        assert!(poll_once(&mut Box::pin(cache.get())).await.is_pending());
        settle().await;
    });
    assert_eq!(was_asked.recv_timeout(GUARD), Ok(1));
    current_thread().block_on(async {
        let client = layered(&cache, Api::ok());
        let mut waiting = Box::pin(client.oneshot(request()));
        assert!(poll_once(&mut waiting).await.is_pending());
        first.shutdown_background();
        assert_eq!(timeout(GUARD, waiting).await.expect("it hangs").unwrap().status(), 200);
    });
}

/// A waiter's future moves with its timer from a runtime that ends to another one.
#[test]
fn p3_a_waiter_may_move_to_another_runtime() {
    let (cache, was_asked) = hangs_once();
    let mut get = Box::pin(cache.get());
    let first = current_thread();
    first.block_on(async {
        assert!(poll_once(&mut get).await.is_pending());
        settle().await;
    });
    assert_eq!(was_asked.recv_timeout(GUARD), Ok(1));
    drop(first);
    let token = current_thread().block_on(async { timeout(GUARD, get).await.expect("it hangs") });
    assert_eq!(token.unwrap().secret(), "second");
}

/// The same, but a third runtime runs its acquisition, which continues.
#[test]
fn p3_a_waiter_may_move_while_its_acquisition_continues() {
    let (cache, was_asked) = hangs_once();
    let driving = current_thread();
    driving.block_on(async {
        assert!(poll_once(&mut Box::pin(cache.get())).await.is_pending());
        settle().await;
    });
    assert_eq!(was_asked.recv_timeout(GUARD), Ok(1));
    let mut get = Box::pin(cache.get());
    current_thread().block_on(async { assert!(poll_once(&mut get).await.is_pending()) });
    // Its timer's runtime has ended. It is polled on another one, and has to wait there.
    current_thread().block_on(async { assert!(poll_once(&mut get).await.is_pending()) });
    drop(driving);
    let token = current_thread().block_on(async { timeout(GUARD, get).await.expect("it hangs") });
    assert_eq!(token.unwrap().secret(), "second");
}

#[test]
fn p3_a_wait_on_a_runtime_that_has_ended_is_an_error_and_no_panic() {
    let (cache, was_asked) = hangs_once();
    let [ended, driving] = [(); 2]
        .map(|()| Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap());
    driving.spawn(cache.get());
    was_asked.recv_timeout(GUARD).unwrap();
    let handle = ended.handle().clone();
    drop(ended);
    assert_eq!(handle.block_on(cache.get()).unwrap_err().kind(), ErrorKind::Runtime);
}

#[test]
fn p3_a_cache_in_a_static_serves_one_runtime_after_another() {
    static IDP: LazyLock<Idp> = LazyLock::new(|| Idp::healthy(0.03, 0.001));
    static CACHE: LazyLock<TokenCache> = LazyLock::new(|| IDP.cache());
    for round in 0..40 {
        let runtime = match round % 2 {
            0 => current_thread(),
            _ => Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap(),
        };
        runtime.block_on(async {
            timeout(GUARD, CACHE.get()).await.expect("it hangs").unwrap();
            if round % 3 != 0 {
                // It ends in the middle of an acquisition.
                CACHE.clear();
                let _ = poll_once(&mut Box::pin(CACHE.get())).await;
            }
        });
    }
    assert!(IDP.count() >= 14, "{}", IDP.count());
}

fn assert_runtime_error<T: std::fmt::Debug>(result: Poll<Result<T, Error>>) {
    match result {
        Poll::Ready(Err(error)) => assert_eq!(error.kind(), ErrorKind::Runtime),
        other => panic!("{other:?}"),
    }
}

#[test]
fn p3_without_a_runtime_there_is_an_error_and_no_panic() {
    let idp = Idp::healthy(3600.0, 0.1);
    let cache = idp.cache();
    assert!(cache.current().is_none());
    assert_runtime_error(poll_outside(pin!(cache.get())));
    assert_runtime_error(poll_outside(pin!(cache.warm_up())));
    assert_runtime_error(poll_outside(pin!(cache.force_refresh())));
    let mut client = layered(&cache, Api::ok());
    let Poll::Ready(Err(error)) = poll_outside(pin!(client.call(request()))) else {
        panic!("it waits outside of a runtime")
    };
    assert_eq!(error.downcast::<Error>().unwrap().kind(), ErrorKind::Runtime);
    assert_eq!(idp.count(), 0);

    let runtime = current_thread();
    let token = runtime.block_on(cache.get()).unwrap();
    // A cached token needs no runtime.
    assert_eq!(cache.current().unwrap().secret(), "t1");
    assert!(matches!(poll_outside(pin!(cache.get())), Poll::Ready(Ok(_))));
    assert!(matches!(poll_outside(pin!(client.call(request()))), Poll::Ready(Ok(_))));
    cache.invalidate(&token);
    assert!(matches!(poll_outside(pin!(cache.replacement(&token))), Poll::Ready(None)));
    drop(client);
}

/// A rejection that is reported outside of any runtime is not lost.
#[test]
fn p3_a_rejection_without_a_runtime_is_followed_up_on_the_next() {
    let idp = Idp::healthy(3600.0, 0.0);
    let cache = idp.cache();
    let runtime = current_thread();
    let rejected = runtime.block_on(cache.get()).unwrap();
    cache.invalidate(&rejected);
    runtime.block_on(async {
        assert_eq!(cache.get().await.unwrap().secret(), "t1", "it is rejected, but cached");
        settle().await;
    });
    assert_eq!(cache.current().unwrap().secret(), "t2");
    assert_eq!(idp.count(), 2);
}

#[test]
fn p3_with_an_acquisition_on_another_runtime_and_no_runtime_here_there_is_an_error() {
    let (cache, was_asked) = hangs_once();
    let runtime = current_thread();
    runtime.block_on(async {
        assert!(poll_once(&mut Box::pin(cache.get())).await.is_pending());
        settle().await;
    });
    assert_eq!(was_asked.try_iter().count(), 1);
    assert_runtime_error(poll_outside(pin!(cache.get())));
}

#[test]
fn p3_without_a_time_driver_there_is_an_error_and_the_cache_keeps_working() {
    let idp = Idp::healthy(3600.0, 0.001);
    let cache = idp.cache();
    let timeless = Builder::new_current_thread().build().unwrap();
    for _ in 0..3 {
        let error = timeless.block_on(cache.get()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Runtime);
    }
    assert!(timeless.block_on(call(&layered(&cache, Api::ok()))).is_err());
    assert_eq!(current_thread().block_on(cache.get()).unwrap().secret(), "t1");
}

/// A synchronous program: each call has its own `block_on`, and nothing runs in between.
#[test]
fn p3_a_block_on_for_each_call_is_served() {
    let idp = Idp::healthy(10.0, 0.3);
    let cache = idp.cache();
    let api = Api::ok();
    let client = layered(&cache, api.clone());
    let runtime = paused();
    for nth in 0..300 {
        runtime.block_on(async {
            let start = Instant::now();
            assert_eq!(call(&client).await.unwrap(), 200, "call {nth}");
            assert!(since(start) < 0.31, "call {nth}");
            // The program's time until the next call. The clock moves, and the runtime is stalled.
            advance(secs(1.0 + f64::from(nth % 7))).await;
        });
    }
    assert_eq!(idp.most_at_once(), 1);
    assert!(idp.count() > 50, "{}", idp.count());
}

/// The runtime of the acquisition is stalled. Each paused runtime has its own clock, so the
/// waiter's clock advances while the acquisition's does not.
#[test]
fn p3_an_acquisition_that_is_not_driven_is_abandoned_and_its_late_result_dropped() {
    let (answer, answered) = oneshot::channel::<()>();
    let (answered, asked) = (Mutex::new(Some(answered)), Arc::new(Notify::new()));
    let (was_asked, events) = (Arc::clone(&asked), Arc::new(Mutex::new(Vec::new())));
    let log = Arc::clone(&events);
    let source = move |_: AcquireContext| {
        let late = answered.lock().unwrap().take();
        asked.notify_one();
        async move {
            match late {
                Some(late) => {
                    late.await.unwrap();
                    named("late")
                }
                None => named("second"),
            }
        }
    };
    let cache = TokenCache::builder(source)
        .wait_timeout(secs(60.0))
        .observer(move |event| log.lock().unwrap().push(event.kind().clone()))
        .build();

    let still = paused();
    still.block_on(async {
        let mut get = Box::pin(cache.get());
        assert!(poll_once(&mut get).await.is_pending());
        was_asked.notified().await;
    });
    let driven = paused();
    driven.block_on(async {
        let start = Instant::now();
        let waiters: Vec<_> = (0..10).map(|_| tokio::spawn(cache.get())).collect();
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap().unwrap().secret(), "second");
        }
        // Bound + 5 s. The two clocks started at slightly different times.
        assert!((29.0..31.0).contains(&since(start)), "{}", since(start));
    });
    let abandoned = |event: &EventKind| matches!(event, EventKind::Abandoned { .. });
    assert_eq!(events.lock().unwrap().iter().filter(|it| abandoned(it)).count(), 1);

    let before = events.lock().unwrap().len();
    answer.send(()).unwrap();
    still.block_on(settle());
    assert_eq!(cache.current().unwrap().secret(), "second");
    assert_eq!(events.lock().unwrap().len(), before, "the late result has no effect");
}

/// The one that notices it wants a new token. It gets the next one, and not the one that it asked to
/// replace.
#[test]
fn p3_a_forced_refresh_that_abandons_an_acquisition_waits_for_the_next() {
    let idp = Idp::new(|asked| match asked.nth {
        2 => crate::support::Answer::never(),
        nth => crate::support::token(nth, 3600.0),
    });
    let cache = idp.builder().wait_timeout(secs(60.0)).build();
    let still = paused();
    still.block_on(async {
        assert_eq!(cache.get().await.unwrap().secret(), "t1");
        assert!(poll_once(&mut Box::pin(cache.force_refresh())).await.is_pending());
        settle().await;
    });
    let token = paused().block_on(cache.force_refresh()).unwrap();
    assert_eq!(token.secret(), "t3");
    assert_eq!(idp.count(), 3);
}

/// The same with a late error, which must not start a cooldown.
#[test]
fn p3_a_late_failure_of_an_abandoned_acquisition_changes_nothing() {
    let idp = Idp::new(|asked| match asked.nth {
        1 => crate::support::Answer::never(),
        nth => crate::support::token(nth, 10.0),
    });
    let cache = idp.builder().wait_timeout(secs(60.0)).build();
    let still = paused();
    still.block_on(async {
        assert!(poll_once(&mut Box::pin(cache.get())).await.is_pending());
        settle().await;
    });
    let driven = paused();
    driven.block_on(async { assert_eq!(cache.get().await.unwrap().secret(), "t2") });
    still.block_on(async {
        advance(secs(26.0)).await;
        settle().await;
    });
    driven.block_on(async {
        assert_eq!(cache.current().unwrap().secret(), "t2");
        tokio::time::sleep(secs(10.0)).await;
        assert_eq!(cache.get().await.unwrap().secret(), "t3", "a failure would be remembered");
    });
}
