//! A source invalidates its tokens, in virtual time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower_oauth2_client_credentials::{
    AcquireContext, CacheHandle, Error, Event, Token, TokenCache, TokenSource,
};

const S: Duration = Duration::from_secs(1);

/// Numbered tokens of an hour. Each takes 4 s; its request is sent after 2 s of that.
#[derive(Clone, Default)]
struct Slow {
    asked: Arc<AtomicU32>,
    handles: Arc<Mutex<Vec<CacheHandle>>>,
}

impl TokenSource for Slow {
    async fn acquire(&self, _: AcquireContext) -> Result<Token, Error> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        sleep(2 * S).await;
        let sent = Instant::now();
        sleep(2 * S).await;
        let token = Token::bearer(format!("token-{number}"))?;
        Ok(token.with_issued_at(sent).with_lifetime(3600 * S))
    }

    fn attach(&self, handle: CacheHandle) {
        self.handles.lock().unwrap().push(handle);
    }
}

impl Slow {
    fn invalidate(&self) {
        self.handles.lock().unwrap().iter().for_each(CacheHandle::invalidate);
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn secret(tokens: &TokenCache) -> String {
    tokens.get().await.unwrap().secret().to_owned()
}

#[tokio::test(start_paused = true)]
async fn an_invalidated_token_is_not_used_and_the_next_one_is_waited_for() {
    let source = Slow::default();
    let events = Arc::<Mutex<Vec<String>>>::default();
    let kept = Arc::clone(&events);
    let tokens = TokenCache::builder(source.clone())
        .observer(move |event: &Event| kept.lock().unwrap().push(format!("{event:?}")))
        .build();
    let clones = [tokens.clone(), tokens.clone()];
    assert_eq!(secret(&tokens).await, "token-0");
    assert_eq!(source.handles.lock().unwrap().len(), 1, "one for the cache, not its handles");
    source.invalidate();
    assert!(tokens.current().is_none() && clones[0].current().is_none());
    assert_eq!(source.asked(), 1, "an idle cache asks for nothing");
    assert_eq!(secret(&clones[1]).await, "token-1");
    source.invalidate();
    tokens.clear();
    assert_eq!(secret(&tokens).await, "token-2");
    let cleared = events.lock().unwrap().iter().filter(|event| *event == "Cleared").count();
    assert_eq!(cleared, 2, "nothing is discarded twice");
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_request_was_sent_is_withdrawn_on_arrival() {
    let source = Slow::default();
    let tokens = TokenCache::new(source.clone());
    let waiting = tokio::spawn(tokens.get());
    sleep(3 * S).await;
    source.invalidate();
    assert_eq!(source.asked(), 1, "there is one flight at a time");
    assert_eq!(waiting.await.unwrap().unwrap().secret(), "token-1");
    assert_eq!(source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_request_was_not_sent_is_kept() {
    let source = Slow::default();
    let tokens = TokenCache::new(source.clone());
    let waiting = tokio::spawn(tokens.get());
    sleep(S).await;
    source.invalidate();
    assert_eq!(waiting.await.unwrap().unwrap().secret(), "token-0");
    assert_eq!((secret(&tokens).await.as_str(), source.asked()), ("token-0", 1));
}

#[tokio::test(start_paused = true)]
async fn invalidating_during_a_refresh_keeps_the_newer_token_only() {
    let source = Slow::default();
    let tokens = TokenCache::new(source.clone());
    tokens.warm_up().await.unwrap();
    let forced = {
        let tokens = tokens.clone();
        tokio::spawn(async move { tokens.force_refresh().await })
    };
    sleep(S).await;
    assert_eq!(secret(&tokens).await, "token-0", "the old one stays in use");
    source.invalidate();
    assert!(tokens.current().is_none());
    assert_eq!(secret(&tokens).await, "token-1");
    assert_eq!(forced.await.unwrap().unwrap().secret(), "token-1");
    assert_eq!(source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_handle_keeps_no_cache_alive() {
    let source = Slow::default();
    let tokens = TokenCache::new(source.clone());
    let handle = source.handles.lock().unwrap()[0].clone();
    assert!(!handle.is_closed());
    drop(tokens);
    assert!(handle.is_closed());
    handle.invalidate();
}
