//! `TokenCache::get_blocking`, on threads without a runtime and in real time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Token, TokenCache, TokenSource, source::AcquireContext,
};

/// Counts acquisitions, and numbers its tokens.
fn counting(asked: &Arc<AtomicUsize>) -> impl TokenSource {
    let asked = Arc::clone(asked);
    move |_: AcquireContext| {
        let token = Token::bearer(format!("token-{}", asked.fetch_add(1, SeqCst)));
        std::future::ready(token)
    }
}

#[test]
fn many_threads_share_one_acquisition() {
    let asked = Arc::default();
    let tokens = TokenCache::new(counting(&asked));
    let get = |_| {
        let tokens = tokens.clone();
        thread::spawn(move || tokens.get_blocking().unwrap().secret().to_owned())
    };
    let threads: Vec<_> = (0..16).map(get).collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), "token-0");
    }
    assert_eq!(asked.load(SeqCst), 1);
}

#[test]
fn inside_an_async_context_it_is_an_error_that_says_what_to_call() {
    let asked = Arc::default();
    let tokens = TokenCache::new(counting(&asked));
    let refused = |tokens: &TokenCache| {
        let error = tokens.get_blocking().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Runtime);
        let text = error.to_string();
        assert!(text.starts_with("client '"), "{text}");
        assert!(text.contains("': runtime: get_blocking was called inside an async"), "{text}");
        assert!(text.contains("await get()"), "{text}");
    };
    for mut runtime in
        [tokio::runtime::Builder::new_current_thread(), tokio::runtime::Builder::new_multi_thread()]
    {
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            refused(&tokens);
            let blocking = tokens.clone();
            tokio::task::spawn_blocking(move || refused(&blocking)).await.unwrap();
        });
    }
    assert_eq!(asked.load(SeqCst), 0);
    tokens.get_blocking().unwrap();
    // Also with a cached token, so that the error is found at once.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async { refused(&tokens) });
}

#[test]
fn a_failure_is_remembered() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let tokens = TokenCache::new(move |_: AcquireContext| {
        count.fetch_add(1, SeqCst);
        std::future::ready(Err(Error::from_source("disk full")))
    });
    for _ in 0..3 {
        assert_eq!(tokens.get_blocking().unwrap_err().kind(), ErrorKind::Source);
    }
    assert_eq!(asked.load(SeqCst), 1);
}

#[test]
fn the_wait_ends_at_the_deadline_of_the_cache() {
    let hangs = |_: AcquireContext| std::future::pending::<Result<Token, Error>>();
    let tokens = TokenCache::builder(hangs).wait_timeout(Duration::from_millis(50)).build();
    let start = Instant::now();
    assert_eq!(tokens.get_blocking().unwrap_err().kind(), ErrorKind::WaitTimeout);
    assert!(start.elapsed() >= Duration::from_millis(50));
}

/// A refresh makes progress while the program makes no call.
#[test]
fn a_refresh_runs_in_the_background() {
    let (refreshing, is_refreshing) = mpsc::channel();
    let (release, released) = oneshot::channel();
    let released = Mutex::new(Some(released));
    let asked = AtomicUsize::new(0);
    // `refresh_in` moves the refresh to a third of the lifetime, less the leeway.
    let tokens = TokenCache::builder(move |_: AcquireContext| {
        let nth = asked.fetch_add(1, SeqCst);
        let wait = (nth == 1).then(|| {
            refreshing.send(()).unwrap();
            released.lock().unwrap().take().unwrap()
        });
        async move {
            if let Some(released) = wait {
                released.await.unwrap();
            }
            let token = Token::bearer(format!("token-{nth}"))?;
            let lifetime = Duration::from_secs(if nth == 0 { 6 } else { 3600 });
            Ok(token.with_lifetime(lifetime).with_refresh_in(Duration::ZERO))
        }
    })
    .leeway(Duration::ZERO)
    .build();
    assert_eq!(tokens.get_blocking().unwrap().secret(), "token-0");
    // The calls start the refresh once it is due. None waits for it.
    while is_refreshing.recv_timeout(Duration::from_millis(10)).is_err() {
        assert_eq!(tokens.get_blocking().unwrap().secret(), "token-0");
    }
    assert_eq!(tokens.get_blocking().unwrap().secret(), "token-0");
    // It ends without another call.
    release.send(()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while tokens.peek().is_none_or(|token| token.secret() != "token-1") {
        assert!(Instant::now() < deadline, "the refresh made no progress");
        thread::yield_now();
    }
    assert_eq!(tokens.get_blocking().unwrap().secret(), "token-1");
}
