//! A source invalidates the cached token or offers another, in virtual time.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower_oauth2_client_credentials::{
    BoxError, ClientCredentials, Error, Event, Token, TokenCache, TokenSource,
    source::{AcquireContext, CacheHandle},
    transport::TokenRequest,
};

const S: Duration = Duration::from_secs(1);

/// The client's name, and the rejected token.
type Context = (String, Option<String>);

/// Numbered tokens of an hour; each takes 4 s, and its request leaves after 2 s of that.
#[derive(Clone, Default)]
struct Slow {
    asked: Arc<AtomicU32>,
    /// Of each acquisition.
    contexts: Arc<Mutex<Vec<Context>>>,
    handles: Arc<Mutex<Vec<CacheHandle>>>,
}

impl TokenSource for Slow {
    async fn acquire(&self, context: AcquireContext) -> Result<Token, Error> {
        let rejected = context.rejected.map(|token| token.secret().to_owned());
        self.contexts.lock().unwrap().push((context.client.to_string(), rejected));
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
    fn clear(&self) {
        self.handles.lock().unwrap().iter().for_each(CacheHandle::clear);
    }

    fn offer(&self, secret: &str) -> bool {
        let handle = self.handles.lock().unwrap()[0].clone();
        handle.offer(Token::bearer(secret).unwrap().with_lifetime(3600 * S))
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
        .observer(move |event: &Event| kept.lock().unwrap().push(format!("{:?}", event.kind())))
        .build();
    let clones = [tokens.clone(), tokens.clone()];
    assert_eq!(secret(&tokens).await, "token-0");
    assert_eq!(source.handles.lock().unwrap().len(), 1, "one for the cache, not its handles");
    source.clear();
    assert!(tokens.current().is_none() && clones[0].current().is_none());
    assert_eq!(source.asked(), 1, "an idle cache asks for nothing");
    assert_eq!(secret(&clones[1]).await, "token-1");
    source.clear();
    tokens.clear();
    assert_eq!(secret(&tokens).await, "token-2");
    let cleared = events.lock().unwrap().iter().filter(|event| *event == "Cleared").count();
    assert_eq!(cleared, 2, "nothing is discarded twice");
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_request_was_sent_before_is_discarded_on_arrival() {
    let source = Slow::default();
    let tokens = TokenCache::new(source.clone());
    let waiting = tokio::spawn(tokens.get());
    sleep(3 * S).await;
    source.clear();
    assert_eq!(source.asked(), 1, "there is one acquisition at a time");
    assert_eq!(waiting.await.unwrap().unwrap().secret(), "token-1");
    assert_eq!(source.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_request_had_not_left_is_good() {
    let source = Slow::default();
    let tokens = TokenCache::new(source.clone());
    let waiting = tokio::spawn(tokens.get());
    sleep(S).await;
    source.clear();
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
    assert_eq!(secret(&tokens).await, "token-0", "the old one is used until then");
    source.clear();
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
    handle.clear();
}

/// A waiter, a request for a rejected token's replacement, and later requests.
#[tokio::test(start_paused = true)]
async fn waiters_of_an_acquisition_get_an_offered_token_at_once() {
    let source = Slow::default();
    let tokens = TokenCache::new(source.clone());
    let waiting = tokio::spawn(tokens.get());
    sleep(S).await;
    let start = Instant::now();
    assert!(source.offer("offered"));
    assert_eq!(waiting.await.unwrap().unwrap().secret(), "offered");
    assert_eq!(tokens.peek().unwrap().secret(), "offered");
    // The acquisition goes on. No second one starts, and it has a token that was issued later.
    sleep(5 * S).await;
    assert_eq!((secret(&tokens).await.as_str(), source.asked()), ("token-0", 1));
    assert!(start.elapsed() < 6 * S);
}

/// The offer comes after the token request was sent, so it is newer than the response.
#[tokio::test(start_paused = true)]
async fn the_late_result_does_not_displace_a_newer_offered_token() {
    let source = Slow::default();
    let tokens = TokenCache::new(source.clone());
    let waiting = tokio::spawn(tokens.get());
    sleep(3 * S).await;
    assert!(source.offer("offered"));
    assert_eq!(waiting.await.unwrap().unwrap().secret(), "offered");
    sleep(10 * S).await;
    assert_eq!((secret(&tokens).await.as_str(), source.asked()), ("offered", 1));
}

#[tokio::test(start_paused = true)]
async fn an_offered_token_replaces_a_rejected_one_and_joins_its_acquisition() {
    let source = Slow::default();
    let tokens = TokenCache::builder(source.clone()).name("billing").build();
    assert_eq!(tokens.name(), "billing");
    let first = tokens.get().await.unwrap();
    let replacement = tokio::spawn(tokens.replacement(&first));
    sleep(S).await;
    assert!(!source.offer("token-0"), "it was rejected");
    assert!(source.offer("offered"));
    let offered = replacement.await.unwrap().unwrap();
    assert_eq!(offered.secret(), "offered");
    // It is rejected too, while the acquisition is in flight: that one is joined.
    let other = tokens.replacement(&offered).await.unwrap();
    assert_eq!((other.secret(), source.asked()), ("token-1", 2));
    let rejected = Some("token-0".to_owned());
    let expected = [("billing".to_owned(), None), ("billing".to_owned(), rejected)];
    assert_eq!(*source.contexts.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_offered_token_is_kept_warm() {
    let source = Slow::default();
    let tokens = TokenCache::builder(source.clone()).keep_warm(true).build();
    tokens.warm_up().await.unwrap();
    let handle = source.handles.lock().unwrap()[0].clone();
    assert!(handle.offer(Token::bearer("short").unwrap().with_lifetime(60 * S)));
    sleep(60 * S).await;
    assert_eq!((secret(&tokens).await.as_str(), source.asked()), ("token-1", 2));
}

#[test]
fn a_client_is_named_after_its_id_host_and_scope() {
    let name = |scope| {
        let builder = ClientCredentials::builder("https://idp.example.com:8443/token?key=k")
            .client_secret_basic("my-service", "secret")
            .transport(tower::service_fn(|_: TokenRequest| async {
                Err::<http::Response<http_body_util::Full<bytes::Bytes>>, BoxError>("unused".into())
            }));
        builder.scope(scope).build().unwrap().into_cache().name().to_owned()
    };
    assert_eq!(name("invoices:read"), "my-service@idp.example.com (invoices:read)");
    assert_eq!(name(""), "my-service@idp.example.com");
    let closure = TokenCache::new(|_: AcquireContext| async { Token::bearer("abc") });
    // Other tests of this process may have live clients of this name.
    assert!(closure.name().starts_with("oauth"), "{}", closure.name());
}
