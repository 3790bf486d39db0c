//! Destructors of the user's values may call the cache, so none runs under the cache's lock.

use std::{
    fmt,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Uri};
use tower_oauth2_client_credentials::{
    Error, ErrorKind, Token, TokenCache, TokenSource,
    source::{AcquireContext, CacheHandle},
    token::{ProofOfPossession, TokenType},
};

const HOUR: Duration = Duration::from_secs(3600);

/// Calls the cache when it is dropped.
struct CallsBack(CacheHandle);

impl Drop for CallsBack {
    fn drop(&mut self) {
        let expired = Token::bearer("another").unwrap().with_lifetime(Duration::ZERO);
        assert!(!self.0.offer(expired));
    }
}

impl ProofOfPossession for CallsBack {
    fn prove(&self, _: &Method, _: &Uri, _: &Token) -> Result<HeaderValue, Error> {
        Ok(HeaderValue::from_static("proof"))
    }

    fn observe(&self, _: &Uri, _: &HeaderMap) -> bool {
        false
    }
}

impl fmt::Debug for CallsBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallsBack")
    }
}

impl fmt::Display for CallsBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no token today; try again tomorrow")
    }
}

impl std::error::Error for CallsBack {}

/// Gives tokens by number, and fails for every fourth.
#[derive(Clone, Default)]
struct Source {
    asked: Arc<Mutex<u32>>,
    handle: Arc<Mutex<Option<CacheHandle>>>,
}

impl Source {
    fn handle(&self) -> CacheHandle {
        self.handle.lock().unwrap().clone().unwrap()
    }

    fn token(&self, secret: String, lifetime: Duration) -> Token {
        let token = Token::new(TokenType::Dpop, secret).unwrap().with_lifetime(lifetime);
        token.with_proof(Arc::new(CallsBack(self.handle())))
    }
}

impl TokenSource for Source {
    async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
        let mut asked = self.asked.lock().unwrap();
        *asked += 1;
        if asked.is_multiple_of(4) {
            return Err(Error::new(ErrorKind::Source).with_source(CallsBack(self.handle())));
        }
        Ok(self.token(format!("token-{asked}"), HOUR))
    }

    fn attach(&self, handle: CacheHandle) {
        *self.handle.lock().unwrap() = Some(handle);
    }
}

/// Runs on a thread of its own, because a deadlock would block the test for good.
fn within_ten_seconds(test: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        test();
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(10)).expect("a destructor ran under the lock");
}

/// An offer that is refused, and tokens that are no longer remembered as rejected.
#[test]
fn an_offered_token_is_dropped_without_the_lock() {
    within_ten_seconds(|| {
        let source = Source::default();
        let tokens = TokenCache::new(source.clone());
        let handle = source.handle();
        assert!(!handle.offer(source.token("expired".to_owned(), Duration::ZERO)));
        for number in 0..6 {
            assert!(handle.offer(source.token(number.to_string(), HOUR)));
            tokens.invalidate(&tokens.peek().unwrap());
        }
    });
}

/// Tokens that another replaces or that are cleared, and errors that a success ends.
#[test]
fn acquired_tokens_and_errors_are_dropped_without_the_lock() {
    within_ten_seconds(|| {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let source = Source::default();
            let tokens = TokenCache::new(source.clone());
            let mut failures = 0;
            for round in 0..12 {
                failures += u32::from(tokens.get().await.is_err());
                match round % 3 {
                    0 => source.handle().clear(),
                    1 => tokens.clear(),
                    _ => tokio::time::sleep(2 * HOUR).await,
                }
            }
            assert!(failures > 0);
        });
    });
}
