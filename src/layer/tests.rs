//! Which token a service holds, and which reference counts its clones and calls write to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use http::{Request, Response};
use http_body_util::Empty;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};

use super::{
    OAuthClientCredentials, OAuthClientCredentialsLayer, Origins,
    authorized::AuthorizedToken,
    select::{Action, LastToken},
    settings::Settings,
    shared::LayerShared,
};
use crate::{
    cache::TokenCache,
    error::BoxError,
    source::AcquireContext,
    sync::{Arc, stripe, stripes},
    token::Token,
};

/// Tokens `t1`, `t2`, … that live for an hour. The first is cached.
async fn cache() -> TokenCache {
    let nth = AtomicU32::new(0);
    let cache = TokenCache::new(move |_: AcquireContext| {
        let token = Token::bearer(format!("t{}", nth.fetch_add(1, Ordering::Relaxed) + 1));
        async move { Ok(token?.with_lifetime(Duration::from_secs(3600))) }
    });
    cache.warm_up().await.unwrap();
    cache
}

async fn shared() -> Arc<LayerShared<TokenCache>> {
    Arc::new(LayerShared::new(cache().await, Settings::new(Origins::any())))
}

/// The token of a call.
fn call(shared: &Arc<LayerShared<TokenCache>>, last: &mut LastToken) -> Arc<AuthorizedToken> {
    let request = Request::get("https://api.example.com").body(()).unwrap();
    match shared.select_action(last, &request) {
        Action::Send(token) => token,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_action_shows_its_token_without_the_secret() {
    let token = call(&shared().await, &mut LastToken::default());
    let text = format!("{token:?}");
    assert!(text.starts_with("AuthorizedToken { token: Token {") && !text.contains("t1"), "{text}");
}

fn in_other_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

#[tokio::test]
async fn a_service_keeps_its_own_token_from_the_second_call_on() {
    let shared = shared().await;
    let mut last = LastToken::default();
    let first = call(&shared, &mut last);
    assert!(last.token().is_none());
    let own = call(&shared, &mut last);
    assert!(last.token().is_some_and(|kept| Arc::ptr_eq(kept, &own)));
    assert!(!Arc::ptr_eq(&first, &own));
    // On any thread, and without the shared state.
    let counts = Arc::strong_count(&shared);
    assert!(in_other_thread(|| Arc::ptr_eq(&call(&shared, &mut last), &own)));
    assert_eq!(Arc::strong_count(&shared), counts);
    // Other services share another one.
    assert!(Arc::ptr_eq(&call(&shared, &mut LastToken::default()), &first));
}

#[tokio::test]
async fn each_call_of_a_clone_uses_the_token_of_its_threads_stripe() {
    let shared = shared().await;
    let mut tokens = BTreeMap::new();
    for _ in 0..2 * stripes() {
        in_other_thread(|| {
            let [first, second] = [(); 2].map(|()| call(&shared, &mut LastToken::default()));
            assert!(Arc::ptr_eq(&first, &second));
            tokens.insert(stripe(), first);
        });
    }
    let distinct: BTreeSet<_> = tokens.values().map(Arc::as_ptr).collect();
    assert_eq!((tokens.len(), distinct.len()), (stripes(), stripes()));
}

#[tokio::test]
async fn an_old_token_stays_in_no_stripe() {
    let shared = shared().await;
    let old: Vec<_> = (0..2 * stripes())
        .map(|_| in_other_thread(|| Arc::downgrade(&call(&shared, &mut LastToken::default()))))
        .collect();
    assert!(old.iter().all(|token| token.upgrade().is_some()));
    shared.tokens.force_refresh().await.unwrap();
    call(&shared, &mut LastToken::default());
    assert!(old.iter().all(|token| token.upgrade().is_none()));
}

/// A thread may have loaded the snapshot before it was replaced.
#[tokio::test]
async fn a_token_that_is_stored_late_does_not_stay() {
    let shared = shared().await;
    let old = shared.tokens.fresh(Instant::now()).unwrap();
    shared.tokens.force_refresh().await.unwrap();
    let old = Arc::downgrade(&shared.store(old));
    assert!(old.upgrade().is_none());
    assert_eq!(call(&shared, &mut LastToken::default()).token().secret(), "t2");
}

#[tokio::test]
async fn requests_that_waited_share_a_token() {
    let shared = shared().await;
    let snapshot = shared.tokens.fresh(Instant::now()).unwrap();
    let [first, second] = [(); 2].map(|()| shared.authorized(&snapshot));
    assert!(Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&first, &call(&shared, &mut LastToken::default())));
}

#[tokio::test]
async fn a_service_that_was_idle_finds_the_next_token() {
    let shared = shared().await;
    let mut idle = LastToken::default();
    for _ in 0..2 {
        assert_eq!(call(&shared, &mut idle).token().secret(), "t1");
    }
    shared.tokens.force_refresh().await.unwrap();
    assert_eq!(call(&shared, &mut idle).token().secret(), "t2");
    assert!(idle.token().is_some_and(|kept| kept.is_fresh(Instant::now())));
}

/// Otherwise a cache that is kept warm would be kept warm for ever.
#[tokio::test]
async fn the_last_service_drops_the_shared_state() {
    let cache = cache().await;
    let layer = OAuthClientCredentialsLayer::new(cache, Origins::any());
    let service: OAuthClientCredentials<()> = layer.layer(());
    let shared = Arc::downgrade(service.shared());
    let token = Arc::downgrade(&call(service.shared(), &mut LastToken::default()));
    let clone = service.clone();
    drop(service);
    assert!(shared.upgrade().is_some() && token.upgrade().is_some());
    drop(clone);
    assert!(shared.upgrade().is_none() && token.upgrade().is_none());
}

/// A source that keeps its token returns one that has expired. Its waiters get it once.
#[tokio::test(start_paused = true)]
async fn a_token_that_is_returned_again_after_its_expiry_is_used_once() {
    let token = Token::bearer("kept").unwrap().with_issued_at(Instant::now());
    let token = token.with_lifetime(Duration::from_secs(10));
    let cache = TokenCache::new(move |_: AcquireContext| {
        let token = token.clone();
        async move { Ok(token) }
    });
    cache.warm_up().await.unwrap();
    let api = tower::service_fn(|request: Request<Empty<&'static [u8]>>| async move {
        assert_eq!(request.headers()["authorization"], "Bearer kept");
        Ok::<_, BoxError>(Response::new(()))
    });
    let client = OAuthClientCredentialsLayer::new(cache, Origins::any()).layer(api);
    for _ in 0..2 {
        let request = Request::get("https://api.example.com").body(Empty::new()).unwrap();
        client.clone().oneshot(request).await.unwrap();
        tokio::time::advance(Duration::from_secs(11)).await;
    }
}
